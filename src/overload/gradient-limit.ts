/**
 * The gradient limit: as much as latency now is worse than over a long time, so much less.
 *
 * Gradient2 of Netflix's concurrency-limits: `gradient = max(0.5, min(1, tolerance * long / short))`, `limit =
 * 0.8 limit + 0.2 (limit * gradient + queue)`; the long average drifts down while it is more than twice the short.
 * It is given averages over windows, as there (`windowMs`), since single calls tell more of themselves than of load.
 */
import { numberOption } from "../core/index.ts";
import { between, type ConcurrencyLimit, type LimitBounds, limitBounds } from "./limit.ts";

export interface GradientOptions extends LimitBounds {
  /** How much worse than the long average latency may be. Default 1.5. */
  readonly tolerance?: number;
  /** Calls that may queue where they are worked on. Default 4. */
  readonly queue?: number;
  /** Weight of what is new. Default 0.2. */
  readonly smoothing?: number;
  /** Windows of the long average. Default 600. */
  readonly longWindows?: number;
  /** Least length of a window, in milliseconds; it has ten calls at least too. 0 for every call. Default 100. */
  readonly windowMs?: number;
}

const leastCalls = 10;

/** Makes a gradient limit. Bounds default to 20, 20 and 200. */
export function gradientLimit(options: GradientOptions = {}): ConcurrencyLimit {
  const { initial, floor, ceiling } = limitBounds(options, { initial: 20, floor: 20, ceiling: 200 });
  const tolerance = numberOption("tolerance", options.tolerance ?? 1.5, { least: 1, most: 100 });
  const queue = numberOption("queue", options.queue ?? 4, { least: 0, most: 10_000, unit: "calls" });
  const smoothing = numberOption("smoothing", options.smoothing ?? 0.2, { least: 0.001, most: 1 });
  const longWindows = numberOption("longWindows", options.longWindows ?? 600, { least: 1, most: 1_000_000 });
  const windowMs = numberOption("windowMs", options.windowMs ?? 100, { least: 0, unit: "milliseconds" });
  let exact = initial;
  let limit = initial;
  let why = "initial";
  let longMs = 0;
  let windows = 0;
  const window = sampleWindow(windowMs, windowMs === 0 ? 1 : leastCalls);

  const judge = (shortMs: number, inFlight: number): void => {
    windows++;
    // A plain mean at first, so that the first windows do not weigh for ever.
    longMs += (shortMs - longMs) / Math.min(windows, longWindows);
    if (longMs > 2 * shortMs) longMs *= 0.9;
    if (inFlight < exact / 2) return;
    const gradient = between(tolerance * longMs / Math.max(shortMs, 1e-3), 0.5, 1);
    const wanted = exact * gradient + queue;
    exact = between(exact * (1 - smoothing) + wanted * smoothing, floor, ceiling);
    const next = Math.floor(exact);
    if (next !== limit) why = `latency ${shortMs.toFixed(1)} ms against ${longMs.toFixed(1)} over a long time`;
    limit = next;
  };
  return {
    get limit() {
      return limit;
    },
    get why() {
      return why;
    },
    ended({ nowMs, latencyMs, inFlight, lost }) {
      // What was lost took until its deadline: that is no latency of a server's.
      if (lost) return;
      if (window.add(nowMs, latencyMs, inFlight)) {
        judge(window.meanMs, window.mostInFlight);
        window.clear(nowMs);
      }
    },
  };
}

/** Calls gathered until they are enough to judge by. */
export interface SampleWindow {
  readonly meanMs: number;
  readonly leastMs: number;
  readonly mostInFlight: number;
  /** Counts a call; true when the window is full. */
  add(nowMs: number, latencyMs: number, inFlight: number): boolean;
  clear(nowMs: number): void;
}

/** A window of at least `windowMs` and `calls`. */
export function sampleWindow(windowMs: number, calls: number): SampleWindow {
  let fromMs = -Infinity;
  let count = 0;
  let sumMs = 0;
  const window = {
    meanMs: 0, leastMs: Infinity, mostInFlight: 0,
    add(nowMs: number, latencyMs: number, inFlight: number): boolean {
      if (fromMs === -Infinity) fromMs = nowMs;
      count++;
      sumMs += latencyMs;
      if (latencyMs < window.leastMs) window.leastMs = latencyMs;
      if (inFlight > window.mostInFlight) window.mostInFlight = inFlight;
      if (count < calls || nowMs - fromMs < windowMs) return false;
      window.meanMs = sumMs / count;
      return true;
    },
    clear(nowMs: number): void {
      fromMs = nowMs;
      count = sumMs = window.mostInFlight = 0;
      window.leastMs = Infinity;
    },
  };
  return window;
}
