/** The contracts by which shards move between servers, and by which the map of who owns what is kept. */
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";

/**
 * Moves are told apart by the epoch of the map that their source knew when it began, and a number of its own: a later
 * move of a shard has a greater pair, so that what is left of an earlier one is known for that.
 */
const move = z.object({ shard: z.uint32(), epoch: z.uint64(), sequence: z.uint32(), from: z.string() })
  .meta({ id: "ShardMoveId" });
const entry = z.object({ key: z.string(), value: z.string(), removed: z.boolean() }).meta({ id: "ShardEntry" });
const nothing = z.object({}).meta({ id: "ShardNothing" });

/** What servers that hold shards say to each other. */
export const ShardHosts = service("meridian.shards.v1.ShardHosts", {
  begin: rpc({
    description: "A shard will come: forgets what came of it before. Refused to who owns it, and to an older move.",
    input: z.object({ move }), output: nothing, idempotent: true, criticality: "critical", timeoutMs: 3_000,
  }),
  entries: rpc({
    description: "A piece of the shard, to be laid over what came before. Pieces are numbered from 0: one that has " +
      "come already changes nothing, however late it comes again.",
    input: z.object({ move, number: z.uint32(), entries: z.array(entry) }), output: nothing,
    idempotent: true, criticality: "critical", timeoutMs: 5_000,
  }),
  complete: rpc({
    description: "Everything has come: the receiver says whether it has as many entries as the source.",
    input: z.object({ move, pieces: z.uint32(), count: z.uint32() }), output: z.object({ complete: z.boolean() }),
    idempotent: true, criticality: "critical", timeoutMs: 3_000,
  }),
  activate: rpc({
    description: "The map has changed: look at it, and serve what is yours.",
    input: nothing, output: z.object({ epoch: z.uint64() }),
    idempotent: true, criticality: "critical", timeoutMs: 3_000,
  }),
  move: rpc({
    description: "Asks the owner of a shard to move it to another owner. Answers when it has, with the map.",
    input: z.object({ shard: z.uint32(), to: z.string() }), output: z.object({ map: z.string() }),
    idempotent: true, timeoutMs: 60_000,
  }),
  map: rpc({
    description: "The map as this server knows it.",
    input: nothing, output: z.object({ map: z.string() }), safe: true, timeoutMs: 3_000,
  }),
});

/** The map, kept in one place; changed by comparison of epochs. */
export const ShardMaps = service("meridian.shards.v1.ShardMaps", {
  read: rpc({ input: nothing, output: z.object({ map: z.string() }), safe: true, timeoutMs: 3_000 }),
  replace: rpc({
    description: "Replaces the map of the epoch by the next one; changes nothing if another is in force. Tells it.",
    input: z.object({ epoch: z.uint64(), map: z.string() }),
    output: z.object({ replaced: z.boolean(), map: z.string() }),
    idempotent: true, criticality: "critical", timeoutMs: 3_000,
  }),
});
