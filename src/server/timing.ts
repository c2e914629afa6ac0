/** Timing tells those who ask why their call took so long how much of it was this server's. */
import { serverTimeTrailer, whyMetadata } from "../core/call-trace.ts";
import type { Context } from "../core/context.ts";
import type { Clock } from "../core/runtime.ts";
import { isPromise, type Layer } from "../core/service.ts";

/**
 * Adds the trailer `meridian-server-ms` to replies and errors of calls that bear the metadata `meridian-why`: the time
 * from here inwards, in milliseconds. Streams are not timed. Calls that do not ask pay one look-up.
 */
export function timing(clock: Clock): Layer {
  return (next) => (request, context) => {
    if (context.metadata[whyMetadata] === undefined || context.method.kind !== "unary") return next(request, context);
    const startedMs = clock.now();
    let answer: unknown;
    try {
      answer = next(request, context);
    } catch (error) {
      tell(clock, startedMs, context);
      throw error;
    }
    if (!isPromise(answer)) {
      tell(clock, startedMs, context);
      return answer;
    }
    return answer.finally(() => tell(clock, startedMs, context));
  };
}

function tell(clock: Clock, startedMs: number, context: Context): void {
  try {
    context.setTrailer(serverTimeTrailer, (clock.now() - startedMs).toFixed(3));
  } catch {
    // The handler's own trailer fills the block: that matters more.
  }
}
