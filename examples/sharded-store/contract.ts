/** A key-value store, sharded within each region and held by all of them; a cache, and who reads through it. */
import * as z from "zod";
import { rpc, service } from "../../src/index.ts";

const key = z.string();
/** `stamp` orders the writes of a key; `executed` counts how often any was carried out here. */
const value = z.object({ text: z.string(), stamp: z.string(), executed: z.int32() });

export const Store = service("demo.v1.Store", {
  put: rpc({
    input: z.object({ key, text: z.string(), stamp: z.string() }), output: z.object({}),
    // By its idempotency key a repeat is known, also by the server that its shard has moved to.
    idempotent: "keyed", routeKey: (input) => input.key,
  }),
  get: rpc({ input: z.object({ key }), output: value, safe: true, routeKey: (input) => input.key }),
});

/** What a server of a cache keeps for others; which server has a key follows from the key. */
export const Cache = service("demo.v1.Cache", {
  look: rpc({
    input: z.object({ keys: z.array(key) }), output: z.object({ texts: z.array(z.string().nullable()) }), safe: true,
  }),
  keep: rpc({ input: z.object({ key, text: z.string(), ttlMs: z.number() }), output: z.object({}), idempotent: true }),
  drop: rpc({ input: z.object({ key }), output: z.object({}), idempotent: true }),
});

/** Reads by quorum, for clients that keep what they have read. */
export const Reader = service("demo.v1.Reader", {
  read: rpc({ input: z.object({ key }), output: z.object({ text: z.string() }), safe: true }),
});
