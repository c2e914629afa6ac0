import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { callContext, Echo } from "../../test/client/scripted.ts";
import { expected, type Service } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { follow, forget } from "./cancellation.ts";
import { callMethods } from "./client.ts";

const simulation = createSimulation({ seed: 1 });
const { clock } = simulation.host("client");

test("an abort reaches every call that follows the signal, with its reason", () => {
  const controller = new AbortController();
  const [a, b, over] = [callContext(clock), callContext(clock), callContext(clock)];
  for (const context of [a, b, over]) follow(controller.signal, context);
  forget(controller.signal, over);
  controller.abort(new Error("the user left"));
  for (const context of [a, b]) {
    assert.equal(context.cancelReason?.code, "cancelled");
    assert.match(String(context.cancelReason?.cause), /the user left/);
  }
  assert.equal(over.cancelReason, undefined);
});

test("a signal that was aborted before cancels at once; an RpcError is handed on as it is", () => {
  const reason = expected("aborted", "superseded");
  const context = callContext(clock);
  follow(AbortSignal.abort(reason), context);
  assert.equal(context.cancelReason, reason);
});

test("a signal that timed out is a deadline", () => {
  const context = callContext(clock);
  follow(AbortSignal.abort(new DOMException("too late", "TimeoutError")), context);
  assert.equal(context.cancelReason?.code, "deadline_exceeded");
});

test("10,000 calls on one signal leave one listener behind and hold no call", async () => {
  const { signal } = new AbortController();
  const contexts: WeakRef<object>[] = [];
  const service: Service = (request, context) => {
    contexts.push(new WeakRef(context));
    return contexts.length % 2 === 0 ? Promise.resolve(request) : request;
  };
  const { say } = callMethods(Echo, { clock, service, timeoutMs: 1_000 });
  for (let i = 0; i < 10_000; i++) await say({ text: "hi" }, { signal });
  assert.equal(getEventListeners(signal, "abort").length, 1);
  assert.equal(contexts.length, 10_000);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // A WeakRef is kept until the turn in which it was made is over.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const held = contexts.filter((context) => context.deref() !== undefined).length;
  assert.ok(held < 100, `${held} contexts are held`);
});
