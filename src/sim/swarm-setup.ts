/** `drawSetup` draws a whole configuration from a seed: places, distances, traffic, policies, faults. */
import type { Random } from "../core/runtime.ts";
import { createSeededRandom } from "../runtime/sim/random.ts";
import { type LimitName, limitNames } from "./rehearsal-server-policies.ts";
import { type PickerName, pickerNames } from "./rehearsal-pickers.ts";

export interface SwarmSetup {
  readonly seed: number;
  /** Bytes over the simulated network, or the modelled wire. */
  readonly wire: "bytes" | "modelled";
  readonly regions: readonly SwarmRegion[];
  /** Of the upper triangle of the matrix of regions, row by row: round trips in milliseconds. */
  readonly roundTripsMs: readonly number[];
  readonly jitter: number;
  /** Share of transmissions that are lost on all links all the time. */
  readonly lossRate: number;
  /** Calls a second of each client. */
  readonly rate: number;
  readonly timeoutMs: number;
  readonly workMs: number;
  readonly policies: SwarmPolicies;
  readonly faults: readonly SwarmFault[];
  /** When the last fault is over; what follows is quiet. */
  readonly healedMs: number;
  readonly untilMs: number;
}

export interface SwarmRegion {
  readonly name: string;
  readonly servers: number;
  readonly clients: number;
}

export interface SwarmPolicies {
  readonly retry: boolean;
  readonly regions: boolean;
  readonly outliers: boolean;
  readonly slowStart: boolean;
  readonly loadThresholds: boolean;
  /** Of configurations kept before these were drawn, absent: as by default, which is on. */
  readonly hedge?: boolean | undefined;
  readonly throttle?: boolean | undefined;
  readonly tuning?: boolean | undefined;
  readonly picker: PickerName;
  /** What is made of what discovery tells. Without it lies are believed. */
  readonly view: boolean;
  /** How repeats of keyed calls are recognised: by the server's replay layer, or by the handler's own records. */
  readonly replay: boolean;
  readonly admission: boolean;
  /** Of admission. Absent: its own default. */
  readonly limit?: LimitName | undefined;
  /** A policy broken on purpose: `key per attempt` gives every attempt a key of its own, so that repeats are new. */
  readonly sabotage?: "key per attempt" | undefined;
}

export const faultKinds = [
  "crash", "silentCrash", "silence", "partition", "oneWay", "loss", "slowLink", "clientStall", "slowServer", "errors",
  "wallJump", "leap", "randomRepeats", "emptySnapshot", "staleSnapshot", "duplicateSnapshot", "discoveryStops",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** One fault, from `atMs` until `untilMs`. */
export interface SwarmFault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly untilMs: number;
  /** A host, or a region. */
  readonly target: string;
  /** The other side of a partition or link. */
  readonly other?: string | undefined;
  /** How bad: milliseconds, a share or a factor, as the kind has it. */
  readonly size: number;
}

const regionNames = ["us-east", "eu-west", "ap-south", "sa-east"];

export function serverHosts(setup: Pick<SwarmSetup, "regions">): { readonly host: string; readonly region: string }[] {
  return setup.regions.flatMap(({ name, servers }) =>
    Array.from({ length: servers }, (_, i) => ({ host: `${name}-s${i + 1}`, region: name })));
}

export function clientHosts(setup: Pick<SwarmSetup, "regions">): { readonly host: string; readonly region: string }[] {
  return setup.regions.flatMap(({ name, clients }) =>
    Array.from({ length: clients }, (_, i) => ({ host: `${name}-c${i + 1}`, region: name })));
}

/** Faults begin after this: what is broken from the start is a wrong configuration, not a failure. */
const firstFaultMs = 3_000;
const faultsUntilMs = 15_000;
const quietMs = 15_000;

export function drawSetup(seed: number): SwarmSetup {
  const random = createSeededRandom(`swarm ${seed}`);
  const regions = regionNames.slice(0, 1 + below(random, regionNames.length)).map((name, i) => ({
    name, servers: 1 + below(random, 4), clients: i === 0 ? 1 + below(random, 2) : below(random, 3),
  }));
  const pairs = regions.length * (regions.length - 1) / 2;
  const base = {
    seed, regions, wire: chance(random, 0.5) ? "bytes" as const : "modelled" as const,
    roundTripsMs: Array.from({ length: pairs }, () => Math.round(10 + random.next() * 190)),
    jitter: of(random, [0, 0.1, 0.5]), lossRate: of(random, [0, 0, 0, 0.001, 0.01]),
    rate: of(random, [10, 20, 40]), timeoutMs: of(random, [500, 1_000, 2_000]), workMs: of(random, [1, 5, 15]),
    policies: drawPolicies(random),
  };
  const faults = Array.from({ length: 1 + below(random, 6) }, () => drawFault(random, base))
    .sort((a, b) => a.atMs - b.atMs);
  const healedMs = Math.max(firstFaultMs, ...faults.map(({ untilMs }) => untilMs));
  return { ...base, faults, healedMs, untilMs: healedMs + quietMs };
}

/** Each policy is on more often than not: that is how it is used. */
function drawPolicies(random: Random): SwarmPolicies {
  const on = (): boolean => chance(random, 0.75);
  return {
    retry: on(), regions: on(), outliers: on(), slowStart: on(), loadThresholds: on(), hedge: on(), throttle: on(),
    tuning: on(),
    // The default one is what most users run.
    picker: chance(random, 0.25) ? "leastRequests" : of(random, pickerNames), view: on(), replay: on(),
    admission: on(), limit: chance(random, 0.5) ? undefined : of(random, limitNames),
  };
}

function drawFault(random: Random, setup: Pick<SwarmSetup, "regions" | "wire">): SwarmFault {
  const drawn = of(random, faultKinds);
  // The modelled wire reckons with the host's own clock, which nobody can make leap.
  const kind = drawn === "leap" && setup.wire === "modelled" ? "wallJump" : drawn;
  const atMs = Math.round(firstFaultMs + random.next() * (faultsUntilMs - firstFaultMs));
  const untilMs = Math.min(faultsUntilMs, atMs + Math.round(100 + random.next() ** 2 * 8_000));
  const [servers, clients] = [serverHosts(setup), clientHosts(setup)];
  const server = (): string => of(random, servers).host;
  const client = (): string => of(random, clients).host;
  const place = (): string => (chance(random, 0.5) ? of(random, setup.regions).name : server());
  const base = { kind, atMs, untilMs };
  switch (kind) {
    case "partition": case "oneWay": {
      const target = place();
      return { ...base, target, other: of(random, [...setup.regions.map(({ name }) => name), "*"]), size: 0 };
    }
    case "loss": return { ...base, target: place(), other: "*", size: of(random, [0.01, 0.05, 0.3]) };
    case "slowLink": return { ...base, target: place(), other: "*", size: of(random, [50, 200, 1_000]) };
    case "slowServer": return { ...base, target: server(), size: of(random, [3, 10, 100]) };
    case "errors": return { ...base, target: server(), size: of(random, [0.05, 0.5, 1]) };
    case "clientStall": return { ...base, target: client(), size: 0 };
    case "wallJump": {
      const target = of(random, [client(), server()]);
      return { ...base, target, size: of(random, [-3_600_000, -2_000, 2_000, 86_400_000]) };
    }
    case "leap": return { ...base, target: client(), size: of(random, [100, 2_000, 30_000]) };
    case "randomRepeats": return { ...base, target: client(), size: of(random, [1, 2, 7]) };
    case "emptySnapshot": case "staleSnapshot": case "duplicateSnapshot": case "discoveryStops":
      return { ...base, target: client(), size: 0 };
    default: return { ...base, target: server(), size: 0 };
  }
}

function below(random: Random, count: number): number {
  return Math.floor(random.next() * count);
}

function chance(random: Random, share: number): boolean {
  return random.next() < share;
}

function of<T>(random: Random, values: readonly T[]): T {
  return values[below(random, values.length)] as T;
}

/** Simpler setups, those that leave out most first. */
export function simplerSetups(setup: SwarmSetup): SwarmSetup[] {
  const { faults, policies, regions } = setup;
  const withFaults = (some: readonly SwarmFault[]): SwarmSetup => ({ ...setup, faults: some });
  const half = Math.ceil(faults.length / 2);
  const fewer = faults.length < 2
    ? []
    : [...(faults.length > 2 ? [withFaults(faults.slice(0, half)), withFaults(faults.slice(half))] : []),
      ...faults.map((_, i) => withFaults(faults.toSpliced(i, 1)))];
  const calmer = [
    ...(setup.lossRate > 0 ? [{ ...setup, lossRate: 0 }] : []),
    ...(setup.jitter > 0 ? [{ ...setup, jitter: 0 }] : []),
    ...(setup.wire === "bytes" && faults.every(({ kind }) => kind !== "leap")
      ? [{ ...setup, wire: "modelled" as const }]
      : []),
    ...(setup.rate > 10 ? [{ ...setup, rate: setup.rate / 2 }] : []),
    ...regions.flatMap((region, i) => (region.clients > 1 || (region.clients > 0 && clientHosts(setup).length > 1)
      ? [{ ...setup, regions: regions.with(i, { ...region, clients: region.clients - 1 }) }]
      : [])).filter((smaller) => namesExist(smaller)),
  ];
  const names = [
    "retry", "regions", "outliers", "slowStart", "loadThresholds", "hedge", "throttle", "tuning", "view", "admission",
  ] as const;
  // Off is simpler to look at than on; what does not matter is switched off, or as everybody has it.
  const plainer: SwarmSetup[] = names.filter((name) => policies[name] !== false)
    .map((name) => ({ ...setup, policies: { ...policies, [name]: false } }));
  if (policies.picker !== "leastRequests") {
    plainer.push({ ...setup, policies: { ...policies, picker: "leastRequests" } });
  }
  if (policies.limit !== undefined) plainer.push({ ...setup, policies: { ...policies, limit: undefined } });
  return [...fewer, ...calmer, ...plainer];
}

/** Whether every host that a fault is about is still there. */
function namesExist(setup: SwarmSetup): boolean {
  const names = new Set([
    ...setup.regions.map(({ name }) => name), ...[...serverHosts(setup), ...clientHosts(setup)].map(({ host }) => host),
  ]);
  return setup.faults.every(({ target }) => names.has(target));
}

/** In a line: `3 regions, 5 servers, 3 clients, bytes; crash eu-west-s1 4.2–6.0 s, …`. */
export function describeSetup(setup: SwarmSetup): string {
  const { regions, wire, faults, policies } = setup;
  const off = Object.entries(policies).filter(([, value]) => value === false).map(([name]) => name);
  const told = faults.map(({ kind, target, other, size, atMs, untilMs }) =>
    `${kind} ${target}${other === undefined ? "" : `–${other}`}${size === 0 ? "" : ` ${size}`} ` +
    `${(atMs / 1_000).toFixed(1)}–${(untilMs / 1_000).toFixed(1)} s`);
  const [servers, clients] = [serverHosts(setup).length, clientHosts(setup).length];
  return `${regions.length} regions, ${servers} servers, ${clients} clients, ${wire}` +
    `, ${policies.picker}${policies.limit === undefined || !policies.admission ? "" : `, ${policies.limit} limit`}` +
    `${off.length === 0 ? "" : `, without ${off.join(", ")}`}; ${told.join("; ")}`;
}
