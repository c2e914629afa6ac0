/** A policy in a configuration becomes the options of a client: the layers of a configuration, put over each other. */
import {
  c3, consistentHash, dynamicWeighted, errorAware, leastDelay, leastRequests, peakEwma, prequal, random, roundRobin,
  smoothWeighted, weightedRandom,
} from "../balance/index.ts";
import type { Picker } from "../core/picker.ts";
import type { Runtime } from "../core/runtime.ts";
import type { ClientOptions } from "../client/create-client.ts";
import type { ProbeKind, ProbeSettings } from "../client/probes.ts";
import type { ClientPolicy, PickerName } from "./client-schema.ts";
import type { Config } from "./config.ts";

/** What a client does; not how it speaks. */
export type Policy = Omit<ClientPolicy, "protocol" | "codec" | "tls" | "maxMessageBytes" | "view">;

/** Options that follow from a policy. */
export type PolicyOptions = Pick<ClientOptions,
  | "retry" | "hedge" | "throttle" | "outliers" | "slowStart" | "picker" | "regions" | "probes" | "failover"
  | "deadlineReserveMs" | "connectTimeoutMs" | "reconnectMinMs" | "reconnectMaxMs" | "idleCheckMs" | "heartbeatMs"
  | "suspectAfterMs" | "deadAfterMs" | "idleHeartbeatMs" | "eagerConnections">;

/** The policy of one service's callers: what the file says of all, of a gateway, of the service, the last above all. */
export function policyFor(config: Config, service: string, gateway?: string): Policy {
  const { services = {}, gateways = {}, client = {} } = config;
  const own = Object.hasOwn(services, service) ? services[service]?.client : undefined;
  const through = gateway !== undefined && Object.hasOwn(gateways, gateway) ? gateways[gateway]?.client : undefined;
  const { protocol: _1, codec: _2, tls: _3, maxMessageBytes: _4, view: _5, ...all } = client;
  return over(over(all, through), own) as Policy;
}

/** The second over the first: mappings key by key, all else as a whole; and a picker is one thing. */
export function over(base: unknown, above: unknown, key = ""): unknown {
  if (above === undefined) return base;
  if (key === "picker" || !isMapping(base) || !isMapping(above)) return above;
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(above)) merged[name] = over(merged[name], value, name);
  return merged;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The options of a client. Each has a picker of its own: pickers keep what they learn. */
export function policyOptions(runtime: Runtime, policy: Policy): PolicyOptions {
  const { timeoutMs: _, picker, probes, retry, ...rest } = policy;
  return withoutUndefined({
    ...rest,
    retry,
    picker: picker === undefined ? undefined : pickerOf(runtime, picker),
    probes: probes === undefined ? undefined : probesOf(probes),
  }) as PolicyOptions;
}

type MakePicker = (runtime: Runtime, options: object) => Picker;

const pickers: Readonly<Record<PickerName, MakePicker>> = {
  leastRequests: (runtime, options) => leastRequests(runtime.random, options),
  peakEwma: (runtime, options) => peakEwma(runtime, options),
  errorAware: (runtime, options) => errorAware(runtime, options),
  leastDelay: (runtime, options) => leastDelay(runtime.random, options),
  prequal: (runtime, options) => prequal(runtime, options),
  c3: (runtime, options) => c3(runtime, options),
  dynamicWeighted: (runtime, options) => dynamicWeighted(runtime, options),
  consistentHash: (_, options) => consistentHash(options),
  roundRobin: () => roundRobin(),
  random: (runtime) => random(runtime.random),
  weightedRandom: (runtime) => weightedRandom(runtime.random),
  smoothWeighted: () => smoothWeighted(),
};

/** Makes the picker of a name, or of a name with options. */
export function pickerOf(runtime: Runtime, picker: NonNullable<Policy["picker"]>): Picker {
  if (typeof picker === "string") return pickers[picker](runtime, {});
  const entries = Object.entries(picker) as (readonly [PickerName, object])[];
  const [[name, options] = ["leastRequests", {}] as const] = entries;
  return pickers[name](runtime, options);
}

function probesOf(probes: NonNullable<Policy["probes"]>): ProbeSettings {
  const { kind = "ping", port, path, service, ...rest } = probes;
  const probe: ProbeKind = kind === "ping" ? "ping"
    : kind === "grpc" ? { kind: "grpc.health.v1", port, service }
    : kind === "http" ? { kind: "http", port, path } : { kind: "tcp", port };
  return { ...rest, probe };
}

export function withoutUndefined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
