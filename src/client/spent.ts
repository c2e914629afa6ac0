/**
 * What a call's time went into, said by the errors of those whose deadline passed: waiting for discovery and for a
 * connection, earlier attempts, the way there and back, the server; and how late this process ran meanwhile.
 */
import type { Context } from "../core/context.ts";
import type { RpcError, Spent } from "../core/error.ts";
import type { Load } from "../core/load.ts";

/** What an endpoint knows beside the call. */
export interface SpentBy {
  readonly load: Pick<Load, "pingMs" | "leastRoundTripMs">;
  /** When anything last came from the server; -Infinity before. Clock milliseconds. */
  readonly heardAtMs: number;
  /** How late the event loop ran when it was last looked at. */
  readonly loopLagMs: number;
}

/** An attempt's time, in clock milliseconds. */
interface Span {
  readonly startedMs: number;
  readonly endedMs: number;
}

/**
 * Adds to a deadline's error where the time of its call went. Once: who passes it on adds nothing. What a server said
 * is told in its own words: of its errors, `spent` alone tells.
 */
export function tellSpent(error: RpcError, context: Context, span: Span, by: SpentBy): void {
  if (error.spent !== undefined) return;
  const spent = spentOf(error, context, span, by);
  error.spent = spent;
  if (error.remote) return;
  const silence = by.heardAtMs < span.startedMs ? ", from which nothing came meanwhile" : "";
  error.message += `; ${spentText(spent, silence)}`;
}

/** `203.1 ms went into connect 12.0 ms, network 1.1 ms, server 190.0 ms; the event loop was 0.2 ms late`. */
export function spentText({ totalMs, ms, loopLagMs }: Spent, remark = ""): string {
  const parts = Object.entries(ms).map(([name, partMs]) => `${name} ${partMs.toFixed(1)} ms`);
  return `${totalMs.toFixed(1)} ms went into ${parts.join(", ")}${remark}; ` +
    `the event loop was ${loopLagMs.toFixed(1)} ms late`;
}

function spentOf(error: RpcError, context: Context, { startedMs, endedMs }: Span, by: SpentBy): Spent {
  const { heardAtMs, loopLagMs } = by;
  const { pingMs, leastRoundTripMs } = by.load;
  const roundTripMs = pingMs > 0 ? Math.min(pingMs, leastRoundTripMs) : leastRoundTripMs;
  const callMs = context.callStartedMs;
  const { trace } = context;
  const resolveMs = trace?.spentMs("resolve") ?? 0;
  const connectMs = trace?.spentMs("connect") ?? 0;
  const beforeMs = Math.max(0, startedMs - callMs - resolveMs - connectMs);
  const attemptMs = Math.max(0, endedMs - startedMs);
  const ms: Record<string, number> = {};
  if (resolveMs > 0) ms["resolve"] = resolveMs;
  if (connectMs > 0) ms["connect"] = connectMs;
  if (context.attempt > 0) ms["earlier attempts"] = beforeMs;
  else if (beforeMs > 0) ms["pick"] = beforeMs;
  if (error.phase === "queue") {
    ms["queue"] = attemptMs;
  } else if (heardAtMs < startedMs || !(roundTripMs > 0 && roundTripMs < Infinity)) {
    // Of silence nobody can say whether it is the server's or the way's.
    ms["network and server"] = attemptMs;
  } else {
    ms["network"] = Math.min(roundTripMs, attemptMs);
    ms["server"] = Math.max(0, attemptMs - roundTripMs);
  }
  // The deadline itself rings late if anything does; of a failure that the server told of, it says nothing.
  const lateMs = error.remote || context.deadline === Infinity ? 0 : Math.max(0, endedMs - context.deadline);
  return { totalMs: Math.max(0, endedMs - callMs), ms, loopLagMs: Math.max(loopLagMs, lateMs) };
}
