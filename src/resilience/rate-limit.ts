/**
 * A rate limit lets calls through at a rate, for each key apart: a tenant, a caller, a method.
 *
 * The account of each key is a {@link RateLimitStore}'s, in memory or shared between processes. At a server it turns
 * strangers' excess away before it costs anything; at a client it keeps to what a partner allows.
 */
import {
  type Awaitable, badOption, type Context, expected, isPromise, type Layer, numberOption, type Observer, RpcError,
  type Runtime, type Service,
} from "../core/index.ts";
import { memoryRateLimitStore, type Rate, type RateDecision, type RateLimitStore } from "./rate-limit-store.ts";

export interface RateLimitOptions extends Partial<Rate> {
  /** Whose account a call draws on. Default: one for all. An empty key is not limited. At most 256 characters count. */
  readonly key?: ((context: Context, request: unknown) => string) | undefined;
  /** What a call costs. Default 1 token; 0 for nothing. */
  readonly tokens?: ((context: Context, request: unknown) => number) | undefined;
  /** Keys kept in memory. Default 10,000. */
  readonly maxKeys?: number | undefined;
  /** Where accounts are kept, instead of in memory. `perSecond`, `burst` and `maxKeys` are then its own. */
  readonly store?: RateLimitStore | undefined;
  /** What happens while the store fails: calls are let through (default), or refused. */
  readonly whenStoreFails?: "allow" | "refuse" | undefined;
  /** How long a store may take to answer, in milliseconds. Default 100; afterwards it has failed. */
  readonly storeTimeoutMs?: number | undefined;
  /** Hears `ratelimit.refused` and `ratelimit.store.failed`, each at most once a second. */
  readonly observer?: Observer | undefined;
}

const maxKeyChars = 256;

/** Makes the layer. A call too many ends with `resource_exhausted`, never started, with `retryAfterMs`. */
export function rateLimit(runtime: Pick<Runtime, "clock">, options: RateLimitOptions): Layer {
  const { key, tokens, whenStoreFails = "allow", observer } = options;
  const store = storeOf(options);
  const isShared = options.store !== undefined;
  if (whenStoreFails !== "allow" && whenStoreFails !== "refuse") {
    throw badOption("whenStoreFails", whenStoreFails, 'expected "allow" or "refuse"');
  }
  const storeTimeoutMs = numberOption("storeTimeoutMs", options.storeTimeoutMs ?? 100,
    { least: 1, most: 60_000, unit: "milliseconds" });
  const { clock } = runtime;
  const tell = sometimes(runtime, observer);

  function refusal(decision: RateDecision, ofKey: string): RpcError {
    const { retryAfterMs } = decision;
    tell("ratelimit.refused", { key: ofKey.slice(0, 64), retryAfterMs });
    return expected("resource_exhausted", retryAfterMs === Infinity
      ? "the call costs more than the rate limit ever grants at once"
      : `the rate limit is reached: again in ${Math.ceil(retryAfterMs)} ms`,
      { neverStarted: true, phase: "queue", reason: "RATE_LIMITED", retryAfterMs: waitOf(retryAfterMs) });
  }

  function unreachable(error: unknown): void {
    const { message } = RpcError.from(error);
    tell("ratelimit.store.failed", { error: message, so: whenStoreFails });
    if (whenStoreFails === "allow") return;
    throw expected("unavailable", `the rate limit cannot be looked up: ${message}`,
      { neverStarted: true, phase: "queue", cause: error });
  }

  function decide(inner: Service, request: unknown, context: Context, ofKey: string, cost: number): unknown {
    let decision: Awaitable<RateDecision>;
    try {
      decision = store.take(ofKey, cost, isShared ? clock.wallMs() : context.startedMs);
    } catch (error) {
      unreachable(error);
      return inner(request, context);
    }
    if (!isPromise(decision)) {
      if (!decision.allowed) throw refusal(decision, ofKey);
      return inner(request, context);
    }
    const decided = within(runtime, decision, storeTimeoutMs).then((one) => {
      if (!one.allowed) throw refusal(one, ofKey);
    }, unreachable);
    const { kind } = context.method;
    if (kind === "server_stream" || kind === "bidi_stream") return streamLater(decided, inner, request, context);
    return decided.then(() => inner(request, context));
  }

  return (inner) => (request, context) => {
    const ofKey = key === undefined ? "all" : key(context, request);
    const cost = tokens === undefined ? 1 : tokens(context, request);
    if (ofKey === "" || cost === 0) return inner(request, context);
    return decide(inner, request, context, ofKey.length > maxKeyChars ? ofKey.slice(0, maxKeyChars) : ofKey, cost);
  };
}

/** Push-back that never ends is told as "do not repeat" (gRFC A6). */
function waitOf(retryAfterMs: number): number {
  return retryAfterMs === Infinity ? -1 : Math.ceil(retryAfterMs);
}

function storeOf(options: RateLimitOptions): RateLimitStore {
  if (options.store !== undefined) {
    for (const name of ["perSecond", "burst", "maxKeys"] as const) {
      if (options[name] !== undefined) throw badOption(name, options[name], "the store given has a rate of its own");
    }
    return options.store;
  }
  if (options.perSecond === undefined) throw badOption("perSecond", undefined, "a rate limit needs a rate or a store");
  return memoryRateLimitStore({ perSecond: options.perSecond, burst: options.burst, maxKeys: options.maxKeys });
}

async function* streamLater(
  decided: Promise<void>, inner: Service, request: unknown, context: Context,
): AsyncGenerator {
  await decided;
  yield* inner(request, context) as AsyncIterable<unknown>;
}

/** What does not come in time has failed. */
function within<T>(runtime: Pick<Runtime, "clock">, promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = runtime.clock.after(ms, () => reject(expected("deadline_exceeded", `no answer within ${ms} ms`)));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** Tells of each kind of event at most once a second. */
function sometimes(runtime: Pick<Runtime, "clock">, observer: Observer | undefined) {
  const toldAtMs = new Map<string, number>();
  return (name: string, fields: Readonly<Record<string, unknown>>): void => {
    if (observer?.event === undefined) return;
    const nowMs = runtime.clock.now();
    if (nowMs - (toldAtMs.get(name) ?? -Infinity) < 1_000) return;
    toldAtMs.set(name, nowMs);
    observer.event(name, fields);
  };
}
