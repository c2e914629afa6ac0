/**
 * Callers' AbortSignals, listened to once a signal rather than once a call: adding and removing a listener
 * costs more than a microsecond, and one signal often governs thousands of calls.
 */
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";

const callsBySignal = new WeakMap<AbortSignal, Set<Context>>();

/** Cancels `context` when `signal` aborts. {@link forget} it when the call has ended. */
export function follow(signal: AbortSignal, context: Context): void {
  if (signal.aborted) {
    context.cancel(reasonOf(signal));
    return;
  }
  let calls = callsBySignal.get(signal);
  if (calls === undefined) {
    const following = new Set<Context>();
    callsBySignal.set(signal, calls = following);
    signal.addEventListener("abort", () => {
      const reason = reasonOf(signal);
      for (const one of following) one.cancel(reason);
      following.clear();
    }, { once: true });
  }
  calls.add(context);
}

/** The call is over: its context is held no longer. */
export function forget(signal: AbortSignal, context: Context): void {
  callsBySignal.get(signal)?.delete(context);
}

function reasonOf(signal: AbortSignal): RpcError {
  const { reason } = signal as { reason: unknown };
  if (RpcError.is(reason)) return reason;
  const timedOut = reason instanceof Error && reason.name === "TimeoutError";
  return expected(timedOut ? "deadline_exceeded" : "cancelled",
    timedOut ? "the caller's signal timed out" : "the caller cancelled the call", { cause: reason });
}
