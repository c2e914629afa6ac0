import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";
import type { Layer, Observer, Stack } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { createServerOn } from "../server/server.ts";
import { type ClientOptions, createCaller, createClientOn } from "./create-client.ts";
import { createTuning } from "./tuning.ts";

const message = z.object({ n: z.int32() });
const Counter = service("test.v1.Counter", {
  read: rpc({ input: message, output: message, idempotent: true }),
  add: rpc({ input: message, output: message, idempotent: "keyed" }),
});

const metered: Observer = { callEnded: () => undefined };

/** The names of the layers that a client with these options has, and whether its endpoints are judged. */
function partsOf(options: ClientOptions): { layers: string[]; outlier: boolean; load: boolean } {
  const client = createSimulation({ seed: 1 }).host("client");
  let stack: Stack = {};
  const calling = createCaller(client, {
    ...options, name: "x", address: "server:1", stack: (defaults) => stack = defaults,
  });
  const [endpoint] = calling.endpoints();
  calling.close(0);
  return {
    layers: Object.keys(stack).filter((name) => stack[name] !== undefined),
    outlier: endpoint?.outlier !== undefined, load: endpoint?.loadMember !== undefined,
  };
}

test("a default that is opted out of is not there", () => {
  const layers = ["idempotency", "hedge", "retry"];
  assert.deepEqual(partsOf({}), { layers, outlier: true, load: true });
  assert.deepEqual(partsOf({ hedge: false }).layers, ["idempotency", "retry"]);
  assert.deepEqual(partsOf({ retry: false }).layers, ["idempotency", "hedge"]);
  const alone = partsOf({ retry: false, observer: metered }).layers;
  assert.deepEqual(alone, ["telemetry", "idempotency", "hedge"], "without retries somebody else tells of ends");
  assert.deepEqual(partsOf({ tuning: false }).layers, ["idempotency", "retry"], "no delay is known without statistics");
  assert.equal(partsOf({ outliers: false }).outlier, false);
  assert.equal(partsOf({ loadThresholds: false }).load, false);
});

test("who learns nothing from attempts does not hear of them", () => {
  const client = createSimulation({ seed: 1 }).host("client");
  const off = createTuning(client, {}, { tuning: false, throttle: false, hedge: false });
  assert.deepEqual([off.latency, off.throttle, off.observer.attemptEnded], [undefined, undefined, undefined]);
  assert.equal(off.hedges(undefined, () => false), undefined);
  for (const alone of [{ tuning: false }, { throttle: false }, { hedge: false }] as const) {
    assert.notEqual(createTuning(client, {}, alone).observer.attemptEnded, undefined, JSON.stringify(alone));
  }
});

test("calls without keys pass no layer of keys, and those with keys have them", async () => {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const client = simulation.host("client");
  const calling = createCaller(client, { name: "x", address: "server:1" });
  assert.notEqual(calling.keyless, calling.service);
  calling.close(0);

  const keys: (string | undefined)[] = [];
  const serving = createServerOn(simulation.host("server"), {}).implement(Counter, {
    read: (request, context) => (keys.push(context.idempotencyKey), request),
    add: (request, context) => (keys.push(context.idempotencyKey), request),
  });
  await serving.listen({ host: "server", port: 1 });
  const counter = createClientOn(client, Counter, { address: "server:1" });
  await simulation.runUntil((async () => {
    await counter.read({ n: 1 });
    await counter.add({ n: 1 });
    await counter.$.by((candidates) => candidates[0]).add({ n: 2 });
  })(), 10_000);
  counter.$.close(0);
  assert.deepEqual(keys.map((key) => typeof key), ["undefined", "string", "string"]);
});

test("a layer of the user's above that of keys is made once, and sees every call", () => {
  const client = createSimulation({ seed: 1 }).host("client");
  let made = 0;
  const mine: Layer = (next) => {
    made++;
    return next;
  };
  const calling = createCaller(client, {
    name: "x", address: "server:1", stack: (defaults) => ({ mine, ...defaults }),
  });
  calling.close(0);
  assert.equal(made, 1);
  assert.equal(calling.keyless, calling.service);
});
