/**
 * The AIMD limit: one more while all goes well and the limit is used, a tenth less at every call lost.
 *
 * Additive increase, multiplicative decrease (Chiu and Jain, 1989) as Netflix's concurrency-limits has it: it knows
 * nothing of latency but a bound beyond which a call counts as lost. The right one where the server itself says no.
 */
import { numberOption } from "../core/index.ts";
import { type ConcurrencyLimit, type LimitBounds, limitBounds } from "./limit.ts";

export interface AimdOptions extends LimitBounds {
  /** What is left of the limit when a call is lost, 0.5 to below 1. Default 0.9. */
  readonly backoff?: number;
  /** A call that takes longer counts as lost, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
}

/** Makes an AIMD limit. Bounds default to 20, 20 and 200. */
export function aimdLimit(options: AimdOptions = {}): ConcurrencyLimit {
  const { initial, floor, ceiling } = limitBounds(options, { initial: 20, floor: 20, ceiling: 200 });
  const backoff = numberOption("backoff", options.backoff ?? 0.9, { least: 0.5, most: 0.999 });
  const timeoutMs = numberOption("timeoutMs", options.timeoutMs ?? 5_000, { least: 1, unit: "milliseconds" });
  let limit = initial;
  let why = "initial";
  return {
    get limit() {
      return limit;
    },
    get why() {
      return why;
    },
    ended({ latencyMs, inFlight, lost }) {
      if (lost || latencyMs > timeoutMs) {
        const lower = Math.max(floor, Math.floor(limit * backoff));
        if (lower !== limit) why = lost ? "a call was lost" : `a call took more than ${timeoutMs} ms`;
        limit = lower;
      } else if (inFlight * 2 >= limit && limit < ceiling) {
        limit++;
        why = "used, and no call was lost";
      }
    },
  };
}
