/** The contract by which a primary keeps its backups warm: served by every member, called by the backups. */
import * as z from "zod";
import { bytes, rpc, service } from "../contract/index.ts";

/** A count of changes: a double on the wire, exact up to 2^53. */
const count = z.number();

/** What a backup says: who it is and what it has, and again after each batch. */
const progress = z.object({
  /** The election's name: two groups that share a port are told apart. */
  group: z.string(),
  member: z.string(),
  /** The greatest token that it has seen: a primary whose own is smaller is none. */
  highest: z.uint64(),
  /** The last change that it has applied: the term it was made in, and its number. */
  token: z.uint64(),
  sequence: count,
  /** How far it had acknowledged changes to callers when it was the primary itself. */
  acknowledged: count,
});

export type Progress = z.infer<typeof progress>;

const change = z.object({ token: z.uint64(), key: z.string(), change: bytes(), answer: bytes() });

const completion = z.object({ key: z.string(), sequence: count, answer: bytes(), ageMs: z.number() });

const batch = z.object({
  /** Of the primary's term. */
  token: z.uint64(),
  /**
   * `state`: a part of a snapshot; `last`: its last part; `changes`: those after number `sequence`; none of them is a
   * sign of life.
   */
  kind: z.enum(["state", "last", "changes"]),
  /** Of a snapshot: the number of the last change in it; of changes: that of the one before the first. */
  sequence: count,
  /** The term of the last change in a snapshot. */
  stateToken: z.uint64(),
  state: bytes(),
  completions: z.array(completion),
  changes: z.array(change),
  /** The primary's last change, the last that is acknowledged, and whether the reader may be promoted. */
  latest: count,
  committed: count,
  inSync: z.boolean(),
});

export type Batch = z.infer<typeof batch>;

export const Replication = service("meridian.leadership.v1.Replication", {
  follow: rpc({ kind: "bidi_stream", input: progress, output: batch, criticality: "critical" }),
});
