// What a client that was told nothing does about servers that hang, refuse, and stand farther away.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import { type Observer, RpcError } from "../../src/core/index.ts";
import { constant, createWorld, openLoop, simulatedClient, simulatedServer, uniform } from "../../src/sim/index.ts";

const Kept = service("kept.v1.Kept", {
  get: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
});

type Event = readonly [name: string, fields: Readonly<Record<string, unknown>>];

test("a server that takes calls and answers none costs little: none fails, the worst takes under 0.4 s", async () => {
  const world = createWorld({ seed: "hangs" });
  let isHanging = false;
  for (const host of ["a", "b", "c"]) {
    simulatedServer(world, Kept, {
      host, workers: 100,
      handlers: {
        get: async (_request, context, place) => {
          if (host === "a" && isHanging) await new Promise(() => undefined);
          await place.work(context);
          return {};
        },
      },
      work: uniform(5, 15),
    });
  }
  const events: Event[] = [];
  const observer: Observer = { event: (name, fields) => void events.push([name, fields]) };
  const client = simulatedClient(world, Kept, { observer });
  const took: number[] = [];
  world.at(6_000, () => void (isHanging = true));
  const load = openLoop(world, {
    rate: 200, beginMs: 1_000, untilMs: 12_000, call: () => client.get({}),
    ended: (_index, dueMs, endedMs) => void (dueMs > 6_000 && took.push(endedMs - dueMs)),
  });
  await world.run(30_000);
  assert.equal(load.figures.failed, 0);
  assert.equal(load.pending, 0);
  const worstMs = Math.max(...took);
  assert.ok(worstMs < 400, `worst ${worstMs} ms`);
  assert.ok(took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.95)] as number < 60);
  // It says what it set, and why: where the slowest take 15 ms and nearly all 14, a hedge leaves after the slowest.
  const [, told] = events.find(([name]) => name === "hedge.delay") as Event;
  assert.ok(Number(told["delayMs"]) > 15 && Number(told["delayMs"]) < 20, `${String(told["delayMs"])} ms`);
  assert.match(String(told["why"]), /of about \d+ attempts hardly one takes longer/);
  client.$.close();
});

test("a client whose servers refuse turns calls away itself, and sends all again when there is room", async () => {
  const world = createWorld({ seed: "refuses" });
  let begun = 0;
  let isFull = false;
  simulatedServer(world, Kept, {
    host: "a", workers: 100, work: constant(1),
    handlers: {
      get: async (_request, context, place) => {
        begun++;
        if (isFull) throw new RpcError("resource_exhausted", "no room");
        await place.work(context);
        return {};
      },
    },
  });
  const events: Event[] = [];
  const observer: Observer = { event: (name, fields) => void events.push([name, fields]) };
  const client = simulatedClient(world, Kept, { observer });
  const perSecond: number[] = [];
  for (let second = 1; second < 40; second++) {
    world.at(second * 1_000, () => {
      perSecond.push(begun);
      begun = 0;
    });
  }
  world.at(5_000, () => void (isFull = true));
  world.at(18_000, () => void (isFull = false));
  openLoop(world, { rate: 200, arrivals: "paced", beginMs: 1_000, untilMs: 39_000, call: () => client.get({}) });
  await world.run(40_000);
  assert.ok((perSecond[16] ?? 999) < 60, perSecond.join());
  assert.ok((perSecond[16] ?? 0) >= 8, "some go on to be tried");
  assert.ok(perSecond.slice(-4).every((count) => count >= 195), perSecond.join());
  const shares = events.filter(([name]) => name === "throttle.share");
  assert.ok(shares.length >= 1 && shares.length <= 35, "told, at most once a second");
  client.$.close();
});

test("hedges stay in the region, and do not go where they could not be first", async () => {
  const world = createWorld({ seed: "far" });
  world.link("eu", "us", { latencyMs: 60 });
  const begun = new Map<string, number>();
  for (const [host, region] of [["eu-a", "eu"], ["eu-b", "eu"], ["us-a", "us"]] as const) {
    simulatedServer(world, Kept, {
      host, region, workers: 100,
      handlers: {
        get: async (_request, context, place) => {
          begun.set(host, (begun.get(host) ?? 0) + 1);
          // Fewer than are hedged: where more are slow than that, a hedge leaves with the slow ones, and few are sent.
          await place.station.serve(place.random.next() < 0.012 ? 100 : 5, context);
          return {};
        },
      },
    });
  }
  let [sent, toldMs] = [0, Infinity];
  const client = simulatedClient(world, Kept, {
    region: "eu", observer: {
      event: (name, fields) => {
        if (name === "hedge.sent") sent++;
        if (name === "hedge.delay") toldMs = Number(fields["delayMs"]);
      },
    },
  });
  const load = openLoop(world, { rate: 300, beginMs: 2_000, untilMs: 12_000, call: () => client.get({}) });
  await world.run(15_000);
  assert.ok(sent > 20, `${sent}`);
  assert.equal(begun.get("us-a") ?? 0, 0);
  assert.ok(toldMs < 50, `hedges left after ${toldMs} ms`);
  assert.equal(load.figures.failed, 0);
  client.$.close();
});
