/**
 * The default client stack: what stands between a call and the balancer, outermost first.
 *
 * The keys are the roles. Spread another layer over a key to replace it in its place; set it to `undefined`
 * to do without: a layer that is not there costs nothing.
 */
import { automaticKey } from "../core/idempotency-key.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Layer, LayerMaker, Stack } from "../core/service.ts";
import { isPromise } from "../core/service.ts";
import { RpcError } from "../core/error.ts";
import { type HedgeLayer, retry, type RetryBudget, type RetryOptions } from "../resilience/index.ts";

export interface StackOptions {
  readonly observer: Observer;
  /** `false` makes every call a single attempt. */
  readonly retry?: RetryOptions | false | undefined;
  /** Answers calls from what was answered before: `responseCache(...)` of `meridian-rpc/cache`. Default none. */
  readonly cache?: LayerMaker | undefined;
  /** Lets identical calls that are under way share one attempt: `collapse(...)`. Default none. */
  readonly collapse?: LayerMaker | undefined;
  /** Adds credentials to each attempt. */
  readonly credentials?: Layer | undefined;
  /** Makes the hedge layer, over retries with this budget. */
  readonly hedges?: ((budget: RetryBudget | undefined) => HedgeLayer | undefined) | undefined;
}

export function defaultStack(runtime: Runtime, options: StackOptions): Stack {
  const { observer } = options;
  const retries = options.retry === false ? undefined : retry(runtime, { observer, ...options.retry });
  return {
    // Outermost, since a call is what its user sees: all attempts, all waiting. With retries it is they who
    // wait for the end of a call, and a second wait would cost as much as the rest of the stack.
    telemetry: options.retry !== false || options.observer.callEnded === undefined
      ? undefined
      : telemetry(runtime, options.observer),
    // Above retry: every attempt of a call must carry the same key, or the server could not tell a repeat.
    idempotency: idempotencyKeys(runtime),
    // Above retry: what is known already needs no attempt.
    cache: options.cache?.(runtime, options.observer),
    // Below the cache, which knows more; above everything that makes attempts, which callers then share.
    collapse: options.collapse?.(runtime, observer),
    // Above retry, with whose budget it shares: a further attempt of a call that is out is never itself repeated, and
    // retry asks it what becomes of a first attempt that failed while others are out.
    hedge: options.hedges?.(retries?.budget),
    // Innermost: each attempt picks anew, and the balancer below avoids the endpoints that failed.
    retry: retries,
    // Below retry: an attempt that is made later may need another token.
    credentials: options.credentials,
  };
}

/** Tells the observer how each call ended and how long it took. */
export function telemetry(runtime: Pick<Runtime, "clock">, observer: Observer): Layer {
  const { clock } = runtime;
  return (next) => (request, context) => {
    const { startedMs } = context;
    let answer: unknown;
    try {
      answer = next(request, context);
    } catch (error) {
      observer.callEnded?.(context, clock.now() - startedMs, RpcError.from(error));
      throw error;
    }
    if (!isPromise(answer)) return answer;
    return answer.then((value) => {
      observer.callEnded?.(context, clock.now() - startedMs, undefined);
      return value;
    }, (error: unknown) => {
      observer.callEnded?.(context, clock.now() - startedMs, RpcError.from(error));
      throw error;
    });
  };
}

/**
 * Gives every call of a keyed method an idempotency key, unless its caller named one. It says when the call was made,
 * by which a server tells a new key from one that it has forgotten.
 */
export function idempotencyKeys(runtime: Pick<Runtime, "clock" | "random">): Layer {
  let keys = 0;
  return (next) => (request, context) =>
    context.method.idempotent === "keyed" && context.idempotencyKey === undefined
      ? next(request, context.with({ idempotencyKey: automaticKey(runtime, keys++) }))
      : next(request, context);
}
