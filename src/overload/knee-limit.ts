/**
 * The knee limit, the default: as many calls at work as keep the server busy, and few more.
 *
 * Beyond the knee of throughput over concurrency another call only waits longer. Calls are compared with what calls
 * of their method take when there is room (so that another mix of methods is no change): `stretch = sum of latencies /
 * sum of expected ones`. By Little's law N calls stretched so much are the work of N / stretch, and the limit becomes
 * `headroom * N / stretch + queue`, as soon as stretch exceeds the tolerance.
 *
 * Latency also rises for reasons that no limit helps against: what the server itself calls became slower. So less
 * than half of what was at work is never allowed on suspicion: a first cut is a trial. Where calls that began after it
 * are the quicker for it, waiting is proven, and the limit may fall to the floor. Where they are not, those before the
 * cut may have been lucky: half as many again are let in, to see whether they are slower. If not, the higher latency is
 * the new normal. What is proven is put to the trial again every few seconds. (The same
 * question as in Uber's Cinnamon, which asks by the covariance of concurrency and throughput, and in BBR's probes.)
 *
 * It begins at its ceiling: nobody is held back on no evidence.
 */
import { numberOption } from "../core/index.ts";
import { between, type ConcurrencyLimit, type LimitBounds, limitBounds, type LimitSample } from "./limit.ts";

export interface KneeOptions extends LimitBounds {
  /** How far latency may be stretched, in multiples of what is expected. Default 2. */
  readonly tolerance?: number;
  /** Calls let in for each that can be worked on, so that none who works must wait for the next. Default 1.5. */
  readonly headroom?: number;
  /** Calls that may wait where they are worked on, beside. Default 3. */
  readonly queue?: number;
  /** Least length of a window, in milliseconds; it has twenty calls too, if they come within ten windows. 100. */
  readonly windowMs?: number;
  /** How often waiting that was proven is put to the trial again, in milliseconds. Default 10,000. */
  readonly retrialMs?: number;
}

const windowCalls = 20;
const leastCalls = 5;
/** Windows after which few calls are enough. */
const patience = 10;
/** So much less must be at work before a trial says anything. */
const fallenTo = 0.85;
/** Share of the fall, or rise, of concurrency that latency must follow to prove that calls wait. */
const follows = 0.3;
/** So many times as many are let in to check a trial that was in vain. */
const raisedTo = 1.5;
/** How soon a new normal is forgotten that the expected latencies do not follow, in milliseconds. */
const normalMs = 20_000;
/** Windows without use or stretch after which nothing is proven any more. */
const calmWindows = 10;

type State =
  | { readonly kind: "free" }
  /** Cut on suspicion at `sinceMs`, when calls were stretched so with so many at work. */
  | { readonly kind: "trial"; readonly sinceMs: number; readonly stretch: number; readonly inFlight: number }
  /** Raised again at `sinceMs`, when calls were stretched so with so many at work: not less than with `before`. */
  | {
    readonly kind: "check"; readonly sinceMs: number; readonly stretch: number; readonly inFlight: number;
    readonly before: number;
  }
  | { readonly kind: "proven"; readonly sinceMs: number };

/** Makes a knee limit. Bounds default to 10,000, 4 and 10,000. */
export function kneeLimit(options: KneeOptions = {}): ConcurrencyLimit {
  return new KneeLimit(options);
}

class KneeLimit implements ConcurrencyLimit {
  limit: number;
  why = "initial";
  readonly #floor: number;
  readonly #ceiling: number;
  readonly #tolerance: number;
  readonly #headroom: number;
  readonly #queue: number;
  readonly #windowMs: number;
  readonly #retrialMs: number;
  #state: State = { kind: "free" };
  /** What latencies are divided by beside what is expected: above 1 while something else makes them longer. */
  #normal = 1;
  #calm = 0;
  #fromMs = -Infinity;
  #calls = 0;
  #latencyMs = 0;
  #expectedMs = 0;
  #inFlight = 0;
  #mostInFlight = 0;

  constructor(options: KneeOptions) {
    const { initial, floor, ceiling } = limitBounds(options, { initial: 10_000, floor: 4, ceiling: 10_000 });
    this.limit = initial;
    this.#floor = floor;
    this.#ceiling = ceiling;
    this.#tolerance = numberOption("tolerance", options.tolerance ?? 2, { least: 1.1, most: 100 });
    this.#headroom = numberOption("headroom", options.headroom ?? 1.5, { least: 1, most: 100 });
    this.#queue = numberOption("queue", options.queue ?? 3, { least: 0, most: 10_000, unit: "calls" });
    this.#windowMs = numberOption("windowMs", options.windowMs ?? 100, { least: 1, unit: "milliseconds" });
    this.#retrialMs = numberOption("retrialMs", options.retrialMs ?? 10_000, { least: 1, unit: "milliseconds" });
  }

  ended({ nowMs, latencyMs, expectedMs, inFlight }: LimitSample): void {
    if (expectedMs <= 0) return;
    const state = this.#state;
    const isTried = state.kind === "trial" || state.kind === "check";
    // Of a trial those tell that began after the cut.
    if (isTried && nowMs - latencyMs < state.sinceMs) return;
    if (this.#fromMs === -Infinity) this.#fromMs = nowMs;
    this.#calls++;
    this.#latencyMs += latencyMs;
    this.#expectedMs += expectedMs;
    this.#inFlight += inFlight;
    if (inFlight > this.#mostInFlight) this.#mostInFlight = inFlight;
    const elapsedMs = nowMs - this.#fromMs;
    if (elapsedMs < this.#windowMs || this.#calls < leastCalls) return;
    const enough = isTried ? 4 * windowCalls : windowCalls;
    if (this.#calls < enough && elapsedMs < this.#windowMs * patience) return;
    const most = this.#mostInFlight;
    const stretch = this.#latencyMs / (this.#expectedMs * this.#normal);
    const mean = this.#inFlight / this.#calls;
    this.#fromMs = nowMs;
    this.#calls = this.#latencyMs = this.#expectedMs = this.#inFlight = this.#mostInFlight = 0;
    this.#normal = Math.max(1, this.#normal * Math.exp(-elapsedMs / normalMs));
    this.#judge(nowMs, stretch, mean, most);
  }

  #judge(nowMs: number, stretch: number, inFlight: number, most: number): void {
    const state = this.#state;
    const knee = this.#headroom * inFlight / stretch + this.#queue;
    if (state.kind === "trial" && this.#tried(state, nowMs, stretch, inFlight)) return;
    if (state.kind === "check" && this.#checked(state, nowMs, stretch, inFlight)) return;
    if (stretch <= this.#tolerance) {
      this.#calm = most < this.limit / 2 ? this.#calm + 1 : 0;
      if (this.#calm > calmWindows && this.#state.kind === "proven") this.#state = { kind: "free" };
      // Only what is used grows, and only as far as the same reasoning would let it.
      if (most >= this.limit * 0.9) {
        const grown = Math.min(this.limit * 1.25 + 1, Math.max(this.limit, knee));
        this.#set(grown, `used, and calls take ${times(stretch)}`);
      }
      return;
    }
    this.#calm = 0;
    const why = `calls take ${times(stretch)} with ${inFlight.toFixed(0)} at work`;
    switch (this.#state.kind) {
      case "free": {
        const cut = Math.max(knee, inFlight / 2);
        // Too few at work for a limit to matter.
        if (cut >= this.limit || cut <= this.#floor) return;
        this.#state = { kind: "trial", sinceMs: nowMs, stretch, inFlight };
        this.#set(cut, why);
        return;
      }
      case "check":
        // Has been judged.
        return;
      case "trial":
        // Not yet down to where it would tell.
        this.#set(Math.min(this.limit, Math.max(knee, this.#state.inFlight / 2)), why);
        return;
      case "proven":
        if (nowMs - this.#state.sinceMs > this.#retrialMs) {
          this.#state = { kind: "trial", sinceMs: nowMs, stretch, inFlight };
          this.#set(inFlight / 2, "a trial: are calls quicker for it?");
        } else {
          this.#set((this.limit + knee) / 2, why);
        }
    }
  }

  /** Judges a trial. True where the limit was set anew, because it was in vain. */
  #tried(
    trial: Extract<State, { kind: "trial" }>, nowMs: number, stretch: number, inFlight: number,
  ): boolean {
    const fall = inFlight / trial.inFlight;
    if (fall > fallenTo) {
      // It fell by itself, or never did: there is nothing to prove.
      if (stretch <= this.#tolerance) this.#state = { kind: "free" };
      return false;
    }
    if (stretch <= trial.stretch * (1 - follows * (1 - fall))) {
      this.#state = { kind: "proven", sinceMs: nowMs };
      return false;
    }
    this.#state = { kind: "check", sinceMs: nowMs, stretch, inFlight, before: trial.inFlight };
    this.#set(Math.max(this.limit, trial.inFlight, inFlight * raisedTo),
      `fewer calls at work were no quicker (${times(stretch)}): are more of them slower?`);
    return true;
  }

  /** Judges a check. True where the limit was set anew. */
  #checked(
    check: Extract<State, { kind: "check" }>, nowMs: number, stretch: number, inFlight: number,
  ): boolean {
    const rise = inFlight / check.inFlight;
    if (rise * fallenTo < 1) {
      // No more came: it does not matter now.
      this.#state = { kind: "free" };
      return false;
    }
    if (stretch >= check.stretch * (1 + follows * (rise - 1))) {
      this.#state = { kind: "proven", sinceMs: nowMs };
      this.#set(this.#headroom * inFlight / stretch + this.#queue, `calls take ${times(stretch)} with ` +
        `${inFlight.toFixed(0)} at work, ${times(check.stretch)} with ${check.inFlight.toFixed(0)}`);
      return true;
    }
    this.#state = { kind: "free" };
    this.#normal *= Math.max(1, stretch);
    this.#set(Math.max(this.limit, check.before * 2), `fewer calls at work were no quicker, nor more of them slower: ` +
      `${times(stretch)} is the new normal`);
    return true;
  }

  #set(limit: number, why: string): void {
    const next = Math.round(between(limit, this.#floor, this.#ceiling));
    if (next === this.limit) return;
    this.limit = next;
    this.why = why;
  }
}

function times(stretch: number): string {
  return `${stretch.toFixed(2)} times what is expected`;
}
