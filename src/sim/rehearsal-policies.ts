/** Policies by the names that files call them: options of the production client and server, and its pickers. */
import {
  consistentHash, dynamicWeighted, errorAware, leastRequests, peakEwma, random, roundRobin, smoothWeighted,
  weightedRandom,
} from "../balance/index.ts";
import type { ClientOptions } from "../client/create-client.ts";
import type { Picker } from "../core/picker.ts";
import type { Runtime } from "../core/runtime.ts";
import { flag, listOf, number, oneOf, orFalse, type ReadOf, shape, text } from "./rehearsal-readers.ts";

const pickers: Readonly<Record<string, (runtime: Runtime) => Picker>> = {
  leastRequests: (runtime) => leastRequests(runtime.random),
  peakEwma: (runtime) => peakEwma(runtime),
  errorAware: (runtime) => errorAware(runtime),
  roundRobin: () => roundRobin(),
  random: (runtime) => random(runtime.random),
  weightedRandom: (runtime) => weightedRandom(runtime.random),
  smoothWeighted: () => smoothWeighted(),
  dynamicWeighted: (runtime) => dynamicWeighted(runtime),
  consistentHash: () => consistentHash(),
};

const share = number(0, 1);
const some = number(0, 1e9);
const whole = number(0, 1e9, { whole: true });

const retry = shape("retry", {
  maxAttempts: whole, minAttemptMs: some, codes: listOf(text, "codes"),
  backoff: shape("backoff", { initialMs: some, multiplier: some, maxMs: some }),
  budget: shape("budget", {
    ratio: some, minPerSecond: some, burstMs: some, failedRetryCost: some, keyShare: share, maxKeys: whole,
  }),
});

const regions = shape("regions", {
  order: listOf(text, "regions"), overprovisioning: some, panicThreshold: share, spillAtUtilisation: some,
  concurrencyPerWeight: some, reportExpiryMs: some, connectGraceMs: some, attemptsPerRegion: whole, refreshMs: some,
  holdDownMs: some, maxHoldDownMs: some, rampMs: some, flapWindowMs: some, minZoneEndpoints: whole,
});

const outliers = shape("outliers", {
  consecutiveFailures: whole, certainty: share, intervalMs: some, baseEjectionMs: some, maxEjectionMs: some,
  maxEjectedShare: share, maxStatisticalShare: share, windowMs: some, stallWindowMs: some,
});

/** What a client of a rehearsal can be given. What is not given has the production default. */
export const clientPolicies = shape("client policies", {
  retry: orFalse(retry),
  /** `false`: a client that prefers no region. */
  regions: orFalse(regions),
  outliers: orFalse(outliers),
  loadThresholds: orFalse(shape("loadThresholds", { sustainMs: some, staleMs: some, maxMarkedShare: share })),
  slowStart: orFalse(shape("slowStart", { windowMs: some, minShare: share })),
  picker: oneOf(Object.keys(pickers)),
  eagerConnections: whole,
});

export type ClientPolicies = ReadOf<{ all: typeof clientPolicies }>["all"];

/** What the servers of a rehearsal can be given. */
export const serverPolicies = shape("server policies", {
  maxInFlight: number(1, 1e9, { whole: true }),
  /** Whether replies carry load reports. */
  reports: flag,
});

export type ServerPolicies = ReadOf<{ all: typeof serverPolicies }>["all"];

/** Those of `more` replace those of `base`. */
export function merged<T extends object>(base: T | undefined, more: T | undefined): T {
  return { ...base, ...more } as T;
}

/** The options of a client from the policies named. */
export function clientOptions(runtime: Runtime, region: string, policies: NonNullable<ClientPolicies>): ClientOptions {
  const { picker, regions: preference, ...given } = policies;
  return {
    ...given as Pick<ClientOptions, "retry" | "outliers" | "loadThresholds" | "slowStart" | "eagerConnections">,
    ...(preference === false ? {} : { region, regions: preference ?? {} }),
    ...(picker === undefined ? {} : { picker: pickers[picker]?.(runtime) }),
  };
}

