import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Alarm } from "../../core/alarm.ts";
import { TimerWheel } from "./timer-wheel.ts";

class Recorded extends Alarm {
  readonly rang: number[];
  readonly number: number;

  constructor(rang: number[], number: number) {
    super();
    this.rang = rang;
    this.number = number;
  }

  override ring(): void {
    this.rang.push(this.number);
  }
}

const unexpected = (error: unknown) => {
  throw error;
};

const step = fc.oneof(
  // Delays on all levels, clustered at their edges.
  { weight: 5, arbitrary: fc.tuple(fc.constant("set" as const), fc.nat(30), fc.oneof(
    fc.double({ min: -5, max: 700, noNaN: true }), fc.integer({ min: 250, max: 260 }),
    fc.integer({ min: 65_530, max: 65_800 }), fc.double({ min: 0, max: 3e8, noNaN: true }),
    fc.integer({ min: 2 ** 24 - 3, max: 2 ** 24 + 3 }), fc.constant(Infinity),
  )) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("clear" as const), fc.nat(30), fc.constant(0)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("advance" as const), fc.nat(0), fc.oneof(
    fc.double({ min: 0, max: 3, noNaN: true }), fc.double({ min: 0, max: 1_000, noNaN: true }),
    fc.constant(65_536), fc.double({ min: 0, max: 4e7, noNaN: true }),
  )) },
);

test("the wheel rings what a sorted list would, in its order, for any times and any start", () => {
  fc.assert(fc.property(fc.oneof(fc.nat(1_000), fc.double({ min: 0, max: 2 ** 45, noNaN: true })),
    fc.array(step, { maxLength: 60 }), (startMs, steps) => {
      const rang: number[] = [];
      const wanted: number[] = [];
      let nowMs = startMs;
      let order = 0;
      const wheel = new TimerWheel(Math.floor(nowMs), unexpected);
      const alarms = Array.from({ length: 31 }, (_, i) => new Recorded(rang, i));
      const model = new Map<number, { tick: number; order: number }>();
      for (const [what, i, amount] of steps) {
        const alarm = alarms[i] as Recorded;
        if (what === "advance") {
          nowMs += amount;
          const tick = Math.floor(nowMs);
          const due = [...model].filter(([, entry]) => entry.tick <= tick);
          due.sort(([, a], [, b]) => a.tick - b.tick || a.order - b.order);
          for (const [number] of due) {
            wanted.push(number);
            model.delete(number);
          }
          wheel.advance(nowMs);
          assert.deepEqual(rang, wanted);
        } else {
          if (alarm.isSet) wheel.clear(alarm);
          model.delete(i);
          if (what === "set") {
            const tick = Math.max(Math.ceil(nowMs + amount), Math.floor(nowMs) + 1);
            assert.equal(wheel.set(alarm, nowMs + amount), tick);
            model.set(i, { tick, order: order++ });
          }
        }
        const first = Math.min(...[...model.values()].map((entry) => entry.tick));
        const due = wheel.nextDue();
        assert.ok(due === undefined ? model.size === 0 : due <= first && due > nowMs - 1, `${due} ${first} ${nowMs}`);
        assert.equal(wheel.keepers, [...model.values()].filter((entry) => entry.tick < Infinity).length);
        for (const [number, entry] of alarms.entries()) assert.equal(entry.isSet, model.has(number));
      }
    }), { seed: 1, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 2_000) });
});

test("an alarm that throws does not keep others from ringing", () => {
  const errors: unknown[] = [];
  const wheel = new TimerWheel(0, (error) => errors.push(error));
  const rang: number[] = [];
  class Throwing extends Alarm {
    override ring(): void {
      throw new Error("mistake");
    }
  }
  for (const alarm of [new Recorded(rang, 1), new Throwing(), new Recorded(rang, 2)]) wheel.set(alarm, 5);
  wheel.advance(6);
  assert.deepEqual([rang, errors.length], [[1, 2], 1]);
});

test("NaN is refused", () => {
  const wheel = new TimerWheel(0, unexpected);
  assert.throws(() => wheel.set(new Recorded([], 0), NaN), { code: "invalid_argument" });
});

test("an idle gap is crossed quickly", () => {
  const wheel = new TimerWheel(0, unexpected);
  const rang: number[] = [];
  wheel.set(new Recorded(rang, 1), 1e10);
  const startMs = performance.now();
  wheel.advance(1e9);
  assert.deepEqual(rang, []);
  assert.ok(performance.now() - startMs < 2_000);
});
