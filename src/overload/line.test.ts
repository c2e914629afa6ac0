import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { handClock, property } from "../../test/policies/support.ts";
import { type LineOptions, type Row, type Waiter, waitingLine } from "./index.ts";

class Waiting implements Waiter {
  readonly rank: number;
  readonly level: number;
  enteredMs: number;
  row: Row | undefined = undefined;
  before: Waiter | undefined = undefined;
  behind: Waiter | undefined = undefined;
  why: string | undefined = undefined;

  constructor(level: number, enteredMs: number) {
    this.level = level;
    this.rank = Math.floor(level);
    this.enteredMs = enteredMs;
  }

  turnedAway(why: string): void {
    assert.equal(this.why, undefined, "told twice");
    this.why = why;
  }
}

function setUp(options?: LineOptions) {
  const clock = handClock();
  const line = waitingLine(clock, options);
  const enter = (rank = 1, capacity = 100): Waiting => {
    const waiter = new Waiting(rank, clock.now());
    if (!line.enter(waiter, capacity)) waiter.turnedAway("no room");
    return waiter;
  };
  return { clock, line, enter, next: () => line.next(clock.now()) };
}

test("first come, first served, the most critical before all", () => {
  const { enter, next, line } = setUp();
  const [sheddable, a, b, critical] = [enter(2), enter(1), enter(1), enter(0)];
  assert.deepEqual([next(), next(), next(), next(), next()], [critical, a, b, sheddable, undefined]);
  assert.equal(line.size, 0);
});

test("a full line takes a call that is more critical in place of the least, and no other", () => {
  const { enter, next } = setUp();
  const first = enter(1, 2);
  const second = enter(2, 2);
  assert.equal(enter(2, 2).why, "no room");
  const critical = enter(0, 2);
  assert.equal(second.why, "the line is full");
  assert.equal(enter(1, 2).why, "no room");
  assert.deepEqual([next(), next()], [critical, first]);
});

test("nobody waits longer than the interval, whether or not there is ever room", () => {
  const { clock, enter, line } = setUp({ intervalMs: 50, maxWaitMs: 50 });
  const waiter = enter();
  clock.advance(50);
  assert.equal(waiter.why, undefined);
  clock.advance(2);
  assert.match(waiter.why ?? "", /^it waited 5[12] ms$/);
  assert.equal(line.size, 0);
});

test("the critical are patient five times as long as others before their row stands", () => {
  const { clock, enter } = setUp();
  const critical = [enter(0), enter(0)];
  const others = [enter(1), enter(1)];
  clock.advance(100);
  enter(1);
  clock.advance(405);
  assert.deepEqual([...critical, ...others].map(({ why }) => why === undefined), [false, false, false, false]);
  assert.match(critical[0]?.why ?? "", /waited 50[12] ms/);
});

test("a line that is long although less comes than is done does not stand", () => {
  const { clock, enter, next, line } = setUp();
  line.isOverloaded = false;
  const all = Array.from({ length: 10 }, () => enter());
  clock.advance(300);
  assert.equal(line.isStanding(clock.now()), false);
  assert.equal(next(), all[0]);
  line.isOverloaded = true;
  assert.equal(next(), all[9]);
});

test("a line that has not been empty for an interval stands: the last first, and twice the target at most", () => {
  const { clock, enter, next, line } = setUp();
  // Somebody is always there: one comes every 4 ms, one goes every 5.
  for (let i = 0; i < 30; i++) {
    enter();
    clock.advance(4);
    if (i % 5 !== 4) next();
  }
  assert.ok(line.isStanding(clock.now()));
  const [old, young] = [enter(), enter()];
  assert.equal(next(), young);
  clock.advance(9);
  assert.ok(line.isStanding(clock.now()));
  assert.equal(old.why, undefined);
  const newer = [enter(), enter()];
  clock.advance(2);
  assert.equal(next(), newer[1]);
  assert.match(old.why ?? "", /waited 11 ms/);
  assert.equal(next(), newer[0]);
  // An interval in which nobody had to wait ends it.
  clock.advance(120);
  assert.equal(line.isStanding(clock.now()), false);
});

test("a line that stood stands again as soon as somebody waits too long, for ten intervals", () => {
  const { clock, enter, line, next } = setUp();
  enter();
  clock.advance(101);
  assert.ok(line.isStanding(clock.now()));
  const again = (afterMs: number): boolean => {
    while (next() !== undefined);
    clock.advance(afterMs);
    assert.equal(line.isStanding(clock.now()), false);
    const first = enter();
    clock.advance(11);
    enter();
    const stands = line.isStanding(clock.now());
    assert.equal(first.why !== undefined, stands);
    return stands;
  };
  assert.ok(again(500));
  assert.ok(again(900));
  assert.equal(again(1_200), false);
});

test("whoever is served leaves none behind who waited too long, of any rank", () => {
  const { clock, enter, next } = setUp();
  const others = [enter(1), enter(2)];
  clock.advance(101);
  const critical = enter(0);
  assert.equal(next(), critical);
  assert.deepEqual(others.map(({ why }) => why), ["it waited 101 ms", "it waited 101 ms"]);
});

test("of those who wait in a line that stands, the most important is next, and the least makes room", () => {
  const { clock, enter, next, line } = setUp();
  const former = enter();
  clock.advance(101);
  assert.ok(line.isStanding(clock.now()));
  assert.equal(former.why, "it waited 101 ms");
  const [least, most, middle] = [enter(1.9), enter(1.1), enter(1.5)];
  line.servedPerMs = 0.2;
  assert.match(enter(1.95).why ?? "", /no room/);
  const better = enter(1.2);
  assert.equal(least.why, "somebody more important came");
  assert.deepEqual([next(), next(), next()].map((one) => (one as Waiting).level), [1.1, 1.2, 1.5]);
  assert.deepEqual([most.why, better.why, middle.why], [undefined, undefined, undefined]);
});

test("lifo: false keeps the order even when the line stands", () => {
  const { clock, enter, next } = setUp({ lifo: false });
  for (let i = 0; i < 30; i++) {
    enter();
    clock.advance(4);
    if (i % 5 !== 4) next();
  }
  while (next() !== undefined);
  const [old] = [enter(), enter()];
  assert.equal(next(), old);
});

test("whoever leaves is neither served nor turned away", () => {
  const { enter, next, line } = setUp();
  const [a, b, c] = [enter(), enter(), enter()];
  line.leave(b);
  line.leave(b);
  assert.deepEqual([next(), next(), next()], [a, c, undefined]);
  assert.equal(b.why, undefined);
});

test("everybody who enters leaves exactly once, and the line is never longer than it may be", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("enter" as const), rank: fc.nat(2), capacity: fc.nat(12) }),
    fc.record({ kind: fc.constant("next" as const) }),
    fc.record({ kind: fc.constant("leave" as const), which: fc.nat(50) }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(60) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const { clock, line, enter, next } = setUp();
    const inside = new Set<Waiting>();
    const settle = () => {
      for (const waiter of inside) if (waiter.why !== undefined) inside.delete(waiter);
    };
    for (const one of steps) {
      if (one.kind === "enter") {
        const before = line.size;
        const waiter = enter(one.rank, one.capacity);
        if (waiter.why === undefined) inside.add(waiter);
        assert.ok(line.size <= Math.max(before, one.capacity));
      } else if (one.kind === "next") {
        const waiter = next() as Waiting | undefined;
        if (waiter !== undefined) assert.ok(inside.delete(waiter));
        else assert.equal(line.size, 0);
      } else if (one.kind === "leave") {
        const waiter = [...inside][one.which];
        if (waiter !== undefined && waiter.why === undefined) {
          line.leave(waiter);
          inside.delete(waiter);
        }
      } else {
        clock.advance(one.ms);
      }
      settle();
      assert.equal(line.size, inside.size);
    }
  }), property);
});

test("impossible options are refused by name", () => {
  assert.throws(() => setUp({ intervalMs: 0 }), /intervalMs is 0/);
  assert.throws(() => setUp({ intervalMs: 10, targetMs: 6 }), /targetMs is 6: .*at most half of intervalMs/);
  assert.throws(() => setUp({ targetMs: -1 }), /targetMs is -1/);
});
