import assert from "node:assert/strict";
import { test } from "node:test";
import { Alarm } from "../../core/alarm.ts";
import { RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { RecordingSink } from "../../testing/runtime-harness.ts";
import { createSimulation, type Simulation, type SimulationOptions } from "./index.ts";

const hello = new TextEncoder().encode("hello");

async function listening(runtime: Runtime, address: string): Promise<RecordingSink[]> {
  const sinks: RecordingSink[] = [];
  await runtime.network.listen(address, (stream) => {
    const sink = new RecordingSink();
    sink.stream = stream;
    sink.onReceived = (bytes) => void stream.write(bytes);
    sinks.push(sink);
    return sink;
  });
  return sinks;
}

/** A server that echoes at b:1, and a connection to it from a; 10 ms apart. */
async function echoing(options: Partial<SimulationOptions> = {}) {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 10 }, ...options });
  const [a, b] = [simulation.host("a", { region: "eu" }), simulation.host("b", { region: "us" })];
  const servers = await listening(b, "b:1");
  const sink = new RecordingSink();
  const stream = a.network.connect("b:1", sink);
  await simulation.run(20);
  assert.deepEqual(sink.events, ["opened"]);
  return { simulation, a, b, servers, sink, stream };
}

/** A busy scenario of jitter, loss, timers, faults and chance. */
async function busy(seed: number, log?: (line: string) => void): Promise<Simulation> {
  const simulation = createSimulation({
    seed, link: { latencyMs: 5, jitterMs: 2, lossRate: 0.05, bytesPerMs: 10_000 }, ...(log && { log }),
  });
  const servers = ["s1", "s2", "s3"].map((name) => simulation.host(name, { region: name }));
  for (const [i, server] of servers.entries()) await listening(server, `s${i + 1}:80`);
  for (let c = 0; c < 5; c++) {
    const client = simulation.host(`c${c}`, { region: "clients" });
    const dial = () => {
      const address = `s${1 + Math.floor(client.random.next() * 3)}:80`;
      const stream = client.network.connect(address, {
        received: () => void client.clock.after(client.random.next() * 20, () => stream.write(hello)),
        closed: () => void client.clock.after(10, dial),
      });
      stream.write(new TextEncoder().encode(client.random.id()));
    };
    dial();
  }
  simulation.at(300, () => simulation.partition("s1", "clients"));
  simulation.at(500, () => simulation.crash("s2"));
  simulation.at(700, () => simulation.heal());
  simulation.at(900, () => void listening(simulation.restart("s2"), "s2:80"));
  simulation.at(1_000, () => simulation.silence("s3"));
  simulation.at(1_400, () => simulation.wake("s3"));
  await simulation.run(3_000);
  return simulation;
}

test("the same seed gives the same events, byte for byte; another seed gives others", async () => {
  const [first, second]: [string[], string[]] = [[], []];
  const one = await busy(42, (line) => first.push(line));
  const two = await busy(42, (line) => second.push(line));
  assert.equal(one.digest, two.digest);
  assert.equal(one.events, two.events);
  assert.deepEqual(first, second);
  assert.ok(first.length > 500, `${first.length} lines`);
  assert.equal((await busy(42)).digest, one.digest, "the log changes nothing");
  assert.notEqual((await busy(43)).digest, one.digest);
  assert.match(one.digest, /^[0-9a-f]{16}$/);
});

test("a host's chance does not depend on the other hosts", () => {
  const draw = (names: string[]) => {
    const simulation = createSimulation({ seed: 5 });
    for (const name of names) simulation.host(name).random.next();
    return simulation.host("z").random.id();
  };
  assert.equal(draw([]), draw(["a", "b"]));
});

test("latency, jitter and bandwidth add up, and bytes stay in order", async () => {
  const { simulation, stream, servers } = await echoing();
  simulation.link("eu", "us", { latencyMs: 100, jitterMs: 30, bytesPerMs: 1, isOneWay: true });
  for (let i = 0; i < 50; i++) stream.write(Uint8Array.of(i, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  await simulation.run(619);
  assert.ok((servers[0] as RecordingSink).receivedBytes < 500, "500 bytes at a byte a millisecond take 500 ms");
  await simulation.run(20 + 500 + 100 + 300);
  const server = servers[0] as RecordingSink;
  assert.deepEqual(server.chunks.map((chunk) => chunk[0]), Array.from({ length: 50 }, (_, i) => i));
});

test("loss delays, and delays what comes after", async () => {
  const { simulation, stream, sink } = await echoing();
  simulation.link("a", "b", { lossRate: 1, isOneWay: true });
  stream.write(hello);
  simulation.link("a", "b", { lossRate: 0, isOneWay: true });
  stream.write(hello);
  await simulation.run(200);
  assert.equal(sink.receivedBytes, 0);
  await simulation.run(2_000_000);
  assert.equal(sink.receivedBytes, 10);
});

test("refused after one round trip; an unknown host is refused; a cut way says nothing", async () => {
  const { simulation, a } = await echoing();
  const refused = new RecordingSink();
  const unknown = new RecordingSink();
  const lost = new RecordingSink();
  a.network.connect("b:2", refused);
  a.network.connect("nowhere:1", unknown);
  await simulation.run(39.9);
  assert.deepEqual([refused.closedCount, unknown.closedCount], [0, 1]);
  await simulation.run(40);
  assert.equal(refused.closedCount, 1);
  simulation.partition("a", "b");
  a.network.connect("b:1", lost);
  await simulation.run(100_000);
  assert.deepEqual(lost.events, []);
});

test("a partition is silent; healed, everything arrives after a retransmission", async () => {
  const { simulation, stream, sink } = await echoing();
  simulation.partition("eu", "us");
  let written = false;
  stream.write(hello, () => {
    written = true;
  });
  await simulation.run(1_000);
  assert.deepEqual([sink.events, written, stream.bufferedBytes], [["opened"], false, 5]);
  simulation.heal("us", "eu");
  // Sent at 20 ms, again at 220, 620, 1420.
  await simulation.run(1_429);
  assert.equal(written, false);
  await simulation.run(1_440);
  assert.deepEqual([sink.events, written, stream.bufferedBytes], [["opened", "received"], true, 0]);
});

test("what is under way when the way is cut is lost with it", async () => {
  const { simulation, stream, servers } = await echoing();
  stream.write(hello);
  await simulation.run(25);
  simulation.partition("a", "*");
  await simulation.run(100);
  assert.equal(servers[0]?.receivedBytes, 0);
  simulation.heal();
  await simulation.run(1_000);
  assert.equal(servers[0]?.receivedBytes, 5);
});

test("a one-way partition: the request arrives, the answer does not", async () => {
  const { simulation, stream, sink, servers } = await echoing();
  simulation.partition("b", "a", { isOneWay: true });
  stream.write(hello);
  await simulation.run(1_000);
  assert.deepEqual([servers[0]?.receivedBytes, sink.receivedBytes, stream.bufferedBytes], [5, 0, 5]);
  simulation.heal();
  await simulation.run(3_000);
  assert.equal(sink.receivedBytes, 5);
});

test("crash: peers are reset after the latency, timers stop, listeners vanish, the old Runtime is dead", async () => {
  const { simulation, a, b, sink, servers } = await echoing();
  const rang: string[] = [];
  b.clock.after(50, () => rang.push("before"));
  simulation.crash("b");
  b.clock.after(50, () => rang.push("after"));
  b.clock.defer(() => rang.push("deferred"));
  await simulation.run(29.9);
  assert.equal(sink.closedCount, 0);
  await simulation.run(100);
  assert.equal(sink.closedCount, 1);
  assert.match(String(sink.error), /b:1 broke: the peer reset it/);
  assert.deepEqual([rang, servers[0]?.events], [[], []]);
  assert.equal(servers[0]?.stream?.write(hello), false);
  const refused = new RecordingSink();
  a.network.connect("b:1", refused);
  await simulation.run(200);
  assert.deepEqual(refused.events, ["closed"]);

  const again = simulation.restart("b");
  assert.equal(simulation.host("b"), again);
  assert.notEqual(again, b);
  await listening(again, "b:1");
  const opened = new RecordingSink();
  a.network.connect("b:1", opened).write(hello);
  await simulation.run(300);
  assert.deepEqual(opened.events, ["opened", "received"]);
});

test("silent crash: nobody is told until the machine is back", async () => {
  const { simulation, a, sink, stream } = await echoing();
  simulation.crash("b", { isSilent: true });
  stream.write(hello);
  const dialled = new RecordingSink();
  a.network.connect("b:1", dialled);
  await simulation.run(5_000);
  assert.deepEqual([sink.events, dialled.events], [["opened"], []]);
  const again = simulation.restart("b");
  await listening(again, "b:1");
  await simulation.run(60_000);
  assert.deepEqual(sink.events, ["opened", "closed"]);
  assert.deepEqual(dialled.events, ["opened"]);
});

test("silent crash: back before what was under way arrives, the machine resets what it does not know", async () => {
  const { simulation, stream, sink } = await echoing();
  simulation.at(21, () => void stream.write(hello));
  simulation.at(22, () => simulation.crash("b", { isSilent: true }));
  simulation.at(24, () => void stream.write(hello));
  simulation.at(26, () => void simulation.restart("b"));
  await simulation.run(5_000);
  assert.deepEqual(sink.events, ["opened", "closed"]);
});

test("silence: the kernel takes bytes, the program runs on later, in order", async () => {
  const { simulation, a, b, stream, sink, servers } = await echoing({ windowBytes: 100_000 });
  let rang = 0;
  b.clock.after(100, () => rang++);
  simulation.silence("b");
  stream.write(hello);
  const late = new RecordingSink();
  a.network.connect("b:1", late).write(hello);
  await simulation.run(1_000);
  assert.deepEqual([sink.events, late.events, rang, stream.bufferedBytes], [["opened"], ["opened"], 0, 0]);
  assert.equal(servers.length, 1, "accepted while silent");
  assert.equal(stream.write(new Uint8Array(2_000_000)), false);
  await simulation.run(2_000);
  assert.equal(stream.bufferedBytes, 2_000_000 - 100_000 + 5, "the window is full");
  simulation.wake("b");
  await simulation.run(4_000);
  assert.deepEqual([rang, servers.length, stream.bufferedBytes], [1, 2, 0]);
  assert.equal(sink.receivedBytes, 2_000_005);
  assert.equal(late.receivedBytes, 5);
});

test("an alarm of a silent host may be cleared by the time it wakes", async () => {
  const simulation = createSimulation({ seed: 1 });
  const { clock } = simulation.host("a");
  let rings = 0;
  class Counting extends Alarm {
    override ring(): void {
      rings++;
    }
  }
  const [cleared, moved] = [new Counting(), new Counting()];
  clock.set(cleared, 10);
  clock.set(moved, 10);
  simulation.silence("a");
  await simulation.run(20);
  clock.clear(cleared);
  clock.set(moved, 100);
  simulation.wake("a");
  await simulation.run(50);
  assert.equal(rings, 0);
  await simulation.run(100);
  assert.equal(rings, 1);
});

test("an error thrown in a callback names its host and time", async () => {
  const { simulation, a, stream, servers } = await echoing();
  a.clock.after(5, () => {
    throw new TypeError("a mistake");
  });
  await assert.rejects(simulation.run(100), { code: "internal", message: "host a threw at 25 ms: a mistake" });
  (servers[0] as RecordingSink).onReceived = () => {
    throw new TypeError("another");
  };
  stream.write(hello);
  await assert.rejects(simulation.run(100), (error: RpcError) => {
    assert.equal(error.message, "host b threw at 35 ms: another");
    assert.ok(error.cause instanceof TypeError);
    return true;
  });
});

test("promise jobs, however deep, are done before the next event; what is deferred comes after them", async () => {
  const simulation = createSimulation({ seed: 1 });
  const { clock } = simulation.host("a");
  const order: string[] = [];
  clock.after(1, () => {
    clock.defer(() => order.push("deferred"));
    void (async () => {
      for (let i = 0; i < 10_000; i++) await Promise.resolve();
      order.push("job");
    })();
  });
  clock.after(1, () => order.push("next event"));
  await simulation.run(1);
  assert.deepEqual(order, ["job", "deferred", "next event"]);
});

test("runUntil: a predicate, a promise, what fails, and what never comes", async () => {
  const simulation = createSimulation({ seed: 1 });
  const { clock } = simulation.host("a");
  let count = 0;
  const tick = () => void (count++, clock.after(10, tick));
  tick();
  await simulation.runUntil(() => count === 5, 1_000);
  assert.deepEqual([count, simulation.nowMs], [5, 40]);
  assert.equal(await simulation.runUntil(Promise.resolve("value"), 1_000), "value");
  await assert.rejects(simulation.runUntil(Promise.reject(new Error("no")), 1_000), /no/);
  await assert.rejects(simulation.runUntil(new Promise(() => {}), 1_000), { code: "deadline_exceeded" });
  const first = simulation.run(2_000);
  await assert.rejects(simulation.run(2_000), { code: "failed_precondition" });
  await first;
});

test("a livelock is found", async () => {
  const simulation = createSimulation({ seed: 1, maxEventsPerInstant: 1_000, maxEvents: 5_000 });
  const { clock } = simulation.host("a");
  const again = () => void clock.after(0, again);
  again();
  await assert.rejects(simulation.run(10), { code: "aborted", message: /1000 events at 0 ms/ });
  const other = createSimulation({ seed: 1, maxEvents: 5_000 });
  const tick = () => void other.host("a").clock.after(1, tick);
  tick();
  await assert.rejects(other.run(1e9), { code: "aborted", message: /5000 events/ });
});

test("wrong names are named", async () => {
  const simulation = createSimulation({ seed: 1 });
  const { network } = simulation.host("a");
  assert.throws(() => simulation.crash("b"), { code: "invalid_argument", message: /no host "b"; it has a/ });
  assert.throws(() => simulation.host("a:b"), { code: "invalid_argument" });
  await assert.rejects(network.listen("other:1", () => new RecordingSink()), { code: "failed_precondition" });
  assert.ok(RpcError.is(new RpcError("internal", "")));
});
