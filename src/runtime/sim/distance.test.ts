import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../core/runtime.ts";
import { RecordingSink } from "../../testing/runtime-harness.ts";
import { runtimeCases, type RuntimeHarness } from "../../testing/runtime.ts";
import { nodeRuntime } from "../node/index.ts";
import { createSimulation, type Simulation, withDistance } from "./index.ts";

/** A peer's end closes the near connection, so that what is still under way to it is lost: said in distance.ts. */
const isOfStreams = (name: string) => /^(stream|listen|close|flow)/.test(name) && !name.includes("both ends at once");

function simulated(oneWayMs: number, latencyMs = 0.1): RuntimeHarness & { simulation: Simulation } {
  const simulation = createSimulation({ seed: 1, link: { latencyMs } });
  const server = simulation.host("server");
  const near = simulation.host("client");
  const client = { ...near, network: withDistance(near.network, near.clock, () => oneWayMs) };
  let ports = 7_000;
  const listenAddress = () => (ports++ === 7_000 ? "server:0" : `server:${ports}`);
  return { simulation, server, client, listenAddress, drive: (body) => simulation.runUntil(body(), 600_000) };
}

// A distance makes every case slower; those that wait 20 ms for a second `closed` still see it.
for (const { name, run } of runtimeCases(() => simulated(5))) {
  if (isOfStreams(name)) test(`sim with distance: ${name}`, run);
}

const { clock } = nodeRuntime;
const distant = { ...nodeRuntime, network: withDistance(nodeRuntime.network, clock, () => 5) };
for (const { name, run } of runtimeCases(() => ({
  server: nodeRuntime,
  client: distant,
  listenAddress: () => "127.0.0.1:0",
  drive: (body) => body(),
}))) {
  if (isOfStreams(name)) test(`tcp with distance: ${name}`, run);
}

test("opening, refusal, bytes and the end each take their ways", async () => {
  const { simulation, server, client } = simulated(100, 0);
  const times: Record<string, number> = {};
  const note = (what: string) => {
    times[what] ??= simulation.nowMs;
  };
  await simulation.runUntil(server.network.listen("server:1", (stream) => ({
    received(bytes) {
      note("server received");
      stream.write(bytes);
    },
    closed: () => note("server closed"),
  })), 1);
  const stream = client.network.connect("server:1", {
    opened() {
      note("opened");
      stream.write(new Uint8Array(3), () => note("written"));
      assert.equal(stream.bufferedBytes, 3);
    },
    received() {
      note("echoed");
      stream.end();
    },
    closed: () => note("closed"),
  });
  client.network.connect("server:2", { received() {}, closed: () => note("refused") });
  await simulation.run(2_000);
  assert.deepEqual(times, {
    "opened": 200, "refused": 200, "server received": 300, "written": 300, "echoed": 400, "server closed": 500,
    "closed": 600,
  });
});

test("a distance that is asked for by address, and none", async () => {
  const { simulation, server } = simulated(0, 0);
  const near = simulation.host("other");
  const asked: string[] = [];
  const network = withDistance(near.network, near.clock, (address) => {
    asked.push(address);
    return address.endsWith(":1") ? 40 : 0;
  });
  await server.network.listen("server:1", () => new RecordingSink());
  await server.network.listen("server:2", () => new RecordingSink());
  const opened: number[] = [];
  for (const address of ["server:1", "server:2"]) {
    network.connect(address, { opened: () => opened.push(simulation.nowMs), received() {}, closed() {} });
  }
  await simulation.run(1_000);
  assert.deepEqual(opened, [0, 80]);
  assert.deepEqual(asked, ["server:1", "server:2"]);
});

test("a burst costs one alarm, and what is under way is bounded", async () => {
  const { simulation, server, client } = simulated(50, 0);
  let sets = 0;
  const counting: Clock = {
    ...client.clock,
    set(alarm, atMs) {
      sets++;
      client.clock.set(alarm, atMs);
    },
  };
  const network = withDistance(simulation.host("client").network, counting, () => 50);
  const sink = new RecordingSink();
  await server.network.listen("server:1", () => sink);
  const client1 = new RecordingSink();
  const stream = network.connect("server:1", client1);
  await simulation.runUntil(client1.untilOpened(), 1_000);
  sets = 0;
  for (let i = 0; i < 1_000; i++) stream.write(new Uint8Array(64));
  await simulation.runUntil(sink.untilReceived(64_000), 1_000);
  assert.equal(sets, 1);
  let mayGoOn = true;
  let written = 0;
  while (mayGoOn && written < 1_000) {
    mayGoOn = stream.write(new Uint8Array(100_000));
    written++;
  }
  assert.ok(written < 100, `${written} writes of 100 kB were welcome`);
  await simulation.runUntil(client1.until(({ events }) => events.includes("drained")), 10_000);
});

test("real time: an echo over 30 ms each way takes 60 ms and a little", async () => {
  const listener = await nodeRuntime.network.listen("127.0.0.1:0", (stream) => ({
    received: (bytes) => void stream.write(bytes),
    closed() {},
  }));
  const network = withDistance(nodeRuntime.network, clock, () => 30);
  const sink = new RecordingSink();
  const startMs = clock.now();
  const stream = network.connect(listener.address, sink);
  await sink.untilOpened();
  const openedMs = clock.now();
  assert.ok(openedMs - startMs >= 60);
  stream.write(new Uint8Array(10));
  await sink.untilReceived(10);
  const tookMs = clock.now() - openedMs;
  assert.ok(tookMs >= 60 && tookMs < 5_000, `the echo took ${tookMs} ms`);
  stream.destroy();
  await sink.untilClosed();
  await listener.close();
});
