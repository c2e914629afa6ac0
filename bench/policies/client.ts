/** The client's policies, each alone and the default ones together, for bench/policies.ts. */
import type { EndpointAddress, Layer } from "../../src/core/index.ts";
import { outlierDetection } from "../../src/health/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { hedge as hedging } from "../../src/resilience/hedge.ts";
import {
  adaptiveThrottle, adaptiveThrottleLayer, attemptTimeout, bulkhead, circuitBreaker, collapseLayer, fallback,
  keyedBreakers, liveLatency, rateLimit, retry,
} from "../../src/resilience/index.ts";
import { metrics, metricsObserver } from "../../src/telemetry/index.ts";
import type { PolicyCase } from "../policies.ts";

const runtime = nodeRuntime;

/** What an endpoint tells at an attempt's end, here without an endpoint. */
const recorded: () => Layer = () => {
  const latency = liveLatency(runtime.clock);
  return (next) => (request, context) => {
    latency.record(context.method, 0.05, context.startedMs);
    return next(request, context);
  };
};

const judged: () => Layer = () => {
  const member = outlierDetection(runtime, {}, () => undefined).member("one", "eu");
  return (next) => (request, context) => {
    member.attemptEnded(false, context.startedMs, 0.05);
    return next(request, context);
  };
};

/** What a client's metrics hear of a call that its first attempt answers. */
const metered: () => Layer = () => {
  const observer = metricsObserver(metrics());
  const endpoint = { region: "eu" } as EndpointAddress;
  return (next) => (request, context) => {
    observer.attemptEnded?.(context, endpoint, 0.05, undefined);
    observer.callEnded?.(context, 0.05, undefined);
    return next(request, context);
  };
};

const throttled: () => Layer = () => {
  const throttle = adaptiveThrottle(runtime);
  return (next) => (request, context) => {
    if (!throttle.admits("eu", "default", context.startedMs)) throw throttle.refusal("eu");
    return next(request, context);
  };
};

/** Over retries, and with enough known that calls are looked after. */
const hedged: () => Layer = () => {
  const latency = liveLatency(runtime.clock);
  const retries = retry(runtime);
  const layer = hedging(runtime, { latency, budget: retries.budget, endsAreTold: true, leastDelayMs: 2 });
  return (next) => {
    const service = layer(retries(next));
    return (request, context) => {
      latency.record(context.method, 0.05, context.startedMs);
      return service(request, context);
    };
  };
};

const both: () => Layer = () => {
  const throttle = throttled();
  const hedge = hedged();
  return (next) => hedge(throttle(next));
};

const one = (name: string, layer: () => Layer, isDefault = false): PolicyCase =>
  ({ name, layer, isDefault, side: "client" });

export const cases: readonly PolicyCase[] = [
  one("live latency", recorded, true),
  one("outlier detection", judged, true),
  one("metrics of call and attempt", metered, true),
  one("adaptive throttle, in the picker", throttled, true),
  one("retry and budget", () => retry(runtime), true),
  one("live latency + hedge + retry", hedged, true),
  one("throttle + live latency + hedge + retry", both, true),
  one("hedge alone", () => hedging(runtime, {})),
  one("adaptive throttle, as a layer", () => adaptiveThrottleLayer(runtime)),
  one("circuit breaker", () => circuitBreaker(runtime).layer),
  one("circuit breaker by method", () => keyedBreakers(runtime).layer),
  one("bulkhead", () => bulkhead(runtime, { maxConcurrent: 10_000 })),
  one("rate limit, one key", () => rateLimit(runtime, { perSecond: 1e9 })),
  one("rate limit by method", () => rateLimit(runtime, { perSecond: 1e9, key: (context) => context.method.path })),
  one("attempt timeout", () => attemptTimeout(runtime, 1_000)),
  one("collapse, nothing in common", () => collapseLayer(runtime)),
  one("fallback", () => fallback({ answer: 0 })),
];
