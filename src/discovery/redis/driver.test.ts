// What the driver says to options that cannot be meant, and does with servers that answer rubbish or nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import { createSimulation } from "../../runtime/sim/index.ts";
import { nodeRuntime } from "../../runtime/node/index.ts";
import type { RedisConnection } from "./connection.ts";
import { redisDiscoveryOn, type RedisDiscoveryOptions } from "./driver.ts";
import { readAnswer } from "./scripts.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);
const never = (): Promise<never> => new Promise(() => undefined);
const name = "geo.v1.Cities";

test("refuses options that cannot be meant, without telling a password", () => {
  const refused = (options: RedisDiscoveryOptions, message: RegExp): void =>
    assert.throws(() => redisDiscoveryOn(nodeRuntime, options), (error: RpcError) => {
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  refused({ url: "127.0.0.1:6379" }, /no address of Redis/);
  refused({ url: "redis://me:hunter2@host:6379/a/b" }, /no address of Redis/);
  refused({ prefix: "a{b}" }, /prefix "a\{b\}" is none/);
  refused({ ttlMs: 1 }, /ttlMs 1/);
  refused({ silentMs: 0 }, /silentMs is 0/);
  refused({ rereadMs: Number.NaN }, /rereadMs is NaN/);
  refused({ url: "redis://a:1", connect: never }, /`connect` and `url` are different ways/);
});

test("answers that are none end in an RpcError", () => {
  const values = fc.oneof(fc.anything(), fc.array(fc.oneof(fc.integer(), fc.string(), fc.constant(null))));
  fc.assert(fc.property(values, (answer) => {
    try {
      const { items } = readAnswer(answer, "k", 10);
      assert.ok(items.every(({ id, kind, value }) => [id, kind, value].every((one) => typeof one === "string")));
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
    }
  }), { seed: 3, numRuns });
  assert.throws(() => readAnswer([-1, 11], "k", 10), { code: "resource_exhausted", message: /lists 11 entries at k/ });
});

/** A driver in a simulation, over a connection that answers as told. */
function simulated(send: (args: readonly string[]) => Promise<unknown>) {
  const simulation = createSimulation({ seed: 1 });
  const failures: string[] = [];
  let closed = 0;
  let made = 0;
  const connection: RedisConnection = {
    send: (args) => send(args),
    subscribe: () => Promise.resolve(() => Promise.resolve()),
    close: () => void closed++,
  };
  const connect = (): Promise<RedisConnection> => {
    made++;
    return Promise.resolve(connection);
  };
  const discovery = redisDiscoveryOn(simulation.host("client"), { connect });
  discovery.watch(name, { snapshot: () => undefined, failed: ({ message }) => void failures.push(message) });
  return { simulation, discovery, failures, open: () => made - closed };
}

test("leaves a Redis that answers no ping, and comes back to it, with one connection at a time", async () => {
  const { simulation, discovery, failures, open } = simulated(never);
  await simulation.run(1_900);
  assert.deepEqual(failures, []);
  await simulation.run(2_100);
  assert.deepEqual(failures, ["Redis answered no ping for 1500 ms"]);
  await simulation.run(60_000);
  assert.equal(open(), 1);
  await simulation.runUntil(discovery.close(), 60_000);
  assert.equal(open(), 0);
});

test("bears a Redis that answers everything with rubbish", async () => {
  const { simulation, discovery, failures } = simulated(() => Promise.resolve({ a: [1] }));
  const registration = discovery.register(name, { address: "127.0.0.1:7001" });
  await simulation.run(10_000);
  assert.match(failures[0] ?? "", /answered the script that reads meridian:\{geo.v1.Cities\} with something else/);
  await simulation.runUntil(registration.close(), 60_000);
  await simulation.runUntil(discovery.close(), 60_000);
});
