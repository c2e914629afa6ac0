/** What idempotency keys, their records and the response cache cost a call. */
import * as z from "zod";
import { responseCache } from "../../src/cache/index.ts";
import { idempotencyKeys } from "../../src/client/stack.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { automaticKey } from "../../src/core/idempotency-key.ts";
import { Context, type Layer, type MethodInfo, type Service } from "../../src/core/index.ts";
import { memoryReplayStore, replay } from "../../src/replay/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import type { PolicyCase } from "../policies.ts";

const Calculator = service("bench.v1.Calculator", {
  add: rpc({
    input: z.object({ a: z.int32(), b: z.int32() }), output: z.object({ sum: z.int32() }), idempotent: "keyed",
  }),
  read: rpc({ input: z.object({ a: z.int32() }), output: z.object({ sum: z.int32() }), safe: true }),
});
const { add, read } = Calculator.methods;

/** The frame's calls have a method of the frame's: here they become calls of `method`, beneath `layer`. */
function as(method: MethodInfo, key: boolean, layer: Layer): Layer {
  return (next) => {
    const handler: Service = async (request, context) => {
      await next(request, context);
      return { sum: 3 };
    };
    const inner = layer(handler);
    return (request, { startedMs, deadline }) => inner({ a: request, b: 2 },
      new Context(method, startedMs, deadline, key ? { idempotencyKey: automaticKey(nodeRuntime, 0) } : {}));
  };
}

const nothing: Layer = (next) => next;

export const cases: readonly PolicyCase[] = [
  { name: "keyed call: without key or record", side: "client", isDefault: false, layer: () => as(add, false, nothing) },
  { name: "keyed call: its key by the client", side: "client", isDefault: true,
    over: "keyed call: without key or record",
    layer: () => as(add, false, idempotencyKeys(nodeRuntime)) },
  { name: "keyed call: with key, without record", side: "server", isDefault: false,
    layer: () => as(add, true, nothing) },
  { name: "keyed call: with key and record in memory", side: "server", isDefault: false,
    over: "keyed call: with key, without record", goalNs: 4_000,
    layer: () => as(add, true, replay({ store: memoryReplayStore({ bornMs: 0 }) })(nodeRuntime, {})) },
  { name: "replay: a call without a key", side: "server", isDefault: false, layer: () => replay()(nodeRuntime, {}) },
  { name: "cache: a method that is not cached", side: "client", isDefault: false,
    over: "keyed call: without key or record",
    layer: () => as(add, false, responseCache({ ttlMs: 60_000 })(nodeRuntime, {})) },
  { name: "cache: 1 of 10,000 answers hit in memory", side: "client", isDefault: false,
    over: "keyed call: without key or record",
    layer: () => as(read, false, responseCache({ ttlMs: 600_000 })(nodeRuntime, {})) },
];
