import assert from "node:assert/strict";
import { test } from "node:test";
import type { DatagramSocket, Runtime } from "../../core/runtime.ts";
import { createSimulation, type Simulation, type SimulationOptions } from "./index.ts";

interface Heard {
  readonly number: number;
  readonly atMs: number;
}

interface Pair {
  readonly simulation: Simulation;
  readonly client: DatagramSocket;
  readonly heard: Heard[];
  /** Sends so many, numbered, one each `everyMs`. */
  send(count: number, everyMs: number, bytes?: number): void;
}

async function pair(options: Partial<SimulationOptions> = {}): Promise<Pair> {
  const simulation = createSimulation({ seed: 7, ...options });
  const heard: Heard[] = [];
  await open(simulation.host("server"), "server:53", heard, simulation);
  const near = simulation.host("client");
  const client = await near.network.datagrams("localhost:0", () => {});
  return {
    simulation, client, heard,
    send(count, everyMs, size = 4) {
      for (let i = 0; i < count; i++) {
        simulation.at(simulation.nowMs + i * everyMs, () => {
          const bytes = new Uint8Array(size);
          new DataView(bytes.buffer).setUint32(0, i);
          client.send(bytes, "server:53");
        });
      }
    },
  };
}

function open(
  runtime: Runtime, address: string, heard: Heard[], simulation: Simulation,
): Promise<DatagramSocket> {
  return runtime.network.datagrams(address, (bytes) => {
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    heard.push({ number, atMs: simulation.nowMs });
  });
}

test("latency delays every datagram, and without jitter they stay in order", async () => {
  const { simulation, heard, send } = await pair({ link: { latencyMs: 20 } });
  send(50, 1);
  await simulation.run(1_000);
  assert.deepEqual(heard, Array.from({ length: 50 }, (_, i) => ({ number: i, atMs: i + 20 })));
});

test("jitter reorders, loss swallows about its share, and the same seed repeats both", async () => {
  const run = async (seed: number) => {
    const { simulation, heard, send } = await pair({ seed, link: { latencyMs: 5, jitterMs: 5, lossRate: 0.2 } });
    send(1_000, 1);
    await simulation.run(5_000);
    return { numbers: heard.map(({ number }) => number), digest: simulation.digest };
  };
  const first = await run(7);
  assert.ok(first.numbers.length > 700 && first.numbers.length < 900, `${first.numbers.length} of 1,000 arrived`);
  assert.ok(first.numbers.some((number, i) => number < (first.numbers[i - 1] ?? 0)), "nothing was reordered");
  assert.deepEqual(await run(7), first);
  assert.notEqual((await run(8)).digest, first.digest);
});

test("nothing crosses a cut, neither what was under way nor what is sent meanwhile", async () => {
  const { simulation, heard, send } = await pair({ link: { latencyMs: 10 } });
  send(100, 1);
  simulation.at(30, () => simulation.partition("client", "server"));
  simulation.at(60, () => simulation.heal());
  await simulation.run(1_000);
  const numbers = heard.map(({ number }) => number);
  assert.deepEqual(numbers.slice(0, 20), Array.from({ length: 20 }, (_, i) => i));
  assert.ok(!numbers.includes(35) && numbers.includes(61) && numbers.at(-1) === 99, numbers.join(" "));
});

test("a link carries so many bytes a millisecond, and drops what would wait longer than a second", async () => {
  const { simulation, heard, send } = await pair({ link: { latencyMs: 0, bytesPerMs: 10 } });
  send(500, 0, 100);
  await simulation.run(10_000);
  assert.deepEqual(heard.slice(0, 2).map(({ atMs }) => atMs), [10, 20]);
  assert.equal(heard.length, 101);
});

test("a crashed host loses its sockets, a stopped one reads as much as a kernel keeps", async () => {
  const { simulation, heard, send, client } = await pair();
  simulation.silence("server");
  send(300, 1, 1_000);
  await simulation.run(1_000);
  assert.equal(heard.length, 0);
  simulation.wake("server");
  await simulation.run(2_000);
  assert.equal(heard.length, 212);
  simulation.crash("server");
  send(10, 1);
  await simulation.run(3_000);
  assert.equal(heard.length, 212);
  const again = simulation.restart("server");
  await open(again, "server:53", heard, simulation);
  send(10, 1);
  await simulation.run(4_000);
  assert.equal(heard.length, 222);
  assert.equal(client.send(new Uint8Array(1), "nobody:53"), false, "a host that is unknown");
});

test("ports of datagrams and of streams are apart", async () => {
  const { network } = createSimulation({ seed: 1 }).host("server");
  await network.listen("server:53", () => ({ received() {}, closed() {} }));
  await network.datagrams("server:53", () => {});
  await assert.rejects(network.datagrams("elsewhere:53", () => {}), { code: "failed_precondition" });
});
