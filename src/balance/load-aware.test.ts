// The pickers that go by what servers tell: never outside the candidates, by weight, without favour, by seed; and what
// each of them is for.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  candidates, context, handClock, property, seededRandom, type TestCandidate,
} from "../../test/policies/support.ts";
import { type Candidate, type LoadReport, type Picker, recordAttempt, type Runtime, RpcError } from "../core/index.ts";
import { c3, dynamicWeighted, errorAware, leastDelay, leastRequests, peakEwma, prequal } from "./index.ts";

type Dice = Pick<Runtime, "clock" | "random">;

const makers: Readonly<Record<string, (runtime: Dice) => Picker>> = {
  leastDelay: ({ random }) => leastDelay(random), c3: (runtime) => c3(runtime), prequal: (runtime) => prequal(runtime),
};

const told: LoadReport = {
  cpu: 0.1, memory: 0.1, inFlight: 0, callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0, latencyMs: 10,
};

function report(server: Candidate, atMs: number, more: Partial<LoadReport>): void {
  server.load.report = { ...told, ...more };
  server.load.reportAtMs = atMs;
  server.load.sinceReport = 0;
}

interface Play {
  readonly picker: Picker;
  readonly all: readonly TestCandidate[];
  readonly clock: ReturnType<typeof handClock>;
  readonly calls: number;
  readonly gapMs: number;
  /** What a call takes, and whether it fails. */
  readonly serve: (index: number, nowMs: number) => { readonly ms: number; readonly failed?: boolean };
  /** What it tells of itself with a reply; undefined for nothing. */
  readonly tells?: (index: number) => Partial<LoadReport> | undefined;
}

/** Sends calls at even distances and answers how many each server got. */
function play({ picker, all, clock, calls, gapMs, serve, tells }: Play): number[] {
  const counts = all.map(() => 0);
  const there = all.map(() => 0);
  for (let i = 0; i < calls; i++) {
    clock.advance(gapMs);
    const startedMs = clock.now();
    const server = picker(all, context({ startedMs })) as TestCandidate;
    const at = all.indexOf(server);
    counts[at]!++;
    there[at]!++;
    server.load.inFlight++;
    server.load.sinceReport++;
    server.load.outstanding.begin(startedMs);
    const { ms, failed = false } = serve(at, startedMs);
    clock.after(ms, () => {
      there[at]!--;
      server.load.inFlight--;
      server.load.outstanding.end(startedMs);
      recordAttempt(server.load, startedMs, clock.now(), failed);
      const more = tells?.(at);
      if (more !== undefined) report(server, clock.now(), { inFlight: there[at] as number, ...more });
    });
  }
  return counts;
}

const someLoad = fc.record({
  inFlight: fc.nat(40), peakEwmaMs: fc.nat(2_000), latencyMs: fc.nat(2_000), sinceReport: fc.nat(50),
  failureRate: fc.double({ min: 0, max: 1, noNaN: true }), weight: fc.nat(5),
  report: fc.option(fc.record({ inFlight: fc.nat(500), latencyMs: fc.nat(3_000), agoMs: fc.nat(300_000) })),
});

test("whatever is known of them: one of the candidates, of no weight 0, and the same one for the same seed", () => {
  fc.assert(fc.property(fc.array(someLoad, { minLength: 1, maxLength: 40 }), fc.integer(), (loads, seed) => {
    const isOpen = loads.some(({ weight }) => weight > 0);
    for (const [name, make] of Object.entries(makers)) {
      const picks = [0, 1].map(() => {
        const clock = handClock(1e6);
        const all = candidates(loads.length, (i) => ({ weight: loads[i]!.weight }));
        loads.forEach(({ report: last, inFlight, peakEwmaMs, latencyMs, sinceReport, failureRate }, i) => {
          Object.assign(all[i]!.load, { inFlight, peakEwmaMs, latencyMs, sinceReport, failureRate });
          if (last !== null) report(all[i]!, clock.now() - last.agoMs, last);
        });
        const picker = make({ clock, random: seededRandom(seed) });
        return Array.from({ length: 20 }, (_, i) => {
          if (i === 10) clock.advance(700);
          const picked = picker(all, context({ startedMs: clock.now() }));
          const at = picked === undefined ? -1 : all.indexOf(picked);
          assert.ok(at >= 0, name);
          if (isOpen) assert.ok(all[at]!.address.weight > 0, `${name} picked one of weight 0`);
          return at;
        });
      });
      assert.deepEqual(picks[0], picks[1], name);
    }
  }), property);
});

test("alike and idle, each gets its weight's share, also where replies tell of it", () => {
  for (const [name, make] of Object.entries(makers)) {
    for (const n of [4, 30]) {
      for (const tells of [undefined, () => ({ latencyMs: 5 })]) {
        const clock = handClock();
        const all = candidates(n, (i) => ({ weight: 1 + (i % 2) }));
        const picker = make({ clock, random: seededRandom(7) });
        const serve = () => ({ ms: 5 });
        const counts = play({ picker, all, clock, calls: 30_000, gapMs: 10, serve, ...tells && { tells } });
        const mean = 30_000 / (n * 1.5);
        counts.forEach((count, i) => {
          const share = count / (mean * (1 + (i % 2)));
          const how = `${name}, ${n} servers, ${tells === undefined ? "silent" : "telling"}`;
          assert.ok(share > 0.6 && share < 1.6, `${how}: server ${i} got ${share.toFixed(2)} of its share`);
        });
      }
    }
  }
});

test("a server that fails at once never gets more than its share", () => {
  for (const [name, make] of Object.entries(makers)) {
    for (const tells of [undefined, (i: number) => i === 0 ? { latencyMs: 0 } : { latencyMs: 20 }]) {
      const clock = handClock();
      const all = candidates(10);
      const counts = play({
        picker: make({ clock, random: seededRandom(3) }), all, clock, calls: 10_000, gapMs: 2,
        serve: (i) => i === 0 ? { ms: 0.2, failed: true } : { ms: 20 }, ...tells && { tells },
      });
      assert.ok((counts[0] as number) <= 1_000, `${name}: ${counts[0]} of 10,000`);
    }
  }
});

test("a server ten times slower gets less than its share, and is found again when it is well", () => {
  for (const [name, make] of Object.entries(makers)) {
    const clock = handClock();
    const all = candidates(10);
    const picker = make({ clock, random: seededRandom(5) });
    let slow = true;
    const tells = (i: number) => ({ latencyMs: i === 0 && slow ? 200 : 20 });
    const serve = (i: number) => ({ ms: i === 0 && slow ? 200 : 20 });
    const sick = play({ picker, all, clock, calls: 5_000, gapMs: 2, serve, tells });
    // Prequal lives by its probes, which nobody here answers.
    assert.ok((sick[0] as number) < (name === "prequal" ? 500 : 300), `${name}: slow, ${sick[0]} of 5,000`);
    slow = false;
    play({ picker, all, clock, calls: 10_000, gapMs: 2, serve, tells });
    const well = play({ picker, all, clock, calls: 5_000, gapMs: 2, serve, tells });
    assert.ok((well[0] as number) > 200, `${name}: well, ${well[0]} of 5,000`);
  }
});

test("least delay leaves a server that has fallen silent before any of its calls has failed", () => {
  const clock = handClock();
  const all = candidates(10);
  const picker = leastDelay(seededRandom(2));
  const usual = (): { ms: number } => ({ ms: 100 });
  play({ picker, all, clock, calls: 5_000, gapMs: 1, serve: usual });
  const silent = play({ picker, all, clock, calls: 2_000, gapMs: 1, serve: (i) => ({ ms: i === 0 ? 1e6 : 100 }) });
  // A tenth of a thousand calls a second, for the hundred milliseconds that a call takes, and a few.
  assert.ok((silent[0] as number) <= 13, `${silent[0]} calls`);
  assert.equal(all[0]?.load.failed, 0);
});

test("least delay: what was told long ago makes nobody attractive, and nobody shunned for ever", () => {
  const clock = handClock(1e6);
  const all = candidates(2);
  const picker = leastDelay(seededRandom(1));
  const first = () => picker(all, context({ startedMs: clock.now() })) === all[0];
  const share = () => Array.from({ length: 1_000 }, first).filter(Boolean).length / 1_000;
  report(all[0]!, clock.now(), { inFlight: 0 });
  report(all[1]!, clock.now(), { inFlight: 30 });
  assert.equal(share(), 1);
  clock.advance(60_000);
  assert.ok(Math.abs(share() - 0.5) < 0.1);
});

test("Prequal: the quickest of the cold, of only hot ones the least loaded, and a pool that fills by probes", () => {
  const clock = handClock();
  const asked: number[] = [];
  const busy = [0, 3, 12, 40];
  const latency = [50, 10, 5, 1];
  const all = candidates(100).map((one, i) => ({
    ...one,
    askLoad: () => {
      asked.push(i);
      report(one, clock.now(), { inFlight: busy[i % 4] as number, latencyMs: latency[i % 4] as number });
      return true;
    },
  }));
  const picker = prequal({ clock, random: seededRandom(1) }, { hotQuantile: 0.6 });
  const kinds = [0, 0, 0, 0];
  for (let i = 0; i < 1_000; i++) {
    clock.advance(1);
    const picked = picker(all, context({ startedMs: clock.now() }));
    if (i >= 100) kinds[all.findIndex((one) => one.load === picked?.load) % 4]!++;
  }
  // Cold are those with up to 12 in flight: of them kind 2 is the quickest.
  assert.equal(asked.length, 3_000);
  // One that we have just sent a call to has one more, and is hot: then kind 1 is the quickest.
  assert.ok((kinds[2] as number) > 600 && (kinds[0] as number) < 50, kinds.join());
  assert.equal(kinds[3], 0);
});

test("Prequal: with fewer than two answers it draws, and asks nobody where probes are off", () => {
  const clock = handClock();
  let asked = 0;
  const all = candidates(20).map((one) => ({ ...one, askLoad: () => ++asked > 0 }));
  const picker = prequal({ clock, random: seededRandom(1) }, { probesPerCall: 0 });
  const seen = new Set(Array.from({ length: 400 }, () => picker(all, context())?.address.id));
  assert.deepEqual([seen.size, asked], [20, 0]);
  const half = prequal({ clock, random: seededRandom(1) }, { probesPerCall: 0.5 });
  for (let i = 0; i < 100; i++) half(all, context());
  assert.equal(asked, 50);
});

test("C3: a queue counts by its cube, and own calls for those of all clients", () => {
  const all = candidates(2);
  const random = seededRandom(1);
  report(all[0]!, 1, { inFlight: 9, latencyMs: 1 });
  report(all[1]!, 1, { inFlight: 2, latencyMs: 20 });
  assert.equal(c3({ random })(all, context()), all[1], "1000 x 1 against 27 x 20");
  report(all[0]!, 2, { inFlight: 0, latencyMs: 4 });
  report(all[1]!, 2, { inFlight: 0, latencyMs: 4 });
  all[0]!.load.inFlight = 1;
  all[1]!.load.latencyMs = 500;
  assert.equal(c3({ random })(all, context()), all[0]);
  assert.equal(c3({ random }, { clients: 150 })(all, context()), all[1]);
});

test("what cannot be is refused by name", () => {
  const runtime = { clock: handClock(), random: seededRandom(1) };
  const refused: readonly [string, () => unknown][] = [
    ["choices", () => leastRequests(runtime.random, { choices: 0 })],
    ["choices", () => leastRequests(runtime.random, { choices: 1.5 })],
    ["decayMs", () => peakEwma(runtime, { decayMs: 0 })],
    ["power", () => errorAware(runtime, { power: NaN })],
    ["updateMs", () => dynamicWeighted(runtime, { updateMs: 50 })],
    ["blackoutMs", () => dynamicWeighted(runtime, { blackoutMs: -1 })],
    ["expiryMs", () => dynamicWeighted(runtime, { expiryMs: 0 })],
    ["errorUtilisationPenalty", () => dynamicWeighted(runtime, { errorUtilisationPenalty: -1 })],
    ["remembered", () => leastDelay(runtime.random, { remembered: -1 })],
    ["margin", () => leastDelay(runtime.random, { margin: 1 })],
    ["decayMs", () => leastDelay(runtime.random, { decayMs: Infinity })],
    ["clients", () => c3(runtime, { clients: 0 })],
    ["power", () => c3(runtime, { power: 0 })],
    ["newest", () => c3(runtime, { newest: 2 })],
    ["choices", () => c3(runtime, { choices: 1 })],
    ["retryAfterMs", () => c3(runtime, { retryAfterMs: 0 })],
    ["probesPerCall", () => prequal(runtime, { probesPerCall: -1 })],
    ["poolSize", () => prequal(runtime, { poolSize: 1 })],
    ["maxAgeMs", () => prequal(runtime, { maxAgeMs: 0 })],
    ["probeTimeoutMs", () => prequal(runtime, { probeTimeoutMs: 0 })],
    ["hotQuantile", () => prequal(runtime, { hotQuantile: 1.1 })],
    ["removedPerCall", () => prequal(runtime, { removedPerCall: NaN })],
    ["delta", () => prequal(runtime, { delta: -1 })],
  ];
  for (const [name, make] of refused) {
    assert.throws(make, (error) => RpcError.is(error) && error.message.startsWith(`${name} is `), name);
  }
});
