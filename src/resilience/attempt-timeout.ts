/**
 * An attempt timeout gives each attempt less time than the call has, so that one that hangs leaves time for another.
 *
 * It sets no timer: the attempt's context carries the nearer deadline, which whoever carries out the call keeps.
 */
import { type Context, expected, isPromise, type Layer, numberOption, RpcError, type Runtime } from "../core/index.ts";

/**
 * Makes the layer; place it below retry. Only unary calls: a stream may well last longer than its first answer. An
 * attempt that ran out of its own time, while the call has some left, ends with a `deadline_exceeded` that is
 * retryable: its outcome is unknown, so that only a method that bears a repeat is repeated.
 */
export function attemptTimeout(runtime: Pick<Runtime, "clock">, timeoutMs: number): Layer {
  const { clock } = runtime;
  numberOption("timeoutMs", timeoutMs, { least: 0.001, most: 86_400_000, unit: "milliseconds" });
  return (next) => (request, context) => {
    const deadline = context.startedMs + timeoutMs;
    if (deadline >= context.deadline || context.method.kind !== "unary") return next(request, context);
    const ended = (error: unknown): never => {
      throw outOfTime(error, context, timeoutMs);
    };
    try {
      const answer = next(request, context.with({ deadline }));
      return isPromise(answer) ? answer.then(undefined, ended) : answer;
    } catch (error) {
      return ended(error);
    }
  };

  function outOfTime(error: unknown, context: Context, timeoutMs: number): unknown {
    if (!RpcError.is(error) || error.code !== "deadline_exceeded" || error.retryable) return error;
    if (clock.now() >= context.deadline) return error;
    const retryable = expected("deadline_exceeded", `the attempt took longer than ${timeoutMs} ms: ${error.message}`, {
      retryable: true, neverStarted: error.neverStarted, remote: error.remote, phase: error.phase,
      endpoint: error.endpoint, region: error.region, cause: error,
    });
    retryable.candidate = error.candidate;
    return retryable;
  }
}
