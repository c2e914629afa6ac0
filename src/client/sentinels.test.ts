// Idle regions: how soon their death is known, that nobody is asked too often, and that a region shares one verdict.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, callContext, outcomeOf, scripted } from "../../test/client/scripted.ts";
import type { Candidate, EndpointAddress } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { Balancer, type BalancerOptions } from "./balancer.ts";

interface World {
  /** How many servers each region has. */
  readonly regions: Readonly<Record<string, number>>;
  /** Round trips, in milliseconds. Default 1. */
  readonly roundTrips?: Readonly<Record<string, number>>;
  readonly options?: Partial<BalancerOptions>;
}

/** Calls go to `home` alone; who is not `dead` answers calls and pings after its round trip. */
async function setUp({ regions, roundTrips = {}, options }: World) {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const { clock } = runtime;
  const dead = new Set<string>();
  const nameOf = (address: string): string => address.slice(0, address.indexOf("-"));
  const isDead = (address: string): boolean => dead.has(nameOf(address)) || dead.has(address.replace(":1", ""));
  const pings: [address: string, atMs: number][] = [];
  const script = scripted((connection) => {
    const { address } = connection;
    const roundTripMs = roundTrips[nameOf(address)] ?? 1;
    const later = (then: () => void): void => void clock.after(roundTripMs, () => {
      if (!isDead(address)) then();
    });
    connection.onPing = () => {
      pings.push([address.replace(":1", ""), clock.now()]);
      later(() => connection.pong(roundTripMs));
    };
    later(() => connection.open());
  });
  const changes: [address: string, status: string, atMs: number][] = [];
  const addresses = Object.entries(regions).flatMap(([region, count]) =>
    Array.from({ length: count }, (_, i): EndpointAddress => addressOf(`${region}-${i}:1`, { region })));
  const balancer = new Balancer(runtime, {
    name: "test.v1.Echo", connect: script.connect,
    discovery: {
      watch(_name, watcher) {
        watcher.snapshot(addresses);
        return () => undefined;
      },
    },
    picker: <C extends Candidate>(candidates: readonly C[]) =>
      candidates.find(({ address }) => address.region === "home"),
    observer: {
      endpointChanged: (address, status) =>
        void changes.push([address.address.replace(":1", ""), status, clock.now()]),
    },
    ...options,
  });
  await simulation.run(simulation.nowMs + 1_000);
  return {
    simulation, clock, dead, pings, changes, balancer,
    /** So many calls a second for so long. */
    async calls(perSecond: number, ms: number): Promise<void> {
      const untilMs = clock.now() + ms;
      while (clock.now() < untilMs) {
        outcomeOf(balancer.service("x", callContext(clock, 10_000)));
        await simulation.run(simulation.nowMs + 1);
        for (const one of script.connections) {
          for (const call of one.calls.splice(0)) {
            one.lastReceivedMs = clock.now();
            call.answer("y");
          }
        }
        await simulation.run(simulation.nowMs + Math.max(0, 1_000 / perSecond - 1));
      }
    },
    suspectsAfter: (fromMs: number) => changes.filter(([, status, atMs]) => status === "suspect" && atMs >= fromMs)
      .map(([address, , atMs]) => [address, atMs - fromMs] as const),
  };
}

for (const roundTripMs of [1, 35, 105, 150]) {
  test(`a region nobody calls is known to be dead within 0.5 s and two round trips of ${roundTripMs} ms`, async () => {
    const { calls, dead, clock, suspectsAfter } = await setUp({
      regions: { home: 2, far: 2, other: 3 }, roundTrips: { far: roundTripMs },
    });
    await calls(250, 5_000);
    dead.add("far");
    const deadMs = clock.now();
    await calls(250, 1_500);
    const fallen = suspectsAfter(deadMs);
    assert.deepEqual(fallen.map(([address]) => address).toSorted(), ["far-0", "far-1"]);
    for (const [address, afterMs] of fallen) {
      assert.ok(afterMs <= 510 + 2 * roundTripMs, `${address} after ${afterMs} ms`);
    }
  });
}

test("without it only the pings of idle connections find out", async () => {
  const { calls, dead, clock, suspectsAfter } = await setUp({
    regions: { home: 2, far: 2 }, options: { sentinelMs: false },
  });
  await calls(250, 1_500);
  dead.add("far");
  const deadMs = clock.now();
  await calls(250, 1_500);
  assert.deepEqual(suspectsAfter(deadMs), []);
});

test("a ping for every twenty calls at most, five a second for a region, and none where calls go", async () => {
  for (const [perSecond, least, most] of [[500, 9.5, 10], [100, 4, 5], [10, 0, 0.6], [0.1, 0, 0.4]] as const) {
    const { calls, pings, clock } = await setUp({
      regions: { home: 1, far: 20, other: 20 }, options: { idleHeartbeatMs: 1e9 },
    });
    await calls(perSecond, 3_000);
    pings.length = 0;
    const fromMs = clock.now();
    await calls(perSecond, 20_000);
    const each = pings.length * 1_000 / (clock.now() - fromMs);
    assert.ok(each >= least && each <= most, `${each} pings a second at ${perSecond} calls a second`);
    assert.ok(perSecond < 10 || pings.every(([address]) => !address.startsWith("home")));
  }
});

test("those asked share out the asking", async () => {
  const { calls, pings } = await setUp({ regions: { home: 1, far: 10 }, options: { idleHeartbeatMs: 1e9 } });
  pings.length = 0;
  await calls(500, 4_000);
  const counts = Map.groupBy(pings, ([address]) => address);
  assert.equal(counts.size, 10);
  for (const [address, all] of counts) assert.ok(all.length <= 3, `${address} was asked ${all.length} times`);
});

test("a region of many falls as one, a few of which were asked", async () => {
  const { calls, dead, clock, pings, suspectsAfter } = await setUp({ regions: { home: 1, far: 40 } });
  await calls(500, 3_000);
  dead.add("far");
  const deadMs = clock.now();
  pings.length = 0;
  await calls(500, 550);
  const fallen = suspectsAfter(deadMs);
  const verdictMs = deadMs + Math.min(...fallen.map(([, afterMs]) => afterMs));
  const asked = new Set(pings.filter(([, atMs]) => atMs < verdictMs).map(([address]) => address));
  assert.equal(fallen.length, 40);
  assert.ok(asked.size <= 12, `${asked.size} were asked before the verdict`);
  assert.ok(fallen.every(([, afterMs]) => afterMs <= 510));
});

test("one that dies alone falls alone, though its neighbours are idle; they are asked, and answer", async () => {
  const { calls, dead, clock, suspectsAfter } = await setUp({ regions: { home: 1, far: 12 } });
  await calls(500, 3_000);
  dead.add("far-3");
  const deadMs = clock.now();
  await calls(500, 6_000);
  assert.deepEqual(suspectsAfter(deadMs).map(([address]) => address), ["far-3"]);
});

test("who was suspected with its region without being asked is back as soon as it answers", async () => {
  const { calls, dead, clock, changes, suspectsAfter } = await setUp({ regions: { home: 1, far: 30 } });
  await calls(500, 3_000);
  dead.add("far");
  const deadMs = clock.now();
  await calls(500, 600);
  assert.equal(suspectsAfter(deadMs).length, 30);
  dead.clear();
  const healedMs = clock.now();
  await calls(500, 300);
  const back = changes.filter(([, status, atMs]) => status === "ready" && atMs >= healedMs);
  assert.equal(back.length, 30);
});

test("a span that cannot be is refused by name", async () => {
  for (const sentinelMs of [0, 19, -1, Number.NaN, Infinity]) {
    await assert.rejects(setUp({ regions: { home: 1 }, options: { sentinelMs } }), /sentinelMs is .*20 to 60000/);
  }
});
