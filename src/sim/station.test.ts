// Queues beside queueing theory, and what becomes of work that nobody wants any more.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";
import { Context, expected, type MethodInfo } from "../core/index.ts";
import { programOf } from "../runtime/sim/inside.ts";
import {
  constant, createWorld, type Distribution, exponential, openLoop, pareto, Station, type StationOptions,
} from "./index.ts";

const Contract = service("station.test.v1.Work", {
  do: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
});
const method: MethodInfo = Contract.methods.do;

/** Mean time in a station at so many jobs a millisecond. */
async function meanTime(work: Distribution, perMs: number, options: StationOptions, jobs = 120_000): Promise<number> {
  const world = createWorld({ seed: 11 });
  const station = new Station(programOf(world.host("s")), options);
  const random = world.chance("work");
  const untilMs = jobs / perMs;
  const { figures } = openLoop(world, {
    rate: perMs * 1_000, untilMs, fromMs: untilMs / 10, bucketMs: untilMs,
    call: () => station.serve(work.sample(random)),
  });
  await world.run(untilMs * 2);
  return figures.latency.mean;
}

const near = (value: number, theory: number, share: number): void =>
  assert.ok(Math.abs(value / theory - 1) < share, `${value}, by theory ${theory}`);

test("M/M/1: mean time 1 / (mu - lambda)", async () => {
  near(await meanTime(exponential(1), 0.7, {}), 1 / 0.3, 0.05);
});

test("M/M/c: Erlang's C formula", async () => {
  // c = 4, offered load 3: C(4, 3) = 0.5094; wait C / (c mu - lambda).
  near(await meanTime(exponential(1), 3, { workers: 4 }), 1 + 0.5094 / 1, 0.05);
});

test("M/D/1 and M/G/1: Pollaczek and Khinchine, whatever the order", async () => {
  near(await meanTime(constant(1), 0.7, {}), 1 + 0.7 / (2 * 0.3), 0.05);
  near(await meanTime(exponential(1), 0.7, { discipline: "lifo" }), 1 / 0.3, 0.05);
});

test("processor sharing: the mean depends on nothing but the mean of the work", async () => {
  for (const work of [exponential(1), constant(1), pareto(1 / 3, 1.5, 300)]) {
    near(await meanTime(work, 0.7 / work.meanMs, { discipline: "sharing" }), work.meanMs / 0.3, 0.12);
  }
});

test("shared cores: no job is faster than one of them", async () => {
  const world = createWorld({ seed: 1 });
  const station = new Station(programOf(world.host("s")), { discipline: "sharing", workers: 2 });
  const ended: number[] = [];
  const serve = (ms: number) => void station.serve(ms).then(() => ended.push(world.nowMs));
  for (const ms of [10, 10, 10, 10]) serve(ms);
  world.at(30, () => serve(10));
  await world.run(100);
  assert.deepEqual(ended, [20, 20, 20, 20, 40]);
});

test("work goes on at the new speed, and stands while it is paused", async () => {
  for (const discipline of ["fifo", "sharing"] as const) {
    const world = createWorld({ seed: 1 });
    const station = new Station(programOf(world.host("s")), { discipline });
    let endedMs = 0;
    void station.serve(10).then(() => {
      endedMs = world.nowMs;
    });
    world.at(4, () => station.tune({ speed: 0.5 }));
    world.at(8, () => station.pause());
    world.at(20, () => station.resume());
    await world.run(100);
    // 4 at full speed, 2 in the next 4 ms, the other 4 take 8.
    assert.equal(endedMs, 28, discipline);
    assert.equal(station.figures.busyMs > 0, true);
  }
});

test("what nobody wants any more is dropped, stopped or finished for nobody, as it was told", async () => {
  const play = async (abandoned: NonNullable<StationOptions["abandoned"]>) => {
    const world = createWorld({ seed: 1 });
    const station = new Station(programOf(world.host("s")), { abandoned });
    const contexts = [0, 1, 2].map(() => new Context(method, 0));
    const codes = contexts.map((context) =>
      station.serve(10, context).then(() => "done", (error: { code: string }) => error.code));
    world.at(5, () => contexts.slice(0, 2).forEach((one) => one.cancel(expected("cancelled", "enough"))));
    await world.run(100);
    const { begun, finished, dropped, wasted, wastedMs } = station.figures;
    return { codes: await Promise.all(codes), begun, finished, dropped, wasted, wastedMs };
  };
  assert.deepEqual(await play("drop queued"),
    { codes: ["done", "cancelled", "done"], begun: 2, finished: 2, dropped: 1, wasted: 1, wastedMs: 10 });
  assert.deepEqual(await play("stop"),
    { codes: ["cancelled", "cancelled", "done"], begun: 3, finished: 1, dropped: 2, wasted: 0, wastedMs: 5 });
  assert.deepEqual(await play("finish"),
    { codes: ["done", "done", "done"], begun: 3, finished: 3, dropped: 0, wasted: 2, wastedMs: 20 });
});

test("a full queue refuses, and impossible options are refused by their names", async () => {
  const world = createWorld({ seed: 1 });
  const program = programOf(world.host("s"));
  const station = new Station(program, { maxQueue: 1 });
  void station.serve(10);
  void station.serve(10);
  await assert.rejects(station.serve(10), { code: "resource_exhausted", neverStarted: true });
  const refused: readonly [StationOptions, RegExp][] = [
    [{ workers: 0 }, /workers is 0/], [{ workers: 1.5 }, /workers is 1\.5/], [{ speed: -1 }, /speed is -1/],
    [{ discipline: "random" as never }, /discipline is "random"/], [{ abandoned: "keep" as never }, /abandoned is/],
    [{ maxQueue: NaN }, /maxQueue is NaN/],
  ];
  for (const [options, message] of refused) {
    assert.throws(() => new Station(program, options), { code: "invalid_argument", message });
  }
});
