/** Runtime suite: time, alarms, deferral and chance. */
import { Alarm } from "../core/alarm.ts";
import type { Clock } from "../core/runtime.ts";
import { check, checkEqual, type RuntimeHarness, sleep, type SuiteCase } from "./runtime-harness.ts";

class TestAlarm extends Alarm {
  rings = 0;
  rangAtMs = 0;
  readonly #clock: Clock;
  readonly #rang: ((alarm: TestAlarm) => void) | undefined;

  constructor(clock: Clock, rang?: (alarm: TestAlarm) => void) {
    super();
    this.#clock = clock;
    this.#rang = rang;
  }

  override ring(): void {
    this.rings++;
    this.rangAtMs = this.#clock.now();
    this.#rang?.(this);
  }
}

/** A real clock rings late by what else the machine does; anything beyond this is wrong all the same. */
const lateMs = 5_000;

export const clockCases: readonly SuiteCase[] = [
  {
    name: "clock: now never goes back and runs in milliseconds",
    async body({ client }) {
      const startMs = client.clock.now();
      const wallMs = client.clock.wallMs();
      let last = startMs;
      for (let i = 0; i < 100; i++) {
        const nowMs = client.clock.now();
        check(nowMs >= last, `now went from ${last} to ${nowMs}`);
        last = nowMs;
      }
      await sleep(client, 20);
      const passedMs = client.clock.now() - startMs;
      check(passedMs >= 20 && passedMs < 20 + lateMs, `after 20 ms, now has moved by ${passedMs}`);
      const passedWallMs = client.clock.wallMs() - wallMs;
      check(passedWallMs >= 18 && passedWallMs < 22 + lateMs, `after 20 ms, wallMs has moved by ${passedWallMs}`);
    },
  },
  {
    name: "alarm: rings once, never early, in order of time whatever the order of setting",
    async body({ client: { clock }, client }) {
      const rang: number[] = [];
      const delays = [300, 0, 40, 3, 1, 256, 255, 12, 257, 40.5, 2, 90];
      const baseMs = clock.now();
      const alarms = delays.map((delayMs) => {
        const alarm = new TestAlarm(clock, () => rang.push(delayMs));
        clock.set(alarm, baseMs + delayMs);
        check(alarm.isSet, "a set alarm says isSet");
        return alarm;
      });
      checkEqual(rang, [], "rung before set returned");
      await sleep(client, 330);
      checkEqual(rang, delays.toSorted((a, b) => a - b), "order of ringing");
      for (const [i, alarm] of alarms.entries()) {
        const lateByMs = alarm.rangAtMs - baseMs - (delays[i] as number);
        check(lateByMs >= 0, `the alarm at ${delays[i]} ms rang ${-lateByMs} ms early`);
        check(lateByMs < lateMs, `the alarm at ${delays[i]} ms rang ${lateByMs} ms late`);
        checkEqual([alarm.rings, alarm.isSet], [1, false], "rings and isSet afterwards");
      }
    },
  },
  {
    name: "alarm: those of one time ring in the order in which they were set",
    async body({ client: { clock }, client }) {
      const rang: number[] = [];
      const atMs = clock.now() + 300;
      const add = (i: number) => clock.set(new TestAlarm(clock, () => rang.push(i)), atMs);
      for (let i = 0; i < 10; i++) add(i);
      await sleep(client, 150);
      for (let i = 10; i < 20; i++) add(i);
      await sleep(client, 200);
      checkEqual(rang, Array.from({ length: 20 }, (_, i) => i), "order of ringing");
    },
  },
  {
    name: "alarm: one set for the past rings soon, not at once",
    async body({ client: { clock }, client }) {
      const alarm = new TestAlarm(clock);
      clock.set(alarm, clock.now() - 1_000);
      checkEqual(alarm.rings, 0, "rings before set returned");
      await sleep(client, 10);
      checkEqual(alarm.rings, 1, "rings");
    },
  },
  {
    name: "alarm: a cleared one does not ring; clearing twice does nothing",
    async body({ client: { clock }, client }) {
      const alarm = new TestAlarm(clock);
      clock.clear(alarm);
      clock.set(alarm, clock.now() + 5);
      clock.clear(alarm);
      clock.clear(alarm);
      check(!alarm.isSet, "a cleared alarm says isSet");
      await sleep(client, 30);
      checkEqual(alarm.rings, 0, "rings");
    },
  },
  {
    name: "alarm: setting a set one moves it, earlier and later",
    async body({ client: { clock }, client }) {
      const baseMs = clock.now();
      const [later, earlier] = [new TestAlarm(clock), new TestAlarm(clock)];
      clock.set(later, baseMs + 10);
      clock.set(later, baseMs + 80);
      clock.set(earlier, baseMs + 60_000);
      clock.set(earlier, baseMs + 10);
      await sleep(client, 40);
      // A real machine may be so busy that the 40 ms took 80.
      if (clock.now() < baseMs + 80) checkEqual(later.rings, 0, "rings of the one moved later, after 40 ms");
      checkEqual(earlier.rings, 1, "rings of the one moved earlier, after 40 ms");
      await sleep(client, 80);
      checkEqual([later.rings, earlier.rings], [1, 1], "rings after 120 ms");
      check(later.rangAtMs >= baseMs + 80, "the moved alarm rang early");
    },
  },
  {
    name: "alarm: a ringing one may clear and set others, and itself",
    async body({ client: { clock }, client }) {
      const atMs = clock.now() + 10;
      const victim = new TestAlarm(clock);
      const moved = new TestAlarm(clock);
      const repeating = new TestAlarm(clock, (self) => {
        if (self.rings < 3) clock.set(self, clock.now());
      });
      const first = new TestAlarm(clock, () => {
        clock.clear(victim);
        clock.set(moved, atMs + 60);
      });
      for (const alarm of [first, victim, moved, repeating]) clock.set(alarm, atMs);
      await sleep(client, 40);
      if (clock.now() < atMs + 60) checkEqual(moved.rings, 0, "rings of the moved one after 40 ms");
      await sleep(client, 80);
      checkEqual([first.rings, victim.rings, moved.rings, repeating.rings], [1, 0, 1, 3], "rings after 120 ms");
      check(moved.rangAtMs >= atMs + 60, "the moved alarm rang early");
    },
  },
  {
    name: "alarm: of many, near and far, exactly those not cleared ring",
    body: manyAlarms,
  },
  {
    name: "after: calls back once, and not once cancelled",
    async body({ client: { clock }, client }) {
      const calls: string[] = [];
      clock.after(5, () => calls.push("kept"));
      const cancelled = clock.after(5, () => calls.push("cancelled"));
      clock.after(10, () => calls.push("unref")).unref();
      cancelled.cancel();
      checkEqual(calls, [], "called before after returned");
      await sleep(client, 60);
      cancelled.cancel();
      checkEqual(calls, ["kept", "unref"], "calls");
    },
  },
  {
    name: "defer: runs after all promise jobs, in order",
    async body({ client: { clock } }) {
      const order: string[] = [];
      const done = Promise.withResolvers<void>();
      // From within a promise job, as nearly all of our code runs.
      await Promise.resolve();
      clock.defer(() => order.push("deferred 1"));
      clock.defer(() => {
        order.push("deferred 2");
        clock.defer(done.resolve);
      });
      order.push("turn");
      void (async () => {
        for (let i = 0; i < 50; i++) await Promise.resolve();
        order.push("fifty jobs deep");
      })();
      await done.promise;
      checkEqual(order, ["turn", "fifty jobs deep", "deferred 1", "deferred 2"], "order");
    },
  },
  {
    name: "random: next is in [0, 1), id is 32 hexadecimal digits and new",
    async body({ client: { random } }) {
      let sum = 0;
      for (let i = 0; i < 10_000; i++) {
        const value = random.next();
        check(value >= 0 && value < 1, `next() gave ${value}`);
        sum += value;
      }
      check(sum > 4_700 && sum < 5_300, `10 000 numbers have the mean ${sum / 10_000}`);
      const ids = new Set(Array.from({ length: 1_000 }, () => random.id()));
      checkEqual(ids.size, 1_000, "different ids of 1000");
      for (const id of ids) check(/^[0-9a-f]{32}$/.test(id), `id() gave ${id}`);
    },
  },
];

async function manyAlarms({ client: { clock, random }, client }: RuntimeHarness): Promise<void> {
  const baseMs = clock.now();
  let early = 0;
  const alarms = Array.from({ length: 20_000 }, () => new TestAlarm(clock, (alarm) => {
    if (alarm.rangAtMs < alarm.ringsAtMs) early++;
  }));
  const isNear = alarms.map((alarm) => {
    const near = random.next() < 0.5;
    clock.set(alarm, baseMs + (near ? random.next() * 700 : 600_000 + random.next() * 1e7));
    return near;
  });
  const isCleared = alarms.map((alarm) => {
    const cleared = random.next() < 0.5;
    if (cleared) clock.clear(alarm);
    return cleared;
  });
  await sleep(client, 750);
  checkEqual(early, 0, "alarms that rang early");
  for (const [i, alarm] of alarms.entries()) {
    const wanted = isNear[i] === true && isCleared[i] === false ? 1 : 0;
    if (alarm.rings !== wanted) throw new Error(`alarm ${i} rang ${alarm.rings} times, expected ${wanted}`);
    clock.clear(alarm);
  }
}
