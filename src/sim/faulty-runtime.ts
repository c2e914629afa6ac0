/**
 * A faulty Runtime is one whose clock can be made to jump, and whose random source can be made to repeat itself.
 *
 * Virtual machines that are moved, resumed or corrected do that; whatever runs on the Runtime must survive it.
 */
import type { Alarm } from "../core/alarm.ts";
import { CallbackAlarm } from "../core/callback-alarm.ts";
import { numberOption } from "../core/option.ts";
import type { Clock, Random, Runtime } from "../core/runtime.ts";
import { programOf, programs } from "../runtime/sim/inside.ts";

export interface FaultyRuntime extends Runtime {
  /** Moves the wall clock, forwards or back: someone set the time. */
  jumpWall(byMs: number): void;
  /** Moves the monotonic clock forwards: alarms that were due within the leap ring at once, in their order. */
  leap(byMs: number): void;
  /** From now on the random source gives its next `length` values again and again; 0 ends it. */
  repeatRandom(length: number): void;
}

/** Wraps a runtime of a simulation. What is given the wrapper feels the faults; others on the host do not. */
export function faultyRuntime(runtime: Runtime): FaultyRuntime {
  const clock = new FaultyClock(runtime.clock);
  const random = faultyRandom(runtime.random);
  const faulty: FaultyRuntime = {
    clock, random: random.random, network: runtime.network,
    jumpWall: (byMs) => clock.jumpWall(byMs),
    leap: (byMs) => clock.leap(numberOption("byMs", byMs, { least: 0, unit: "milliseconds" })),
    repeatRandom: (length) => random.repeat(numberOption("length", length, { least: 0, most: 1e6, whole: true })),
  };
  // The modelled wire knows programs by their runtimes.
  programs.set(faulty, programOf(runtime));
  return faulty;
}

class FaultyClock implements Clock {
  readonly #clock: Clock;
  readonly #set = new Set<Alarm>();
  #aheadMs = 0;
  #wallMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now() + this.#aheadMs;
  }

  wallMs(): number {
    // Never before 1970: no machine's clock is.
    return Math.max(0, this.#clock.wallMs() + this.#aheadMs + this.#wallMs);
  }

  set(alarm: Alarm, atMs: number): void {
    this.#set.add(alarm);
    if (this.#set.size > 100_000) this.#forget();
    this.#clock.set(alarm, atMs - this.#aheadMs);
    alarm.ringsAtMs = atMs;
  }

  clear(alarm: Alarm): void {
    this.#set.delete(alarm);
    this.#clock.clear(alarm);
  }

  after(delayMs: number, callback: () => void): CallbackAlarm {
    const alarm = new CallbackAlarm(this, callback);
    this.set(alarm, this.now() + delayMs);
    return alarm;
  }

  defer(callback: () => void): void {
    this.#clock.defer(callback);
  }

  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  leap(byMs: number): void {
    this.#forget();
    const waiting = [...this.#set].sort((a, b) => a.ringsAtMs - b.ringsAtMs);
    this.#aheadMs += byMs;
    for (const alarm of waiting) {
      const { ringsAtMs } = alarm;
      this.#clock.set(alarm, ringsAtMs - this.#aheadMs);
      alarm.ringsAtMs = ringsAtMs;
    }
  }

  /** Alarms that have rung are of no concern any more. */
  #forget(): void {
    for (const alarm of this.#set) if (!alarm.isSet) this.#set.delete(alarm);
  }
}

function faultyRandom(random: Random): { readonly random: Random; repeat(length: number): void } {
  let length = 0;
  let [numbers, ids]: [number[], string[]] = [[], []];
  let [nextNumber, nextId] = [0, 0];
  const from = <T>(kept: T[], index: number, draw: () => T): T => {
    if (kept.length < length) kept.push(draw());
    return kept[index % length] as T;
  };
  return {
    repeat(next) {
      length = next;
      [numbers, ids, nextNumber, nextId] = [[], [], 0, 0];
    },
    random: {
      next: () => (length === 0 ? random.next() : from(numbers, nextNumber++, () => random.next())),
      id: () => (length === 0 ? random.id() : from(ids, nextId++, () => random.id())),
    },
  };
}
