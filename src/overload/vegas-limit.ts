/**
 * The Vegas limit: keeps a short queue where calls are worked on, judged by the least latency ever seen there.
 *
 * TCP Vegas (Brakmo and Peterson, 1995) as Netflix's concurrency-limits has it: of a limit L, `queue = ceil(L * (1 -
 * least / latency))`; up to log10 L the limit grows by 6 log10 L, below 3 log10 L by log10 L, above 6 log10 L it
 * falls by log10 L. After 30 L windows, more or less by chance, the least latency is learned anew.
 */
import { numberOption, type Random } from "../core/index.ts";
import { sampleWindow } from "./gradient-limit.ts";
import { between, type ConcurrencyLimit, type LimitBounds, limitBounds } from "./limit.ts";

export interface VegasOptions extends LimitBounds {
  /** Least and most queue that is left as it is, in multiples of log10 of the limit. Default 3 and 6. */
  readonly alpha?: number;
  readonly beta?: number;
  /** After how many times the limit the least latency is learned anew. Default 30. */
  readonly probeEvery?: number;
  /** Least length of a window, in milliseconds; it has ten calls at least too. 0 for every call. Default 100. */
  readonly windowMs?: number;
}

/** Makes a Vegas limit. Bounds default to 20, 1 and 1,000. */
export function vegasLimit({ random }: { readonly random: Random }, options: VegasOptions = {}): ConcurrencyLimit {
  const { initial, floor, ceiling } = limitBounds(options, { initial: 20, floor: 1, ceiling: 1_000 });
  const alpha = numberOption("alpha", options.alpha ?? 3, { least: 0.1, most: 1_000 });
  const beta = numberOption("beta", options.beta ?? Math.max(6, alpha), { least: alpha, most: 1_000 });
  const probeEvery = numberOption("probeEvery", options.probeEvery ?? 30, { least: 1, most: 1_000_000 });
  const windowMs = numberOption("windowMs", options.windowMs ?? 100, { least: 0, unit: "milliseconds" });
  let exact = initial;
  let limit = initial;
  let why = "initial";
  let leastMs = Infinity;
  let untilProbe = 0;
  const window = sampleWindow(windowMs, windowMs === 0 ? 1 : 10);

  const judge = (latencyMs: number, inFlight: number, anyLost: boolean): void => {
    if (untilProbe-- <= 0) {
      untilProbe = probeEvery * exact * (0.5 + random.next() / 2);
      leastMs = latencyMs;
      return;
    }
    if (latencyMs < leastMs) {
      leastMs = latencyMs;
      return;
    }
    const step = Math.max(1, Math.log10(exact));
    const queue = Math.ceil(exact * (1 - leastMs / Math.max(latencyMs, 1e-3)));
    let next = exact;
    if (anyLost) next = exact - step;
    else if (inFlight * 2 < exact) return;
    else if (queue <= step) next = exact + beta * step;
    else if (queue < alpha * step) next = exact + step;
    else if (queue > beta * step) next = exact - step;
    exact = between(next, floor, ceiling);
    const whole = Math.floor(exact);
    if (whole !== limit) {
      why = anyLost
        ? "a call was lost"
        : `a queue of ${queue}: ${latencyMs.toFixed(1)} ms, at the least ${leastMs.toFixed(1)}`;
    }
    limit = whole;
  };
  let lostSince = false;
  return {
    get limit() {
      return limit;
    },
    get why() {
      return why;
    },
    ended({ nowMs, latencyMs, inFlight, lost }) {
      lostSince ||= lost;
      if (window.add(nowMs, latencyMs, inFlight)) {
        judge(window.meanMs, window.mostInFlight, lostSince);
        window.clear(nowMs);
        lostSince = false;
      }
    },
  };
}
