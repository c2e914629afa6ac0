// The detector against crowds of servers: who must be out within seconds, and who must never be.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { handClock, property, seededRandom } from "../../test/policies/support.ts";
import { outlierDetection, type OutlierOptions } from "./index.ts";
import { ratesBeside, rowBeyondChance, weigh } from "./sequential-test.ts";

interface Behaviour {
  readonly errors: number;
  latencyMs(dice: () => number): number;
}

/** Heavy-tailed: Pareto of that median, with an infinite variance. */
const pareto = (medianMs: number, shape = 1.2) => (dice: () => number): number =>
  (medianMs / 2 ** (1 / shape)) * (1 - dice()) ** (-1 / shape);

const lognormal = (medianMs: number, sigma: number) => (dice: () => number): number =>
  medianMs * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - dice())) * Math.cos(2 * Math.PI * dice()));

/** Plays calls to random servers among those in service; answers ejections by time and how calls were divided. */
function play(servers: number, perSecond: number, calls: number, seed: number,
  behaviour: (server: number, nowMs: number) => Behaviour, options: OutlierOptions = {}) {
  const clock = handClock(0);
  const random = seededRandom(seed);
  const dice = () => random.next();
  const ejections: { server: number; atMs: number; why: string }[] = [];
  let open = Array.from({ length: servers }, (_, i) => i);
  const detector = outlierDetection({ clock }, options, (id, ejected, why) => {
    const server = Number(id);
    open = ejected ? open.filter((one) => one !== server) : [...open, server];
    if (ejected) ejections.push({ server, atMs: clock.now(), why });
  });
  const members = open.map((server) => detector.member(String(server)));
  const taken: { server: number; atMs: number }[] = [];
  for (let call = 0; call < calls; call++) {
    clock.advance(1_000 / perSecond);
    const nowMs = clock.now();
    const server = open[Math.floor(dice() * open.length)] as number;
    const { errors, latencyMs } = behaviour(server, nowMs);
    taken.push({ server, atMs: nowMs });
    members[server]?.attemptEnded(dice() < errors, nowMs, latencyMs(dice));
  }
  detector.close();
  return { ejections, taken };
}

function shareAfter(taken: readonly { server: number; atMs: number }[], server: number, fromMs: number): number {
  const later = taken.filter(({ atMs }) => atMs >= fromMs);
  return later.filter((one) => one.server === server).length / later.length;
}

test("a million calls to an even crowd eject nobody, whatever its error rate and however heavy its tails", () => {
  const tails = [pareto(20), pareto(2, 1.05), lognormal(20, 1), lognormal(3, 2)];
  let run = 0;
  for (const servers of [5, 12, 50]) {
    for (const errors of [0, 0.01, 0.05, 0.2]) {
      const latencyMs = tails[run % tails.length] as Behaviour["latencyMs"];
      const { ejections } = play(servers, 1_000, 84_000, ++run, () => ({ errors, latencyMs }));
      assert.deepEqual(ejections, [], `${servers} servers, ${errors} errors, run ${run}`);
    }
  }
});

test("one in ten errors is out within 2 s of steady traffic, and hardly ever back", () => {
  const latencyMs = lognormal(5, 0.5);
  fc.assert(fc.property(fc.integer(), fc.constantFrom(2, 3, 5, 8), (seed, servers) => {
    const { ejections, taken } = play(servers, 200 * servers, 200 * servers * 12, seed, (server, nowMs) =>
      ({ errors: server === 1 && nowMs > 2_000 ? 0.1 : 0, latencyMs }));
    assert.ok((ejections[0]?.atMs ?? Infinity) < 4_000, `${JSON.stringify(ejections)} of ${servers}`);
    assert.ok(ejections.every(({ server }) => server === 1));
    assert.ok(shareAfter(taken, 1, 4_000) <= 0.015);
  }), { ...property, numRuns: Math.min(30, property.numRuns) });
});

test("ten times slower is out within 2 s, among two servers and among many", () => {
  fc.assert(fc.property(fc.integer(), fc.constantFrom(2, 3, 5, 20), (seed, servers) => {
    const { ejections } = play(servers, 200 * servers, 200 * servers * 6, seed, (server, nowMs) =>
      ({ errors: 0, latencyMs: lognormal(server === 0 && nowMs > 2_000 ? 50 : 5, 0.7) }));
    assert.deepEqual(ejections.map(({ server }) => server), [0], `of ${servers}`);
    assert.ok((ejections[0]?.atMs ?? Infinity) < 3_500);
    assert.match(ejections[0]?.why ?? "", /^median latency \d/);
  }), { ...property, numRuns: Math.min(30, property.numRuns) });
});

test("twice as slow, or a few milliseconds more, is nobody's fault", () => {
  const twice = play(5, 1_000, 30_000, 3, (server) =>
    ({ errors: 0, latencyMs: lognormal(server === 0 ? 40 : 20, 1) }));
  assert.deepEqual(twice.ejections, []);
  const little = play(5, 1_000, 30_000, 4, (server) =>
    ({ errors: 0, latencyMs: lognormal(server === 0 ? 3 : 0.3, 1) }));
  assert.deepEqual(little.ejections, []);
});

test("what strikes everybody at once ejects nobody: an outage behind them, a slow database", () => {
  fc.assert(fc.property(fc.integer(), fc.constantFrom(0.3, 0.6, 1), (seed, errors) => {
    const { ejections } = play(6, 1_200, 12_000, seed, (_, nowMs) => {
      const struck = nowMs > 3_000 && nowMs < 6_000;
      return { errors: struck ? errors : 0.001, latencyMs: lognormal(struck ? 200 : 5, 0.5) };
    });
    assert.deepEqual(ejections, []);
  }), { ...property, numRuns: Math.min(20, property.numRuns) });
});

test("rare calls add up: a server that fails half of them is found by those alone", () => {
  const { ejections } = play(4, 2, 600, 5, (server) => ({ errors: server === 2 ? 0.5 : 0, latencyMs: () => 5 }));
  assert.equal(ejections[0]?.server, 2);
  assert.ok((ejections[0]?.atMs ?? Infinity) < 60_000, `${ejections[0]?.atMs}`);
});

test("a server that fails fast among slow ones loses, and why is told with figures", () => {
  const { ejections } = play(5, 1_000, 4_000, 6, (server) =>
    ({ errors: server === 0 ? 0.5 : 0, latencyMs: () => (server === 0 ? 0.1 : 20) }),
  { consecutiveFailures: Infinity });
  assert.equal(ejections[0]?.server, 0);
  assert.match(ejections[0]?.why ?? "", /^\d+ of \d+ attempts failed, 0 % of its peers'$/);
});

test("latencies are compared within a group only: another region is far, not slow", () => {
  const clock = handClock(0);
  const heard: string[] = [];
  const detector = outlierDetection({ clock }, {}, (id) => heard.push(id));
  const here = ["a", "b", "c"].map((id) => detector.member(id, "eu"));
  const there = ["x", "y"].map((id) => detector.member(id, "us"));
  for (let i = 0; i < 2_000; i++) {
    clock.advance(1);
    for (const one of here) one.attemptEnded(false, clock.now(), 2);
    for (const one of there) one.attemptEnded(false, clock.now(), 150);
  }
  assert.deepEqual(heard, []);
  assert.equal(Math.round(there[0]?.medianMs ?? 0), 150);
});

test("who is overtaken again and again is slow, however soon its attempts are given up", () => {
  for (const [overtaken, isOut] of [[true, true], [false, false]] as const) {
    const clock = handClock(0);
    const out: string[] = [];
    const detector = outlierDetection({ clock }, {}, (id, ejected, why) => void (ejected && out.push(`${id}: ${why}`)));
    const members = Array.from({ length: 5 }, (_, i) => detector.member(String(i)));
    for (let call = 0; call < 6_000; call++) {
      clock.advance(1);
      const at = call % 5;
      // Given up after twice the usual time, which is less than what counts as slow by itself.
      if (at === 0 && call > 3_000) members[at]?.gaveUp(clock.now(), 20, overtaken);
      else members[at]?.attemptEnded(false, clock.now(), 10);
    }
    detector.close();
    assert.deepEqual(out.map((one) => one.slice(0, 2)), isOut ? ["0:"] : [], out.join());
  }
});

test("an even crowd's evidence stays below the certainty as often as Ville's inequality says", () => {
  let crossed = 0;
  const random = seededRandom(11);
  const runs = 4_000;
  for (let run = 0; run < runs; run++) {
    let evidence = 0;
    for (let look = 0; look < 20 && evidence < 4; look++) {
      let yes = 0;
      for (let i = 0; i < 20; i++) if (random.next() < 0.1) yes++;
      evidence = weigh(evidence, yes, 20 - yes, { innocent: 0.1, guilty: 0.3 });
    }
    if (evidence >= 4) crossed++;
  }
  // e^-4 for each of at most 20 beginnings; far less in truth.
  assert.ok(crossed / runs < 20 * Math.exp(-4), `${crossed} of ${runs}`);
});

test("rates grow with what the peers suffer, and are unknown where they say too little or are hopeless", () => {
  const none = { yes: 0, all: 0 };
  assert.equal(ratesBeside({ yes: 0, all: 9 }, none, 0.01), undefined);
  assert.equal(ratesBeside({ yes: 80, all: 100 }, none, 0.01), undefined);
  assert.equal(ratesBeside({ yes: 1, all: 1_000 }, { yes: 10, all: 10 }, 0.01), undefined);
  const well = ratesBeside({ yes: 0, all: 10_000 }, none, 0.01);
  assert.ok(well !== undefined && well.innocent > 0.01 && well.innocent < 0.011 && well.guilty < 0.045);
  assert.deepEqual([0, 0.01, 0.2, 1].map(rowBeyondChance), [1, 5, 13, Infinity]);
});

test("who cannot be done without is not ejected, for whatever reason", () => {
  for (const failing of [{ errors: 1, latencyMs: () => 5 }, { errors: 0.5, latencyMs: () => 5 },
    { errors: 0, latencyMs: lognormal(200, 0.3) }]) {
    const well: Behaviour = { errors: 0, latencyMs: lognormal(10, 0.3) };
    const behaviour = (server: number): Behaviour => server === 0 ? failing : well;
    const asked = new Set<string>();
    const isDispensable = (id: string): boolean => {
      asked.add(id);
      return false;
    };
    assert.deepEqual(play(10, 1_000, 10_000, 3, behaviour, { isDispensable }).ejections, []);
    assert.deepEqual([...asked], ["0"]);
    assert.ok(play(10, 1_000, 10_000, 3, behaviour).ejections.length > 0);
  }
});

test("who is out comes back as soon as the others cannot do without it", () => {
  const behaviour = (server: number): Behaviour => ({ errors: server === 0 ? 1 : 0, latencyMs: () => 5 });
  let asked = 0;
  // Dispensable when it is asked first, and not for long.
  const { taken, ejections } = play(10, 1_000, 6_000, 3, behaviour, { isDispensable: () => asked++ < 3 });
  assert.equal(ejections.length, 1);
  const outMs = ejections[0]?.atMs ?? 0;
  const back = taken.find(({ server, atMs }) => server === 0 && atMs > outMs);
  assert.ok(back !== undefined && back.atMs < outMs + 3_000, `out at ${outMs}, back at ${back?.atMs}`);
});
