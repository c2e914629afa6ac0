/**
 * Tuning is what a client learns from its own attempts, and what it sets by it: the delay of hedges, the age at which
 * an attempt hangs, the time a repeat must have left, and the share of calls that busy servers are spared.
 *
 * One place hears every attempt's end and keeps the statistics; the layers read them. Every change is an event of the
 * observer with its reason, at most one a second for each method or group.
 */
import type { Candidate, EndpointAddress } from "../core/endpoint.ts";
import type { Context } from "../core/context.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Criticality, MethodInfo } from "../core/method.ts";
import { type Observer, observeAll } from "../core/observer.ts";
import { badOption } from "../core/option.ts";
import type { Picker } from "../core/picker.ts";
import type { Runtime } from "../core/runtime.ts";
import { userOrder } from "../overload/priority.ts";
import { hedgeOf, type MethodPolicies } from "./method-policy.ts";
import {
  adaptiveThrottle, type AdaptiveThrottle, type AdaptiveThrottleOptions, bearsHedges, hedge, type HedgeLayer,
  type HedgeOptions, type LiveLatency, liveLatency, type LiveLatencyOptions, type RetryBudget,
} from "../resilience/index.ts";

/** How a client's hedges may be set, beside what the client sets itself. */
export interface ClientHedgeOptions
  extends Omit<HedgeOptions, "latency" | "budget" | "endsAreTold" | "isAlone" | "observer"> {
  /**
   * Names of the methods that are hedged. Default: all that bear a repeat (`idempotent: true`, or `safe`). Naming one
   * that does not is an error.
   */
  readonly methods?: readonly string[] | undefined;
}

/** What a client keeps of the time that its attempts take. */
export type TuningOptions = LiveLatencyOptions;

export interface TuningSettings {
  readonly tuning?: TuningOptions | false | undefined;
  readonly hedge?: ClientHedgeOptions | false | undefined;
  readonly throttle?: AdaptiveThrottleOptions | false | undefined;
  readonly methods?: MethodPolicies | undefined;
}

export interface Tuning {
  readonly latency: LiveLatency | undefined;
  readonly throttle: AdaptiveThrottle | undefined;
  /** The observer of the balancer: hears attempts, and hands everything on. */
  readonly observer: Observer;
  /** The hedge layer over a retry layer with this budget, and endpoints that `isAlone` counts; undefined without. */
  hedges(budget: RetryBudget | undefined, isAlone: () => boolean): HedgeLayer | undefined;
  /** Least time an attempt of this method is worth beginning with, in milliseconds. */
  attemptMs(method: MethodInfo): number;
  /** Puts around a picker what a client reckons with once a choice is made. */
  guarded(picker: Picker): Picker;
}

/** A call goes to an endpoint that is too far for it at least so often, lest a wrong distance stands for ever. */
const probeMs = 1_000;

/** Makes what a client learns by. Contradictory settings are refused by name. */
export function createTuning(runtime: Runtime, observer: Observer, settings: TuningSettings): Tuning {
  const { clock } = runtime;
  if (settings.tuning === false && settings.hedge && settings.hedge.delayMs === undefined) {
    throw badOption("tuning", false,
      "hedges need the live latency for their delay: give hedge.delayMs, or hedge: false");
  }
  const latency = settings.tuning === false ? undefined : liveLatency(clock, settings.tuning);
  const throttle = settings.throttle === false
    ? undefined
    : adaptiveThrottle(runtime, { observer, ...settings.throttle });
  const hedging = hedgingOf(settings, latency);
  let layer: HedgeLayer | undefined;
  const attemptMs = (method: MethodInfo): number => latency?.of(method)?.p50Ms ?? 0;
  // Where nobody learns from attempts, nobody hears of them.
  const learns = latency !== undefined || throttle !== undefined || hedging !== undefined;
  return {
    latency, throttle, attemptMs,
    observer: learns
      ? observeAll({ attemptEnded: hearing(latency, throttle, (error) => layer?.told(error)) }, observer)
      : observer,
    hedges(budget, isAlone) {
      if (hedging === undefined) return undefined;
      const endsAreTold = budget !== undefined;
      const byMethod = settings.methods && hedgeOf(settings.methods);
      return layer = hedge(runtime, { byMethod, ...hedging, latency, budget, endsAreTold, isAlone, observer });
    },
    guarded: (picker) => guarded(picker, clock, throttle, latency),
  };
}

function hedgingOf(settings: TuningSettings, latency: LiveLatency | undefined): HedgeOptions | undefined {
  const { hedge } = settings;
  if (hedge === false || (hedge === undefined && latency === undefined)) return undefined;
  return hedge ?? {};
}

/** Refuses to hedge by name what must not be done twice. */
export function checkHedged(methods: Readonly<Record<string, MethodInfo>>, hedge: ClientHedgeOptions | false): void {
  if (hedge === false) return;
  for (const name of hedge.methods ?? []) {
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
    if (method === undefined) throw badOption("hedge.methods", name, "the contract has no method of that name");
    if (!bearsHedges(method)) {
      throw badOption("hedge.methods", name, method.kind === "unary"
        ? "a hedge carries a call out twice, and the method is not declared `idempotent: true` or `safe`"
        : `only unary methods are hedged, and this one is ${method.kind}`);
    }
  }
}

function hearing(
  latency: LiveLatency | undefined, throttle: AdaptiveThrottle | undefined, told: (error: RpcError) => void,
): NonNullable<Observer["attemptEnded"]> {
  return (context, endpoint, latencyMs, error) => {
    context.attemptEnded = true;
    if (error !== undefined) failed(context, endpoint, latencyMs, error);
    else if (context.method.kind === "unary") {
      latency?.record(context.method, latencyMs, context.startedMs + latencyMs);
    }
  };

  function failed(context: Context, endpoint: EndpointAddress, latencyMs: number, error: RpcError): void {
    const nowMs = context.startedMs + latencyMs;
    throttle?.failed(throttleGroup(endpoint.region, context.method.criticality), error, nowMs);
    if (error.code === "resource_exhausted" && error.remote) told(error);
    if (context.method.kind !== "unary") return;
    if (error.code === "cancelled" || error.code === "deadline_exceeded") {
      latency?.gaveUp(context.method, latencyMs, nowMs);
    } else if (error.remote && !error.neverStarted && !error.retryable) {
      // The handler's own errors take as long as its answers.
      latency?.record(context.method, latencyMs, nowMs);
    }
  }
}

/** Each criticality is counted by itself: servers that refuse all else may take on whatever is critical. */
function throttleGroup(region: string, criticality: Criticality): string {
  return criticality === "default" ? region : `${region} ${criticality}`;
}

function guarded(
  inner: Picker, clock: Runtime["clock"], throttle: AdaptiveThrottle | undefined, latency: LiveLatency | undefined,
): Picker {
  let probedAtMs = -Infinity;
  const mayProbe = (): boolean => {
    const nowMs = clock.now();
    if (nowMs - probedAtMs < probeMs) return false;
    probedAtMs = nowMs;
    return true;
  };
  const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
    const picked = inner(candidates, context);
    if (picked === undefined) return undefined;
    if (context.hedged && !isElsewhere(picked, context, latency)) return undefined;
    const { leastRoundTripMs } = picked.load;
    const leftMs = context.deadline - context.startedMs;
    if (leftMs < leastRoundTripMs && leastRoundTripMs !== Infinity && !mayProbe()) throw tooFar(picked, leftMs);
    const { region } = picked.address;
    if (throttle !== undefined) {
      const { criticality } = context.method;
      const group = throttleGroup(region, criticality);
      if (throttle.passes(group, context.startedMs)) return picked;
      // Who is served and who is not is for servers and clients the same.
      const draw = throttle.share(group) > 0 ? userOrder(context, clock) : undefined;
      if (!throttle.admits(group, criticality, context.startedMs, draw)) {
        throw throttle.refusal(group);
      }
    }
    return picked;
  };
  return Object.assign(pick, { seesAll: inner.seesAll ?? false, explain: inner.explain });
}

/** A hedge goes where the call has not been, and not farther than from where it could still be first. */
function isElsewhere(picked: Candidate, context: Context, latency: LiveLatency | undefined): boolean {
  const { avoid } = context;
  if (avoid.includes(picked)) return false;
  // Who owes answers for as long as this call's first endpoint does is likely down with it.
  const { p99Ms = 0 } = latency?.of(context.method) ?? {};
  if (context.startedMs - picked.load.outstanding.oldestMs > p99Ms * 2) return false;
  const home = (avoid[0] as Candidate | undefined)?.address?.region;
  if (home === undefined || home === picked.address.region) return true;
  return picked.load.leastRoundTripMs <= p99Ms;
}

function tooFar(picked: Candidate, leftMs: number): RpcError {
  const { address, load } = picked;
  return expected("deadline_exceeded",
    `not sent: ${leftMs.toFixed(1)} ms are left, and nothing has come back from ${address.address} in less than ` +
    `${load.leastRoundTripMs.toFixed(1)} ms`, { neverStarted: true, retryable: false, phase: "pick" });
}
