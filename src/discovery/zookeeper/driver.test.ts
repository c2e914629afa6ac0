// What the driver says to options that cannot be meant, and does with servers that speak no ZooKeeper.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ByteStream, Runtime } from "../../core/runtime.ts";
import { nodeRuntime } from "../../runtime/node/index.ts";
import { inMemory } from "../../testing/memory-network.ts";
import { zookeeperDiscoveryOn } from "./driver.ts";
import { JuteWriter } from "./jute.ts";
import { escapeStep } from "./paths.ts";

const timeout = 60_000;
const numRuns = Math.min(1_000, Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 60));

test("refuses options that cannot be meant", () => {
  const refused = (options: Parameters<typeof zookeeperDiscoveryOn>[1], message: RegExp): void =>
    assert.throws(() => zookeeperDiscoveryOn(nodeRuntime, options), { code: "invalid_argument", message });
  refused({ address: [] }, /address is empty/);
  refused({ address: "" }, /"" is no server/);
  refused({ address: "a:0" }, /"a:0" is no server/);
  refused({ address: ["a:2181", "http://b"] }, /"http:\/\/b" is no server/);
  refused({ address: "a:2181/.." }, /no path of ZooKeeper/);
  refused({ prefix: "meridian" }, /no path of ZooKeeper/);
  refused({ prefix: "/a//b" }, /no path of ZooKeeper/);
  refused({ prefix: "/a/" }, /no path of ZooKeeper/);
  refused({ ttlMs: 10 }, /ttlMs 10/);
  refused({ silentMs: 0 }, /silentMs is 0/);
  refused({ connectTimeoutMs: Number.NaN }, /connectTimeoutMs is NaN/);
  refused({ acl: "creator" }, /give some \(option `auth`\)/);
});

test("ids become one step of a path each, and different ones different steps", () => {
  const text = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units));
  fc.assert(fc.property(text, text, (one, other) => {
    const step = escapeStep(one);
    assert.match(step, /^[A-Za-z0-9_.!~*'():%-]*$/);
    assert.ok(step !== "." && step !== "..");
    if (one.toWellFormed() !== other.toWellFormed()) assert.notEqual(step, escapeStep(other));
  }), { seed: 7, numRuns: 100 });
  assert.equal(escapeStep("127.0.0.1:7001"), "127.0.0.1:7001");
  assert.equal(escapeStep(".."), "%2E%2E");
});

/** Accepts connections, and says to each what `speak` says. */
async function speaker(runtime: Runtime, speak: (stream: ByteStream) => void): Promise<string> {
  const { address } = await runtime.network.listen("127.0.0.1:2181", (stream) => {
    let isFirst = true;
    return {
      received() {
        if (isFirst) speak(stream);
        isFirst = false;
      },
      closed: () => undefined,
    };
  });
  return address;
}

const welcome = new JuteWriter().int(0).int(4_000).long(7n).buffer(new Uint8Array(16)).boolean(false).frame();

test("bears any bytes, before a session and within one", { timeout }, async () => {
  const rubbish = fc.tuple(fc.boolean(), fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 100 }));
  // All at once: each waits for what it can no longer withdraw.
  await Promise.all(fc.sample(rubbish, { seed: 8, numRuns }).map(bearsRubbish));
});

async function bearsRubbish([isWelcome, isFramed, bytes]: [boolean, boolean, Uint8Array]): Promise<void> {
  const runtime = inMemory(nodeRuntime);
  const address = await speaker(runtime, (stream) => {
    if (isWelcome) stream.write(welcome.slice());
    stream.write(isFramed ? Uint8Array.from([0, 0, 0, bytes.length, ...bytes]) : bytes.slice());
    stream.end();
  });
  const discovery = zookeeperDiscoveryOn(runtime, { address, retryMinMs: 1, retryMaxMs: 1 });
  const failed = Promise.withResolvers<void>();
  discovery.watch("geo.v1.Cities", { snapshot: () => undefined, failed: () => failed.resolve() });
  discovery.register("geo.v1.Cities", { address: "127.0.0.1:7001" });
  await failed.promise;
  await discovery.close();
}

test("says what is at the port when it is no ZooKeeper", { timeout }, async () => {
  const runtime = inMemory(nodeRuntime);
  const address = await speaker(runtime, (stream) => {
    stream.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  const discovery = zookeeperDiscoveryOn(runtime, { address });
  const message = await new Promise<string>((resolve) => {
    discovery.watch("a", { snapshot: () => undefined, failed: (error) => resolve(error.message) });
  });
  assert.match(message, /ZooKeeper at 127.0.0.1:2181 sent what is none of its protocol: a frame of \d+ bytes exceeds/);
  await discovery.close();
});

test("leaves a server that takes no session, and closes while it waits for one", { timeout }, async () => {
  const runtime = inMemory(nodeRuntime);
  const address = await speaker(runtime, () => undefined);
  const discovery = zookeeperDiscoveryOn(runtime, { address, connectTimeoutMs: 50 });
  const message = await new Promise<string>((resolve) => {
    discovery.watch("a", { snapshot: () => undefined, failed: (error) => resolve(error.message) });
  });
  assert.match(message, /took no session within 50 ms/);
  const waiting = zookeeperDiscoveryOn(runtime, { address, connectTimeoutMs: 600_000 });
  const registration = waiting.register("a", { address: "127.0.0.1:7001" });
  await Promise.all([discovery.close(), waiting.close()]);
  await assert.rejects(registration.registered, { code: "cancelled" });
});
