/**
 * `toPrimary` sends a client's calls to whichever member leads, and repeats what was not done until the deadline.
 *
 * Any member tells where the primary is by the trailer `meridian-primary`; until one has told, all are tried in turn.
 * It takes the place of the retry layer: a promotion takes longer than a few attempts, so that what bounds the repeats
 * is the deadline and the pause between them. A call that may have been made is repeated only if its method bears that
 * (`idempotent`), with the same idempotency key, by which the next primary knows it.
 */
import type { ClientOptions } from "../client/create-client.ts";
import type { Context } from "../core/context.ts";
import type { Candidate } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import { numberOption } from "../core/option.ts";
import type { Picker } from "../core/picker.ts";
import type { Runtime } from "../core/runtime.ts";
import { isPromise, type Layer } from "../core/service.ts";
import { pause } from "../resilience/pause.ts";

export interface ToPrimaryOptions {
  /** First and longest pause between two attempts, in milliseconds, of which half is chance. Default 10 and 200. */
  readonly minPauseMs?: number | undefined;
  readonly maxPauseMs?: number | undefined;
  /** An attempt that is silent for so long is given up for another, in milliseconds. Default 2,000. */
  readonly attemptMs?: number | undefined;
}

/** Options of a client, to be spread into them. */
export type ToPrimary = Required<Pick<ClientOptions, "picker" | "stack" | "retry" | "outliers">>;

/** The same as `toPrimary` on another runtime. */
export function toPrimaryOn(runtime: Pick<Runtime, "clock" | "random">, options: ToPrimaryOptions = {}): ToPrimary {
  const minPauseMs = numberOption("minPauseMs", options.minPauseMs ?? 10, { least: 1, unit: "milliseconds" });
  const maxPauseMs = numberOption("maxPauseMs", options.maxPauseMs ?? 200, { least: minPauseMs, unit: "milliseconds" });
  const attemptMs = numberOption("attemptMs", options.attemptMs ?? 2_000, { least: 1, unit: "milliseconds" });
  let primary = "";
  let turn = 0;
  const pick = <C extends Candidate>(candidates: readonly C[]): C | undefined => {
    for (const one of candidates) if (one.address.address === primary) return one;
    return candidates[turn % candidates.length];
  };

  /** Learns from a failure where to go next. */
  function learn(error: RpcError): void {
    const told = error.metadata?.["meridian-primary"];
    if (told !== undefined && told !== primary) primary = told;
    else {
      primary = "";
      turn = (turn + 1) % 0x3fffffff;
    }
  }

  const layer: Layer = (next) => {
    async function again(request: unknown, first: Context, failure: unknown): Promise<unknown> {
      let context = first;
      let error = failure;
      for (let pauseMs = minPauseMs;; pauseMs = Math.min(maxPauseMs, pauseMs * 1.6)) {
        if (!RpcError.is(error) || !mayRepeat(first, error)) throw error;
        const before = primary;
        learn(error);
        // Whoever was told of another primary goes there at once.
        const waitMs = primary !== "" && primary !== before ? 0 : pauseMs * (0.5 + runtime.random.next() / 2);
        if (first.deadline - runtime.clock.now() - waitMs < 1) throw error;
        if (waitMs > 0) await pause(runtime.clock, waitMs, first);
        const nowMs = runtime.clock.now();
        context = first.with({ attempt: context.attempt + 1, startedMs: nowMs,
          deadline: Math.min(first.deadline, nowMs + attemptMs) });
        try {
          return await next(request, context);
        } catch (another) {
          error = another;
        }
      }
    }
    return (request, context) => {
      if (context.method.kind !== "unary") return next(request, context);
      const nowMs = context.startedMs;
      const attempt = context.deadline <= nowMs + attemptMs ? context : context.with({ deadline: nowMs + attemptMs });
      let answer: unknown;
      try {
        answer = next(request, attempt);
      } catch (error) {
        return again(request, context, error);
      }
      return isPromise(answer) ? answer.then(undefined, (error: unknown) => again(request, context, error)) : answer;
    };
  };
  return {
    picker: pick satisfies Picker, retry: false,
    // A backup that says it is none is well.
    outliers: false,
    // Below the keys: every attempt carries the same one.
    stack: ({ telemetry, idempotency, ...rest }) => ({ telemetry, idempotency, toPrimary: layer, ...rest }),
  };
}

function mayRepeat({ method, idempotencyKey, cancelReason }: Context, error: RpcError): boolean {
  if (cancelReason !== undefined || (error.retryAfterMs !== undefined && !(error.retryAfterMs >= 0))) return false;
  if (error.neverStarted) return true;
  if (!error.retryable && error.code !== "deadline_exceeded") return false;
  return method.idempotent === true || (method.idempotent === "keyed" && idempotencyKey !== undefined);
}
