/** What a keyed call is refused with, and how its caller tells an unknown outcome from every other end. */
import { type Context, expected, RpcError } from "../core/index.ts";

/** Trailing metadata of the refusals here: `unknown`, `reused` or `running`. It crosses every wire. */
export const outcomeName = "idempotency-outcome";

/**
 * Whether a call ended without anybody knowing whether its effect came about: it ran, or may have, and how it ended is
 * not on record. It is never run again under its key; look at the state itself to learn what is so.
 */
export function isOutcomeUnknown(error: unknown): error is RpcError {
  return RpcError.is(error) && (error.reason === "OutcomeUnknown" || error.metadata?.[outcomeName] === "unknown");
}

/** The outcome is not known. Never retried: no attempt can learn it. */
export function outcomeUnknown(context: Context, why: string): RpcError {
  mark(context, "unknown");
  return expected("unknown", `the outcome of ${context.method.path} is unknown, and it is not run again: ${why}`,
    { reason: "OutcomeUnknown", retryable: false, phase: "server" });
}

/** One key for two requests: HTTP's 422 in the IETF's draft. */
export function keyReused(context: Context, method: string): RpcError {
  mark(context, "reused");
  const what = method === context.method.path ? "another request" : `a call of ${method}`;
  return expected("invalid_argument", `the idempotency key was used for ${what} before: every call needs a key of ` +
    "its own, which only its repeats share", { reason: "IdempotencyKeyReused", retryable: false, phase: "server" });
}

/** The first call still runs: HTTP's 409 in the IETF's draft. */
export function stillRunning(context: Context, waitedMs: number): RpcError {
  mark(context, "running");
  return expected("aborted", `the first call with this idempotency key still runs after ${Math.round(waitedMs)} ms; ` +
    "ask again under the same key", { reason: "StillRunning", retryable: true, retryAfterMs: 100, phase: "server" });
}

/** A mark that does not fit beside the handler's own metadata is left out: the message says it too. */
function mark(context: Context, outcome: string): void {
  try {
    context.setTrailer(outcomeName, outcome);
  } catch {
    // The reply's metadata are full.
  }
}
