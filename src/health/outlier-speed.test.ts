// How soon a member that fails now and then, or limps, is out; and that a crowd which is alike loses nobody sooner.
import assert from "node:assert/strict";
import { test } from "node:test";
import { handClock, seededRandom } from "../../test/policies/support.ts";
import { outlierDetection } from "./index.ts";

interface Crowd {
  readonly failing: (member: number) => number;
  /** Mean of a time that is exponential, in milliseconds. */
  readonly meanMs: (member: number) => number;
  readonly perSecond: number;
  readonly untilMs: number;
}

/** Plays a crowd of ten; answers when each was out first, Infinity if it never was. */
function outAt(crowd: Crowd, seed: number): number[] {
  const clock = handClock();
  const random = seededRandom(seed);
  const out = Array.from({ length: 10 }, () => Infinity);
  const detector = outlierDetection({ clock }, {}, (id, ejected) => {
    if (ejected) out[Number(id)] = Math.min(out[Number(id)] ?? 0, clock.now());
  });
  detector.retain(out.map((_, i) => String(i)));
  const begin = clock.now();
  while (clock.now() - begin < crowd.untilMs) {
    clock.advance(1);
    if (random.next() >= crowd.perSecond / 1_000) continue;
    const member = Math.floor(random.next() * 10);
    const tookMs = -Math.log(1 - random.next()) * crowd.meanMs(member);
    if (out[member] === Infinity) {
      detector.attemptEnded(String(member), random.next() < crowd.failing(member), clock.now(), tookMs);
    }
  }
  detector.close();
  return out.map((atMs) => atMs - begin);
}

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

test("one that errs once in twenty is out after about eight errors, a slow one after some fifty calls", () => {
  const erring = seeds.map((seed) => outAt({
    failing: (member) => (member === 3 ? 0.05 : 0), meanMs: () => 5, perSecond: 400, untilMs: 12_000,
  }, seed));
  // Two errors a second.
  assert.ok(middle(erring.map((out) => out[3] ?? 0)) <= 5_000, "five seconds of two errors each");
  const slow = seeds.map((seed) => outAt({
    failing: () => 0, meanMs: (member) => (member === 3 ? 50 : 5), perSecond: 100, untilMs: 12_000,
  }, seed));
  assert.ok(middle(slow.map((out) => out[3] ?? 0)) <= 9_000, "ten calls a second");
  for (const out of [...erring, ...slow]) {
    assert.ok(out.every((atMs, member) => member === 3 || atMs === Infinity), "nobody else is out");
  }
});

test("an even crowd loses nobody, whether all err seldom or often", () => {
  for (const share of [0.001, 0.003, 0.01, 0.1, 0.5]) {
    const out = seeds.slice(0, 20).flatMap((seed) =>
      outAt({ failing: () => share, meanMs: () => 5, perSecond: 400, untilMs: 30_000 }, seed));
    assert.equal(out.filter((atMs) => atMs < Infinity).length, 0, `${share} of the attempts fail`);
  }
});
