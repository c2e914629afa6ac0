import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  candidate, candidates, context, handClock, property, seededRandom, type TestCandidate,
} from "../../test/policies/support.ts";
import type { Candidate, Load, Picker } from "../core/index.ts";
import {
  avoidTried, c3, consistentHash, distanceKm, dynamicWeighted, errorAware, geographic, hash32, leastDelay,
  leastRequests, maglevTable, nearest, peakEwma, prequal, primaryBackup, random, roundRobin, slowStart, smoothWeighted,
  warmth, weightedRandom,
} from "./index.ts";

function tally(picker: Picker, all: readonly Candidate[], calls: number, call = context()): number[] {
  const counts = all.map(() => 0);
  for (let i = 0; i < calls; i++) {
    const picked = picker(all, call);
    if (picked !== undefined) counts[all.indexOf(picked)]!++;
  }
  return counts;
}

function everyPicker(): Record<string, Picker> {
  const dice = seededRandom(3);
  const runtime = { clock: handClock(), random: dice };
  return {
    random: random(dice), weightedRandom: weightedRandom(dice), roundRobin: roundRobin(),
    smoothWeighted: smoothWeighted(), dynamicWeighted: dynamicWeighted(runtime), leastRequests: leastRequests(dice),
    peakEwma: peakEwma(runtime), errorAware: errorAware(runtime), consistentHash: consistentHash(),
    geographic: geographic({ lat: 0, lon: 0 })(roundRobin()), nearest: nearest(runtime)(roundRobin()),
    primaryBackup: primaryBackup(roundRobin()), slowStart: slowStart(runtime)(leastRequests(dice)),
    avoidTried: avoidTried(leastRequests(dice)),
    leastDelay: leastDelay(dice), c3: c3(runtime), prequal: prequal(runtime),
  };
}

test("every picker: nobody of none, the only one of one, and weight 0 gets nothing", () => {
  for (const [name, picker] of Object.entries(everyPicker())) {
    assert.equal(picker([], context()), undefined, name);
    const one = candidates(1);
    assert.equal(picker(one, context()), one[0], name);
    const drained = candidates(4, (i) => ({ weight: i === 2 ? 0 : 1 }));
    const counts = tally(picker, drained, 400, context({ routeKey: "k" }));
    assert.equal(counts[2], 0, `${name} ${counts.join()}`);
    assert.equal(counts.reduce((sum, count) => sum + count, 0), 400, name);
  }
});

test("round robin is exact, also where a region picker alternates between sets", () => {
  const picker = roundRobin();
  const [a, b] = [candidates(2), candidates(2)];
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 100; i++) {
    counts[a.indexOf(picker(a, context()) as TestCandidate)]!++;
    counts[2 + b.indexOf(picker(b, context()) as TestCandidate)]!++;
  }
  assert.deepEqual(counts, [50, 50, 50, 50]);
});

const weightLists = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 12 })
  .filter((weights) => weights.some((weight) => weight > 0));

test("smooth weighted turns: every cycle gives each exactly its weight, evenly spread", () => {
  fc.assert(fc.property(weightLists, fc.integer({ min: 1, max: 5 }), (weights, cycles) => {
    const all = candidates(weights.length, (i) => ({ weight: weights[i] as number }));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const picker = smoothWeighted();
    const counts = weights.map(() => 0);
    for (let pick = 1; pick <= total * cycles; pick++) {
      counts[all.indexOf(picker(all, context()) as TestCandidate)]!++;
      if (pick % total === 0) assert.deepEqual(counts, weights.map((weight) => (weight * pick) / total));
      const bound = 1 + weights.length / 2;
      counts.forEach((count, i) => assert.ok(Math.abs(count - ((weights[i] as number) * pick) / total) < bound));
    }
  }), property);
});

test("smooth weighted turns go on where they were when the set changes at every pick", () => {
  const picker = smoothWeighted();
  const all = candidates(50, (i) => ({ weight: 1 + (i % 3) }));
  const counts = all.map(() => 0);
  for (let i = 0; i < 10_000; i++) counts[all.indexOf(picker(all.slice(), context()) as TestCandidate)]!++;
  counts.forEach((count, i) => {
    const fair = (10_000 * (1 + (i % 3))) / 99;
    assert.ok(Math.abs(count - fair) < fair * 0.2 + 3, `${i}: ${count} for ${fair}`);
  });
});

test("draws by weight are proportional: alias table against its weights", () => {
  fc.assert(fc.property(weightLists, fc.integer(), (weights, seed) => {
    const all = candidates(weights.length, (i) => ({ weight: weights[i] as number }));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const calls = 4_000;
    tally(weightedRandom(seededRandom(seed)), all, calls).forEach((count, i) => {
      const share = (weights[i] as number) / total;
      assert.ok(Math.abs(count - calls * share) <= 6 * Math.sqrt(calls * share * (1 - share)) + 1e-9);
    });
  }), property);
});

test("least requests: idle traffic goes by weight, busy traffic levels the load for its weight", () => {
  const all = candidates(3, (i) => ({ weight: [1, 2, 5][i] as number }));
  const idle = tally(leastRequests(seededRandom(1)), all, 8_000);
  [1_000, 2_000, 5_000].forEach((fair, i) => assert.ok(Math.abs((idle[i] as number) - fair) < 200));
  const picker = leastRequests(seededRandom(2));
  for (let i = 0; i < 800; i++) picker(all, context())!.load.inFlight++;
  [100, 200, 500].forEach((fair, i) => {
    assert.ok(Math.abs((all[i] as TestCandidate).load.inFlight - fair) <= fair * 0.1, `${all[i]?.load.inFlight}`);
  });
});

test("two choices keep the longest queue short where one does not", () => {
  const longest = (picker: Picker): number => {
    const all = candidates(1_000);
    for (let i = 0; i < 1_000; i++) picker(all, context())!.load.inFlight++;
    return Math.max(...all.map((each) => each.load.inFlight));
  };
  assert.ok(longest(leastRequests(seededRandom(5))) <= 3);
  assert.ok(longest(random(seededRandom(5))) >= 5);
});

test("peak EWMA leaves a slow server, and comes back to it as its latency fades", () => {
  const clock = handClock();
  const all = candidates(10);
  for (const each of all) Object.assign(each.load, { peakEwmaMs: 10, peakEwmaAtMs: clock.now() });
  Object.assign(all[4]!.load, { peakEwmaMs: 2_000 });
  const picker = peakEwma({ clock, random: seededRandom(1) });
  assert.equal(tally(picker, all, 5_000)[4], 0);
  clock.advance(60_000);
  for (const [i, each] of all.entries()) if (i !== 4) Object.assign(each.load, { peakEwmaAtMs: clock.now() });
  assert.ok((tally(picker, all, 5_000)[4] as number) > 500);
});

test("peak EWMA neither starves nor floods a server that nobody has measured", () => {
  const clock = handClock();
  const all = candidates(10);
  for (const each of all.slice(1)) Object.assign(each.load, { peakEwmaMs: 10, peakEwmaAtMs: clock.now() });
  const share = (tally(peakEwma({ clock, random: seededRandom(1) }), all, 10_000)[0] as number) / 10_000;
  assert.ok(share > 0.05 && share < 0.2, `${share}`);
});

test("a server that fails fast never gains share, and is tried again in time", () => {
  const clock = handClock();
  const all = candidates(10);
  for (const each of all) Object.assign(each.load, { peakEwmaMs: 50, peakEwmaAtMs: clock.now() });
  const sick: Partial<Load> = { peakEwmaMs: 1, failureRate: 0.9, inFlight: 0 };
  Object.assign(all[0]!.load, sick);
  const runtime = { clock, random: seededRandom(1) };
  assert.ok((tally(peakEwma(runtime), all, 5_000)[0] as number) > 900, "the sinkhole, without regard to errors");
  assert.equal(tally(errorAware(runtime), all, 5_000)[0], 0);
  clock.advance(40_000);
  for (const each of all.slice(1)) Object.assign(each.load, { peakEwmaAtMs: clock.now() });
  assert.ok((tally(errorAware(runtime), all, 5_000)[0] as number) > 0);
});

test("dynamic weights: calls per utilisation, errors count, blackout and expiry give the mean", () => {
  const clock = handClock();
  const all = candidates(4);
  const report = (i: number, cpu: number, errorsPerSecond = 0) => {
    all[i]!.load.report = { cpu, memory: 0, inFlight: 0, callsPerSecond: 100, errorsPerSecond, loopLagMs: 0 };
    all[i]!.load.reportAtMs = clock.now();
  };
  const picker = dynamicWeighted({ clock });
  const shares = () => {
    clock.advance(1_000);
    return tally(picker, all, 1_000).map((count) => Math.round(count / 10));
  };
  assert.deepEqual(shares(), [25, 25, 25, 25]);
  report(0, 0.2);
  report(1, 0.4);
  report(2, 0.2, 20);
  assert.deepEqual(shares(), [25, 25, 25, 25], "blackout");
  clock.advance(10_000);
  // Weights 500, 250, 250 and for the silent one their mean.
  assert.deepEqual(shares(), [38, 19, 19, 25]);
  clock.advance(200_000);
  assert.deepEqual(shares(), [25, 25, 25, 25], "expired");
});

const idsOf = (n: number) => Array.from({ length: n }, (_, i) => `10.0.${i >> 8}.${i & 255}:443`);
const ones = (n: number) => Array.from({ length: n }, () => 1);

function slots(table: Int32Array, n: number): number[] {
  const counts = Array.from({ length: n }, () => 0);
  for (const node of table) counts[node]!++;
  return counts;
}

test("Maglev: max over mean at most 1.01, and 1.6 times the least movement when one of 100 goes", () => {
  for (const n of [10, 100, 500]) {
    const most = Math.max(...slots(maglevTable(idsOf(n), ones(n)), n));
    assert.ok(most / (131_071 / n) <= 1.01, `${n}: ${most / (131_071 / n)}`);
  }
  const ids = idsOf(100);
  const before = maglevTable(ids, ones(100));
  for (const gone of [0, 37, 99]) {
    const left = ids.filter((_, i) => i !== gone);
    const after = maglevTable(left, ones(99));
    let moved = 0;
    before.forEach((node, slot) => {
      if (ids[node] !== left[after[slot] as number]) moved++;
    });
    assert.ok(moved / 131_071 <= 0.016, `${moved / 131_071}`);
  }
});

test("Maglev: slots go by weight, and the table by the set, not by its order", () => {
  const ids = idsOf(20);
  const weights = ids.map((_, i) => 1 + (i % 4));
  const counts = slots(maglevTable(ids, weights), 20);
  counts.forEach((count, i) => {
    const fair = (131_071 * (weights[i] as number)) / 50;
    assert.ok(Math.abs(count / fair - 1) < 0.02, `${count} for ${fair}`);
  });
  const table = maglevTable(ids, ones(20)).map((node) => node);
  const reversed = maglevTable(ids.toReversed(), ones(20)).map((node) => 19 - node);
  assert.deepEqual(table, reversed);
});

test("consistent hashing keeps a key's place, and bounds what one endpoint gets of a hot one", () => {
  const all = candidates(20);
  const picker = consistentHash();
  const call = context({ routeKey: "tenant-7" });
  const owner = picker(all, call);
  for (let i = 0; i < 50; i++) assert.equal(picker(all, call), owner);
  for (let i = 0; i < 400; i++) picker(all, call)!.load.inFlight++;
  const most = Math.max(...all.map((each) => each.load.inFlight));
  assert.ok(most <= Math.ceil(1.25 * 20) + 1, `${most}`);
  assert.equal(owner!.load.inFlight, most);
  const other = picker(all, context({ routeKey: "tenant-7", avoid: [owner] }));
  assert.notEqual(other, owner);
});

test("bounded load under a Zipf law: at most 1.25 times the mean in flight", () => {
  const all = candidates(50);
  const picker = consistentHash();
  const dice = seededRandom(9);
  const flying: TestCandidate[] = [];
  let worst = 0;
  for (let i = 0; i < 20_000; i++) {
    // Inverse transform of a Pareto law with tail 0.1: ranks by Zipf 1.1.
    const rank = Math.floor((1 - dice.next()) ** (-1 / 0.1)) % 10_000;
    const picked = picker(all, context({ routeKey: `key ${rank}` })) as TestCandidate;
    picked.load.inFlight++;
    flying.push(picked);
    if (flying.length > 1_000) flying.splice(Math.floor(dice.next() * flying.length), 1)[0]!.load.inFlight--;
    if (i > 2_000) worst = Math.max(worst, picked.load.inFlight);
  }
  assert.ok(worst <= 1.25 * 20 + 1, `${worst} where the mean is 20`);
});

test("hashes of similar keys are spread evenly", () => {
  const counts = Array.from({ length: 64 }, () => 0);
  for (let i = 0; i < 64_000; i++) counts[hash32(`user:${i}`) % 64]!++;
  assert.ok(Math.max(...counts) < 1_150 && Math.min(...counts) > 850, counts.join());
});

test("geography: the nearest on the map, those who do not say last", () => {
  const places = [{ lat: "50.1", lon: "8.7" }, { lat: "50.2", lon: "8.6" }, { lat: "40.7", lon: "-74.0" }, {}];
  const all = candidates(4, (i) => ({ attributes: places[i] as Record<string, string> }));
  assert.deepEqual(tally(geographic({ lat: 48.1, lon: 11.6 })(roundRobin()), all, 100), [50, 50, 0, 0]);
  assert.ok(Math.abs(distanceKm({ lat: 50.1, lon: 8.7 }, { lat: 40.7, lon: -74 }) - 6_210) < 30);
});

test("nearest: within the band of the least round trip, and whoever is not measured yet", () => {
  const clock = handClock();
  const all = candidates(4);
  [10, 14, 30, Infinity].forEach((ms, i) => (all[i]!.load.leastRoundTripMs = ms));
  const picker = nearest({ clock })(roundRobin());
  assert.deepEqual(tally(picker, all, 300), [100, 100, 0, 100]);
  all[3]!.load.leastRoundTripMs = 50;
  clock.advance(1_000);
  assert.deepEqual(tally(picker, all, 300), [150, 150, 0, 0]);
});

test("backups are used only when nobody else is there, lower priority numbers first", () => {
  const fields = [{ priority: 1 }, {}, { backup: true }, {}];
  const all = candidates(4, (i) => fields[i] ?? {});
  const picker = primaryBackup(roundRobin());
  assert.deepEqual(tally(picker, all, 100), [0, 50, 0, 50]);
  assert.equal(picker([all[0]!, all[2]!], context()), all[0]);
  assert.equal(picker([all[2]!], context()), all[2]);
});

test("slow start ramps a newcomer up, and holds nobody back when all are new", () => {
  assert.deepEqual([0, 3_000, 15_000, 30_000].map((ms) => warmth(ms)), [0.1, 0.1, 0.5, 1]);
  const clock = handClock(100_000);
  const all = candidates(10);
  all[0]!.load.readySinceMs = clock.now();
  const picker = slowStart({ clock, random: seededRandom(1) })(random(seededRandom(2)));
  const shareOf = () => (tally(picker, all, 10_000)[0] as number) / 1_000;
  assert.ok(shareOf() < 0.2);
  clock.advance(15_000);
  assert.ok(Math.abs(shareOf() - 0.5) < 0.1);
  clock.advance(15_000);
  assert.ok(Math.abs(shareOf() - 1) < 0.15);
});

test("a retry avoids what was tried while there is anything else", () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1, max: 4 }), (n, tried) => {
    const all = candidates(n);
    const avoid = all.slice(0, Math.min(tried, n - 1));
    for (const inner of [random(seededRandom(n)), consistentHash(), () => all[0] as never]) {
      const picked = avoidTried(inner)(all, context({ avoid, routeKey: "k" }));
      assert.ok(picked !== undefined && !avoid.includes(picked));
    }
    assert.ok(avoidTried(roundRobin())(all, context({ avoid: all })) !== undefined);
  }), property);
  const sees = Object.assign(() => undefined, { seesAll: true });
  assert.equal(avoidTried(sees).seesAll, true);
  assert.equal(avoidTried(roundRobin()).seesAll, false);
  assert.equal(candidate().status, "ready");
});
