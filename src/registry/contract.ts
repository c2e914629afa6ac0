/**
 * The contract of the embedded registry: leases for servers, streams of snapshots for their callers.
 *
 * The schemas say only structure, which the codec guarantees by itself; what a name or an endpoint may be is
 * checked once, where it is registered (check.ts), and not again in every snapshot by every watcher.
 */
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";

/** An endpoint address with nothing left out; see EndpointAddress. */
const endpoint = z.object({
  id: z.string(),
  address: z.string(),
  region: z.string(),
  zone: z.string(),
  weight: z.number(),
  backup: z.boolean(),
  priority: z.int32(),
  attributes: z.record(z.string(), z.string()),
}).meta({ id: "Endpoint" });

/**
 * One message of a watch: a part of a snapshot (the last one says `more: false`), or with `unchanged` a mere
 * sign of life.
 */
const snapshotPart = z.object({
  /** Random name of this life of the registry: another one knows only what it has heard itself. */
  incarnation: z.string(),
  /** Grows with every change within one incarnation. */
  version: z.uint64(),
  /** Milliseconds until this incarnation has heard from everybody who lives; 0 when it has. */
  settlesInMs: z.uint32(),
  unchanged: z.boolean(),
  more: z.boolean(),
  endpoints: z.array(endpoint),
  /** The version of which this tells the changes: `endpoints` came or changed, `removed` went. 0: a complete set. */
  basis: z.uint64(),
  removed: z.array(z.string()),
}).meta({ id: "SnapshotPart" });

export type SnapshotPart = z.infer<typeof snapshotPart>;

/** The embedded registry as a service. */
export const RegistryContract = service("meridian.registry.v1.Registry", {
  register: rpc({
    description: "Enters an endpoint under a name for ttlMs. A registrant (any text of its own) has one lease for " +
      "a name and id, so that a repeat changes nothing. Of several registrants the last is listed, and the one " +
      "before it again when that one ends.",
    input: z.object({ name: z.string(), endpoint, ttlMs: z.uint32(), registrant: z.string() }),
    output: z.object({ leaseId: z.string(), ttlMs: z.uint32() }),
    idempotent: true, criticality: "critical", timeoutMs: 3_000,
  }),
  renew: rpc({
    description: "Keeps leases alive for another ttlMs each. Those that are unknown must be registered again.",
    input: z.object({ leaseIds: z.array(z.string()) }),
    output: z.object({ unknown: z.array(z.string()) }),
    idempotent: true, criticality: "critical", timeoutMs: 3_000,
  }),
  deregister: rpc({
    description: "Ends leases at once. Those that are unknown are over already.",
    input: z.object({ leaseIds: z.array(z.string()) }),
    output: z.object({}),
    idempotent: true, criticality: "critical", timeoutMs: 3_000,
  }),
  watch: rpc({
    description: "Tells the complete set that serves a name: now, after each change (or with `changes` what changed " +
      "of it), and a sign of life at least every keepaliveMs.",
    kind: "server_stream",
    input: z.object({
      name: z.string(), keepaliveMs: z.uint32(),
      /** Whether the caller keeps the set itself and takes changes of it, so that a change costs what changed. */
      changes: z.boolean().optional(),
    }),
    output: snapshotPart,
    idempotent: true, criticality: "critical",
  }),
  list: rpc({
    description: "The names and how many endpoints and watchers each has, for views.",
    input: z.object({}),
    output: z.object({
      incarnation: z.string(),
      names: z.array(z.object({ name: z.string(), endpoints: z.uint32(), watchers: z.uint32() })),
    }),
    idempotent: true, timeoutMs: 3_000,
  }),
});
