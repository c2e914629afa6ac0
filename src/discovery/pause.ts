/** A wait that ends early when somebody no longer waits. */
import type { Clock } from "../core/runtime.ts";

/** Resolves after so long, or as soon as `signal` aborts. */
export function pauseUnless(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(delayMs, end).unref();
    signal.addEventListener("abort", end, { once: true });
  });
}
