/** `openLoop` makes calls at times that do not depend on how earlier ones fare: Poisson arrivals, at a varying rate. */
import { RpcError } from "../core/error.ts";
import { badOption, numberOption } from "../core/option.ts";
import { Happening } from "../runtime/sim/agenda.ts";
import { worldOf } from "../runtime/sim/inside.ts";
import type { World } from "../runtime/sim/world.ts";
import { Figures, type FigureOptions } from "./figures.ts";
import type { SimulatedWorld } from "./world.ts";

/** Calls a second over time. */
export interface Rate {
  /** At a time of the simulation, in milliseconds. */
  at(ms: number): number;
  /** What `at` never exceeds. */
  readonly most: number;
}

/** Changes at the given times: `[[0, 100], [10_000, 200]]` is 100 a second, and 200 from 10 s on. */
export function steps(changes: readonly (readonly [fromMs: number, perSecond: number])[]): Rate {
  changes.forEach(([fromMs, perSecond], i) => {
    numberOption("perSecond", perSecond, { least: 0 });
    if (i > 0 && fromMs < (changes[i - 1]?.[0] ?? 0)) throw badOption("fromMs", fromMs, "times must grow");
  });
  return {
    most: Math.max(0, ...changes.map(([, perSecond]) => perSecond)),
    at(ms) {
      let rate = 0;
      for (const [fromMs, perSecond] of changes) {
        if (ms < fromMs) break;
        rate = perSecond;
      }
      return rate;
    },
  };
}

/** `base`, and `peak` for `forMs` out of every `everyMs`, beginning with the base. */
export function bursts(base: number, peak: number, everyMs: number, forMs: number): Rate {
  numberOption("base", base, { least: 0 });
  numberOption("peak", peak, { least: 0 });
  numberOption("everyMs", everyMs, { least: 1 });
  numberOption("forMs", forMs, { least: 0, most: everyMs });
  return { most: Math.max(base, peak), at: (ms) => (ms % everyMs >= everyMs - forMs ? peak : base) };
}

/** A day's wave: `mean` with a swing of `share` of it, least at time 0. */
export function diurnal(mean: number, share: number, periodMs = 86_400_000): Rate {
  numberOption("mean", mean, { least: 0 });
  numberOption("share", share, { least: 0, most: 1 });
  numberOption("periodMs", periodMs, { least: 1 });
  return {
    most: mean * (1 + share),
    at: (ms) => mean * (1 - share * Math.cos(2 * Math.PI * ms / periodMs)),
  };
}

export interface OpenLoopOptions extends FigureOptions {
  /** Its chance, and what it is called. Default `load`. Two workloads of one world need two names. */
  readonly name?: string | undefined;
  /** Calls a second. */
  readonly rate: number | Rate;
  /** First and last time at which a call may be due, in milliseconds. */
  readonly beginMs?: number | undefined;
  readonly untilMs: number;
  /** `poisson`, the default, or evenly `paced`. */
  readonly arrivals?: "poisson" | "paced" | undefined;
  /** Makes one call. What it throws or rejects with is its failure. */
  readonly call: (index: number, dueMs: number) => unknown;
  /** At which failures are counted, in milliseconds after a call was due. Default: when they happen. */
  readonly deadlineMs?: number | undefined;
  /** Where the outcomes are counted: several workloads may share it. Default: figures of its own. */
  readonly figures?: Figures | undefined;
  /** Hears how each call ended. */
  readonly ended?: ((index: number, dueMs: number, endedMs: number, error: RpcError | undefined) => void) | undefined;
}

export interface Workload {
  readonly figures: Figures;
  /** Calls that have not ended. */
  readonly pending: number;
  /** No more calls from now on. */
  stop(): void;
}

/** Begins to call when its time comes: from the next `run` of the world on. */
export function openLoop(world: SimulatedWorld, options: OpenLoopOptions): Workload {
  const rate: Rate = typeof options.rate === "number"
    ? steps([[0, options.rate]])
    : options.rate;
  numberOption("untilMs", options.untilMs, { least: options.beginMs ?? 0, unit: "milliseconds" });
  const figures = options.figures ?? new Figures(options);
  const loop = new Loop(world, worldOf(world), rate, figures, options);
  loop.begin(Math.max(world.nowMs, options.beginMs ?? 0));
  return loop;
}

class Loop extends Happening implements Workload {
  readonly figures: Figures;
  pending = 0;
  readonly #inside: World;
  readonly #rate: Rate;
  readonly #options: OpenLoopOptions;
  readonly #random: { next(): number };
  readonly #deadlineMs: number;
  #index = 0;
  #isStopped = false;
  #dueMs = 0;

  constructor(world: SimulatedWorld, inside: World, rate: Rate, figures: Figures, options: OpenLoopOptions) {
    super();
    this.#inside = inside;
    this.#rate = rate;
    this.#options = options;
    this.#random = world.chance(`workload ${options.name ?? "load"}`);
    this.#deadlineMs = options.deadlineMs ?? Infinity;
    this.figures = figures;
  }

  begin(fromMs: number): void {
    this.#dueMs = fromMs;
    this.#planNext();
  }

  stop(): void {
    this.#isStopped = true;
    this.#inside.agenda.callOff(this);
  }

  /** The next arrival: of a varying rate, those of the highest rate are thinned out. */
  #planNext(): void {
    const { most } = this.#rate;
    const { untilMs, arrivals } = this.#options;
    if (most <= 0) return;
    let atMs = this.#dueMs;
    if (arrivals === "paced") {
      // Where nothing is due for a while, it looks again a hundred times a second.
      for (let rate = this.#rate.at(atMs); ; rate = this.#rate.at(atMs)) {
        atMs += rate > 0 ? 1_000 / rate : 10;
        if (rate > 0 || atMs > untilMs) break;
      }
    } else {
      do atMs += -Math.log(1 - this.#random.next()) * 1_000 / most;
      while (atMs <= untilMs && this.#random.next() * most >= this.#rate.at(atMs));
    }
    if (atMs > untilMs || this.#isStopped) return;
    this.#dueMs = atMs;
    this.#inside.agenda.plan(this, atMs);
  }

  happen(): void {
    const inside = this.#inside;
    const dueMs = this.#dueMs;
    inside.digest.foldNumber(dueMs);
    inside.isTouched = true;
    this.#planNext();
    const index = this.#index++;
    this.pending++;
    this.figures.begun(dueMs);
    let answer: unknown;
    try {
      answer = this.#options.call(index, dueMs);
    } catch (error) {
      this.#ended(index, dueMs, RpcError.from(error));
      return;
    }
    Promise.resolve(answer).then(
      () => this.#ended(index, dueMs, undefined),
      (error: unknown) => this.#ended(index, dueMs, RpcError.from(error)),
    );
  }

  #ended(index: number, dueMs: number, error: RpcError | undefined): void {
    const { nowMs } = this.#inside.agenda;
    this.pending--;
    this.figures.ended(dueMs, nowMs, error, dueMs + this.#deadlineMs);
    this.#options.ended?.(index, dueMs, nowMs, error);
  }
}
