/** What a failure says of the endpoint that it came from. */
import { overtakenReason, type RpcError } from "../core/error.ts";
import { type Load, recordAttempt } from "../core/load.ts";
import type { OutlierMember } from "../health/index.ts";

/** Whether the server had no room for the call, or no time: it says so itself, and did nothing of it. */
export function isShed({ code, neverStarted }: RpcError): boolean {
  return neverStarted && (code === "resource_exhausted" || code === "deadline_exceeded");
}

/** Whether a failure says something about the endpoint, rather than about the request or its caller. */
export function speaksAgainstEndpoint(error: RpcError): boolean {
  switch (error.code) {
    case "unavailable":
    case "deadline_exceeded":
    case "resource_exhausted":
    case "internal":
    case "unknown":
    case "data_loss":
      return true;
    default:
      return false;
  }
}

/** What a failure is recorded with. */
export interface Failing {
  readonly load: Load;
  readonly outlier: OutlierMember | undefined;
}

/**
 * Records an attempt that failed: with the load, and with who looks for outliers. Apart from the endpoint, so that what
 * most attempts pass through there is short.
 */
export function recordFailure(
  { load, outlier }: Failing, startedMs: number, endedMs: number, error: RpcError,
  { isUnary, isSilent }: { readonly isUnary: boolean; readonly isSilent: boolean },
): void {
  const failed = speaksAgainstEndpoint(error);
  const tookMs = endedMs - startedMs;
  // An attempt that we gave up ourselves tells how long it has taken at least, and nothing if that is not long.
  if (error.code !== "cancelled" || tookMs >= load.peakEwmaMs) recordAttempt(load, startedMs, endedMs, failed);
  else load.ended++;
  // Who sheds is well and knows what it can do: kept out, it would leave the others with its share as well. And of
  // silence the heart judges: what it cuts off fails at once, which says nothing beside peers.
  if (error.code === "cancelled" && !error.remote) {
    outlier?.gaveUp(endedMs, isUnary ? tookMs : -1, error.reason === overtakenReason);
  } else if (!(isShed(error) || isSilent)) {
    outlier?.attemptEnded(failed, endedMs, isUnary ? tookMs : -1);
  }
}
