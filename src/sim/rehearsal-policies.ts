/** Policies by the names that files call them: options of the production client and server. */
import { rpc } from "../contract/rpc.ts";
import { service } from "../contract/service.ts";
import type { AnyType } from "../contract/standard.ts";
import { type ClientOptions, createClientOn } from "../client/create-client.ts";
import type { Place, Refuse } from "../discovery/services.ts";
import type { Runtime } from "../core/runtime.ts";
import { type ServerPolicies, serverOptions } from "./rehearsal-server-policies.ts";
import { readPicker } from "./rehearsal-pickers.ts";
import { listOf, made, number, orFalse, type ReadOf, shape, text } from "./rehearsal-readers.ts";
import { simulatedServer } from "./server.ts";
import { createWorld } from "./world.ts";

export { type ServerPolicies, serverOptions, serverPolicies } from "./rehearsal-server-policies.ts";

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

const hedge = shape("hedge", {
  maxAttempts: whole, delayMs: some, quantile: some, leastDelayMs: some, mostDelayMs: some, minSamples: whole,
  ratio: some, hangsAfter: some, leastHangMs: some, nonFatalCodes: listOf(text, "codes"), maxLoad: some, holdMs: some,
  maxPending: whole,
});

const throttle = shape("throttle", {
  k: some, windowMs: some, minCalls: whole, maxReject: some, probeMs: some, maxGroups: whole,
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
  hedge: orFalse(hedge),
  throttle: orFalse(throttle),
  /** What is kept of the time that attempts take, by which delays are set. */
  tuning: orFalse(shape("tuning", { halfLifeMs: some, maxSamples: whole, maxMethods: whole })),
  /** `false`: a client that prefers no region. */
  regions: orFalse(regions),
  outliers: orFalse(outliers),
  loadThresholds: orFalse(shape("loadThresholds", { sustainMs: some, staleMs: some, maxMarkedShare: share })),
  slowStart: orFalse(shape("slowStart", { windowMs: some, minShare: share })),
  picker: readPicker,
  eagerConnections: whole,
});

export type ClientPolicies = ReadOf<{ all: typeof clientPolicies }>["all"];

/** Those of `more` replace those of `base`. */
export function merged<T extends object>(base: T | undefined, more: T | undefined): T {
  return { ...base, ...more } as T;
}

/** The options of a client from the policies named. */
export function clientOptions(runtime: Runtime, region: string, policies: NonNullable<ClientPolicies>): ClientOptions {
  const { picker, regions: preference, ...given } = policies;
  return {
    ...given as Omit<ClientOptions, "picker" | "region" | "regions">,
    ...(preference === false ? {} : { region, regions: preference ?? {} }),
    ...(picker === undefined ? {} : { picker: picker(runtime) }),
  };
}

const anything: AnyType = {
  "~standard": { version: 1, vendor: "meridian", validate: (value: unknown) => ({ value }) },
};
const Probe = service("rehearsal.Probe", { call: rpc({ input: anything, output: anything, idempotent: true }) });

/** Lets the client itself say what of its options cannot be, or not together, at their place in the file. */
export function checkClient(
  policies: NonNullable<ClientPolicies>, region: string, place: Place, refuse: Refuse,
): NonNullable<ClientPolicies> {
  return made(() => {
    const runtime = createWorld({ seed: 0 }).host("client", { region });
    createClientOn(runtime, Probe, { address: "server:1", ...clientOptions(runtime, region, policies) }).$.close(0);
    return policies;
  }, place, refuse);
}

/** The same of servers. */
export function checkServer(
  policies: NonNullable<ServerPolicies>, place: Place, refuse: Refuse,
): NonNullable<ServerPolicies> {
  return made(() => {
    simulatedServer(createWorld({ seed: 0 }), Probe, { host: "server", ...serverOptions(policies) });
    return policies;
  }, place, refuse);
}
