/**
 * Retry repeats an attempt that may be repeated: elsewhere first, within the deadline, within a budget.
 *
 * An attempt may be repeated if it certainly never started, or if its failure is retryable and the method
 * bears a repeat. Semantics of gRFC A6 (backoff, push-back, a cap of five attempts) with Finagle's budget.
 *
 * Over several tiers attempts add up and do not multiply: a call made for a repeat has as many attempts less, and a
 * tier whose budget is spent tells those that it works for not to repeat either (push-back; Finagle's NonRetryable).
 * A call that succeeds pays a counter and one `then`.
 */
import {
  type Clock, type Code, type Context, isAttempts, isPromise, type Layer, mayHaveRun, type MethodInfo, notAgain,
  numberOption, type Observer, type Recovery, RpcError, type Runtime, type Service,
} from "../core/index.ts";
import { backoff, type BackoffOptions } from "./backoff.ts";
import { pause } from "./pause.ts";
import { retryBudget, type RetryBudget, type RetryBudgetOptions } from "./retry-budget.ts";
import { isAsyncIterable, type Next, retriedStream, watched } from "./retry-stream.ts";

export interface RetryOptions {
  /** Attempts in all, the first included. Default 3, at most 5. */
  readonly maxAttempts?: number;
  /** Codes that are retried although the error does not say that it is retryable. Default none. */
  readonly codes?: readonly Code[];
  /** Waits from the second retry on; the first goes to another endpoint at once. */
  readonly backoff?: BackoffOptions;
  /** A retry is not begun with less time left than this, in milliseconds. Default 1. */
  readonly minAttemptMs?: number;
  /** The same by method, for a client that knows how long an attempt takes. Default: `minAttemptMs` for all. */
  readonly attemptMs?: ((method: MethodInfo) => number) | undefined;
  /** What single methods have of their own: asked when an attempt has failed, so that it may change meanwhile. */
  readonly byMethod?: ((method: MethodInfo) => MethodRetry | undefined) | undefined;
  /** Settings of the layer's own budget, or a budget shared with other layers. */
  readonly budget?: RetryBudgetOptions | RetryBudget;
  /** Whose budget a failure draws on. Default: the region of the endpoint that failed. */
  readonly budgetKey?: (error: RpcError) => string;
  /**
   * Hears `retry.attempt` and `retry.budget.empty`, and `callEnded` with all attempts of a call behind it: the
   * one place that waits for the end of a call anyway.
   */
  readonly observer?: Observer | undefined;
}

/** What repeats of one method differ in. */
export interface MethodRetry {
  /** Attempts in all, from 1 to 5. Default the layer's. */
  readonly maxAttempts?: number | undefined;
  /** In place of the layer's codes. */
  readonly codes?: readonly Code[] | undefined;
  /** False: what may have run is not repeated, whatever the contract says. */
  readonly repeats?: boolean | undefined;
}

/** The layer, and the budget it keeps, whose counters say how much calls were amplified. */
export interface RetryLayer extends Layer {
  readonly budget: RetryBudget;
}

/** Most attempts a call ever makes, whatever the options say (gRFC A6). */
const attemptLimit = 5;

/** Hears of a call's end, which is now where no time is named. */
type Ended = (context: Context, error: unknown, endedMs?: number) => void;

interface Policy {
  readonly runtime: Pick<Runtime, "clock" | "random">;
  readonly maxAttempts: number;
  readonly codes: readonly Code[];
  readonly leastMs: (method: MethodInfo) => number;
  readonly waitMs: (retry: number) => number;
  readonly budget: RetryBudget;
  readonly budgetKey: (error: RpcError) => string;
  readonly observer: Observer | undefined;
  readonly byMethod: RetryOptions["byMethod"];
  ended: Ended | undefined;
}

/** Makes the retry layer. The error that ends a call is that of its last attempt. */
export function retry(runtime: Pick<Runtime, "clock" | "random">, options: RetryOptions = {}): RetryLayer {
  const policy: Policy = {
    runtime,
    // More than five are read as five, as gRPC reads them.
    maxAttempts: Math.min(attemptLimit, numberOption("maxAttempts", options.maxAttempts ?? 3,
      { least: 1, whole: true, unit: "attempts" })),
    codes: options.codes ?? [],
    leastMs: leastTime(options),
    waitMs: backoff(runtime.random, options.backoff),
    budget: isBudget(options.budget) ? options.budget : retryBudget(runtime.clock, options.budget),
    budgetKey: options.budgetKey ?? ((error) => error.region ?? ""),
    observer: options.observer,
    byMethod: options.byMethod,
    ended: reporting(runtime.clock, options.observer),
  };
  const { budget } = policy;
  if (budget.succeeded !== undefined) policy.ended = paying(budget, policy.ended);
  const layer: Layer = (next) => over(policy, next);
  return Object.assign(layer, { budget });
}

function over(policy: Policy, next: Service): Service {
  const { budget } = policy;
  const recovery = isAttempts(next) ? recoveryOf(policy, next) : undefined;
  return (request, context) => {
    // A further attempt of a call that is out already is neither a call of its own nor repeated by itself.
    if (context.hedged) return next(request, context);
    budget.began(context.startedMs);
    if (context.method.kind !== "unary") return streamed(policy, next, request, context);
    let answer: unknown;
    try {
      answer = next(request, context);
    } catch (error) {
      return again(policy, next, request, context, error);
    }
    if (!isPromise(answer)) {
      policy.ended?.(context, undefined);
      return answer;
    }
    // A connection's own promise: it asks us itself when the attempt has failed.
    if (recovery !== undefined && context.answer === answer) {
      context.request = request;
      context.recovery = recovery;
      return answer;
    }
    const { ended } = policy;
    const failed = (error: unknown) => again(policy, next, request, context, error);
    if (ended === undefined) return answer.then(undefined, failed);
    return answer.then((value) => {
      ended(context, undefined);
      return value;
    }, failed);
  };
}

/** What goes on after a first attempt without a promise handler of our own. */
function recoveryOf(policy: Policy, next: Service): Recovery {
  return {
    answered: (context, endedMs) => policy.ended?.(context, undefined, endedMs),
    failed: (context, error) => again(policy, next, context.request, context, error),
  };
}

function leastTime({ attemptMs, minAttemptMs }: RetryOptions): (method: MethodInfo) => number {
  const leastMs = numberOption("minAttemptMs", minAttemptMs ?? 1, { least: 0, unit: "milliseconds" });
  return attemptMs === undefined ? () => leastMs : (method) => Math.max(leastMs, attemptMs(method));
}

/** Goes on after a first failure until an attempt succeeds or none may follow. */
async function again(
  policy: Policy, next: Service, request: unknown, context: Context, failure: unknown,
): Promise<unknown> {
  try {
    const answer = await (context.contenders === undefined
      ? repeat(policy, next, request, context, failure)
      : decided(policy, next, request, context, failure));
    policy.ended?.(context, undefined);
    return answer;
  } catch (error) {
    policy.ended?.(context, error);
    throw error;
  }
}

/** Several attempts are out: once all have failed, the call goes on as after so many in turn. */
async function decided(
  policy: Policy, next: Service, request: unknown, context: Context, failure: unknown,
): Promise<unknown> {
  const contenders = context.contenders as NonNullable<Context["contenders"]>;
  let error: unknown;
  try {
    return await contenders.failed(failure);
  } catch (last) {
    error = last;
  }
  const attempt = context.attempt + contenders.attempts - 1;
  return repeat(policy, next, request, context.with({ attempt, avoid: contenders.tried() }), error);
}

async function repeat(
  policy: Policy, next: Service, request: unknown, first: Context, failure: unknown,
): Promise<unknown> {
  let context = first;
  let error = failure;
  let retried: string | undefined;
  /** Of attempts before the last: of several at once nobody says. */
  let ran = first.contenders !== undefined;
  for (;;) {
    const key = RpcError.is(error) ? policy.budgetKey(error) : "";
    if (retried !== undefined && saysDown(error)) policy.budget.retryFailed(retried, isCritical(context));
    const further = await nextAttempt(policy, context, error, key);
    if (further === undefined || RpcError.is(further)) {
      const last = further ?? error;
      throw ran && RpcError.is(last) && last.neverStarted ? mayHaveRun(last) : last;
    }
    ran ||= !RpcError.is(error) || !error.neverStarted;
    context = further;
    retried = key;
    try {
      return await next(request, context);
    } catch (another) {
      error = another;
    }
  }
}

/**
 * Decides on a further attempt and waits until it is due. Undefined means no: the error stands; an error means no, and
 * stands in its place. Rejects if the call is cancelled meanwhile.
 */
function nextAttempt(
  policy: Policy, context: Context, error: unknown, key: string,
): Next | Promise<Next> {
  if (!RpcError.is(error)) return undefined;
  const own = policy.byMethod?.(context.method);
  if (isRepeatable(policy, error, own)) policy.budget.attemptFailed?.(key);
  if (!mayRepeat(policy, context, error, own)) return undefined;
  const { clock } = policy.runtime;
  const retryNumber = context.attempt + 1;
  const waitMs = error.retryAfterMs ?? (retryNumber === 1 ? 0 : policy.waitMs(retryNumber - 1));
  if (context.deadline - clock.now() - waitMs < policy.leastMs(context.method)) return undefined;
  if (!isTransparent(error, retryNumber) && !policy.budget.withdraw(key, isCritical(context), isShed(error))) {
    policy.observer?.event?.("retry.budget.empty", { method: context.method.path, key, code: error.code });
    // Nearest to what fails a repeat costs least: who has none left there is not helped by one from further up. (A
    // gateway has callers who may go around it, to another region: it leaves them that.)
    return context.caller === undefined ? undefined : notAgain(error);
  }
  policy.observer?.event?.("retry.attempt",
    { method: context.method.path, attempt: retryNumber, key, code: error.code, waitMs });
  const child = context.with({
    attempt: retryNumber,
    startedMs: clock.now(),
    avoid: error.candidate === undefined ? context.avoid : [...context.avoid, error.candidate],
  });
  return waitMs <= 0 ? child : pause(clock, waitMs, context).then(() => child.with({ startedMs: clock.now() }));
}

/**
 * Whether the peer's transport handed the call back unseen (HTTP/2's GOAWAY and REFUSED_STREAM): no attempt of ours was
 * spent on it, so the first repeat draws on no budget (transparent retry, gRFC A6).
 */
function isTransparent(error: RpcError, retryNumber: number): boolean {
  return retryNumber === 1 && error.neverStarted && error.remote && error.phase !== "server";
}

/** Whether the error is of a kind that is repeated, whatever the call. */
function isRepeatable(policy: Policy, error: RpcError, own: MethodRetry | undefined): boolean {
  return error.retryable || error.neverStarted || (own?.codes ?? policy.codes).includes(error.code);
}

function mayRepeat(policy: Policy, context: Context, error: RpcError, own: MethodRetry | undefined): boolean {
  const attempts = context.priorAttempts + context.attempt + 1;
  const most = own?.maxAttempts === undefined ? policy.maxAttempts : Math.min(attemptLimit, own.maxAttempts);
  if (attempts >= most || context.cancelReason !== undefined) return false;
  // Push-back: a server that says "never" is obeyed (gRFC A6); one that talks nonsense said "never".
  if (error.retryAfterMs !== undefined && !(error.retryAfterMs >= 0)) return false;
  // What never started may be repeated, unless it was refused here because no attempt is worth making.
  if (error.neverStarted) return error.retryable || error.remote;
  if (own?.repeats === false) return false;
  if (!error.retryable && !(own?.codes ?? policy.codes).includes(error.code)) return false;
  const { idempotent } = context.method;
  return idempotent === true || (idempotent === "keyed" && context.idempotencyKey !== undefined);
}

/**
 * A stream may be repeated until its first item is out. Where the caller streams as well, only an attempt
 * that never started is repeated, and only if nobody has begun to read the caller's items.
 */
function streamed(policy: Policy, next: Service, request: unknown, context: Context): unknown {
  const sends = context.method.kind !== "server_stream" && isAsyncIterable(request);
  const items = sends ? watched(request) : undefined;
  const decide = (failed: Context, error: unknown, retriedKey: string | undefined) => {
    if (retriedKey !== undefined && saysDown(error)) policy.budget.retryFailed(retriedKey, isCritical(failed));
    if (items !== undefined && (items.touched || !(RpcError.is(error) && error.neverStarted))) return undefined;
    return nextAttempt(policy, failed, error, keyOf(policy, error));
  };
  const key = (error: unknown) => keyOf(policy, error);
  const { ended } = policy;
  return retriedStream(next, items ?? request, context, decide, {
    keyOf: key, ended: ended === undefined ? undefined : (error) => ended(context, error),
  });
}

/** Tells a budget that wants to know of calls that succeed. */
function paying(budget: RetryBudget, ended: Policy["ended"]): Policy["ended"] {
  return (context, error, endedMs) => {
    if (error === undefined) budget.succeeded?.();
    ended?.(context, error, endedMs);
  };
}

function reporting(clock: Clock, observer: Observer | undefined): Policy["ended"] {
  if (observer?.callEnded === undefined) return undefined;
  return (context, error, endedMs = clock.now()) => {
    const failure = error === undefined ? undefined : RpcError.from(error);
    observer.callEnded?.(context, endedMs - context.startedMs, failure);
  };
}

/** Whether a failure speaks of the place it was tried at, not of the call: then the retry was in vain. */
function saysDown(error: unknown): boolean {
  return RpcError.is(error) && (error.retryable || error.neverStarted);
}

/** Whether there was no room for a call: nor is there elsewhere, as a rule. */
function isShed(error: RpcError): boolean {
  return error.neverStarted && error.code === "resource_exhausted";
}

function isCritical({ method }: Context): boolean {
  return method.criticality === "critical";
}

function keyOf(policy: Policy, error: unknown): string {
  return RpcError.is(error) ? policy.budgetKey(error) : "";
}

function isBudget(budget: RetryBudgetOptions | RetryBudget | undefined): budget is RetryBudget {
  return budget !== undefined && "withdraw" in budget;
}
