/** `readRehearsal` reads what shall be rehearsed: regions, services, clients, events, goals. */
import { RpcError } from "../core/error.ts";
import { readDocument } from "../discovery/file-format.ts";
import { describe, describePlace, type Place, type Refuse } from "../discovery/services.ts";
import {
  constant, type Distribution, exponential, googleRpcs, lognormal, pareto, uniform,
} from "./distributions.ts";
import { type EventPlan, readEvents } from "./rehearsal-events.ts";
import { type GoalPlan, readGoals } from "./rehearsal-goals.ts";
import {
  checkClient, checkServer, type ClientPolicies, clientPolicies, merged, type ServerPolicies, serverPolicies,
} from "./rehearsal-policies.ts";
import {
  duration, listOf, made, mapOf, members, mustKnow, nameText, number, oneOf, type Reader, type ReadOf, shape, text,
} from "./rehearsal-readers.ts";

export interface ServicePlan {
  readonly name: string;
  /** How many servers stand in each region. */
  readonly servers: ReadonlyMap<string, number>;
  /** Calls that one server works on at once. */
  readonly workers: number;
  readonly work: Distribution;
  readonly idempotent: boolean | "keyed";
  /** What its handler calls before it works. */
  readonly calls: readonly { readonly service: string; readonly times: number }[];
  readonly policies: NonNullable<ServerPolicies>;
  /** Of the clients within its servers. */
  readonly clientPolicies: NonNullable<ClientPolicies>;
}

export interface ClientPlan {
  readonly name: string;
  readonly region: string;
  readonly service: string;
  /** Calls a second of all its processes together. */
  readonly rate: number;
  readonly processes: number;
  readonly timeoutMs: number;
  /** Route keys that its calls are about, and the exponent of Zipf's law by which they are drawn; 0 is evenly. */
  readonly keys: { readonly count: number; readonly zipf: number } | undefined;
  readonly policies: NonNullable<ClientPolicies>;
}

export interface RehearsalPlan {
  readonly about: string;
  readonly durationMs: number;
  /** Calls due earlier are made and not counted. */
  readonly warmUpMs: number;
  readonly regions: ReadonlyMap<string, { readonly zones: readonly string[] }>;
  /** Between two regions, in either order; within one and between hosts `localRoundTripMs`. */
  readonly roundTrips: readonly (readonly [left: string, right: string, ms: number])[];
  readonly localRoundTripMs: number;
  /** Mean of what is added to each way at random, as a share of it. */
  readonly jitter: number;
  readonly services: ReadonlyMap<string, ServicePlan>;
  readonly clients: ReadonlyMap<string, ClientPlan>;
  readonly events: readonly EventPlan[];
  readonly goals: readonly GoalPlan[];
}

/** Reads a file of YAML or JSON, whose one key is `rehearsal`. Complaints name file, line and column. */
export function parseRehearsal(source: string, path: string): RehearsalPlan {
  return readDocument({
    text: source, path, key: "rehearsal", expected: "a mapping below it",
    empty: "a rehearsal begins with `rehearsal:`",
  }, (value, refuse) => readPlan(value, ["rehearsal"], refuse));
}

/** The same from an object of a program, as a `.ts` file exports it. */
export function readRehearsal(value: unknown): RehearsalPlan {
  return readPlan(value, ["rehearsal"], (place, what, at = "value") => {
    throw new RpcError("invalid_argument", `${describePlace(at === "key" ? place.slice(0, -1) : place)}: ${what}`);
  });
}

const workReaders = {
  constant: duration(), exponential: duration(),
  lognormal: shape("lognormal", { median: duration(), sigma: number(0, 10) }, ["median", "sigma"]),
  uniform: listOf(duration(), "two durations", 2),
  pareto: shape("pareto", { least: duration(), alpha: number(0.01, 100), most: duration() }, ["least", "alpha"]),
  google: oneOf(["fast", "typical", "slow"] as const),
};

const readWork: Reader<Distribution> = (value, place, refuse) => {
  if (typeof value === "string" || typeof value === "number") return constant(duration()(value, place, refuse));
  const read = shape("work", workReaders)(value, place, refuse);
  const kinds = Object.keys(read);
  if (kinds.length !== 1) {
    return refuse(place, `expected one of ${Object.keys(workReaders).join(", ")}, found ${kinds.join(", ") || "none"}`);
  }
  return made(() => {
    if (read.exponential !== undefined) return exponential(read.exponential);
    if (read.lognormal !== undefined) return lognormal(read.lognormal.median ?? 0, read.lognormal.sigma ?? 0);
    if (read.uniform !== undefined) return uniform(read.uniform[0] ?? 0, read.uniform[1] ?? 0);
    if (read.pareto !== undefined) return pareto(read.pareto.least ?? 0, read.pareto.alpha ?? 0, read.pareto.most);
    if (read.google !== undefined) return googleRpcs[read.google];
    return constant(read.constant ?? 0);
  }, place, refuse);
};

const readIdempotent: Reader<boolean | "keyed"> = (value, place, refuse) => {
  if (typeof value === "boolean" || value === "keyed") return value;
  return refuse(place, `expected true, false or keyed, found ${describe(value)}`);
};

const serviceShape = shape("a service", {
  servers: mapOf(number(0, 10_000, { whole: true }), "a mapping from regions to numbers of servers", 1),
  workers: number(1, 100_000, { whole: true }), work: readWork, idempotent: readIdempotent,
  calls: listOf(shape("a call", { service: nameText, times: number(1, 100, { whole: true }) }, ["service"]), "calls"),
  policies: serverPolicies, clientPolicies,
}, ["servers"]);

const keyCount = number(1, 1_000_000, { whole: true });
const keysShape = shape("keys", { count: keyCount, zipf: number(0, 10) }, ["count"]);
const readKeys: Reader<{ readonly count: number; readonly zipf: number }> = (value, place, refuse) => {
  if (typeof value === "number") return { count: keyCount(value, place, refuse), zipf: 0 };
  const { count = 1, zipf = 0 } = keysShape(value, place, refuse);
  return { count, zipf };
};

const clientShape = shape("a client", {
  region: nameText, service: nameText, rate: number(0, 1e6), processes: number(1, 1_000, { whole: true }),
  timeout: duration(1), keys: readKeys, policies: clientPolicies,
}, ["region", "service", "rate"]);

const regionShape = shape("a region", { zones: listOf(nameText, "zones", 1) });

const raw: Reader<{ readonly value: unknown }> = (value) => ({ value });

const planShape = shape("a rehearsal", {
  about: text, duration: duration(100), warmUp: duration(), regions: raw, roundTrips: raw,
  localRoundTrip: duration(0, 10_000), jitter: number(0, 1),
  services: mapOf(serviceShape, "a mapping from names to services", 1),
  clients: mapOf(clientShape, "a mapping from names to clients", 1),
  policies: shape("policies", { client: clientPolicies, server: serverPolicies }), events: raw, goals: raw,
}, ["duration", "regions", "services", "clients"]);

function readPlan(value: unknown, place: Place, refuse: Refuse): RehearsalPlan {
  const read = planShape(value, place, refuse);
  const regions = readRegions(read.regions?.value, [...place, "regions"], refuse);
  const services = readServices(read, regions, [...place, "services"], refuse);
  const clients = new Map([...read.clients ?? []].map(([name, client]) => {
    const here = [...place, "clients", name];
    const region = mustKnow(client.region ?? "", regions.keys(), "region", [...here, "region"], refuse);
    const service = mustKnow(client.service ?? "", services.keys(), "service", [...here, "service"], refuse);
    return [name, {
      name, region, service, rate: client.rate ?? 0, processes: client.processes ?? 1,
      timeoutMs: client.timeout ?? 1_000, keys: client.keys,
      policies: checkClient(merged(read.policies?.client, client.policies), region,
        client.policies === undefined ? [...place, "policies", "client"] : [...here, "policies"], refuse),
    }];
  }));
  const durationMs = read.duration ?? 0;
  const warmUpMs = read.warmUp ?? Math.min(2_000, durationMs / 10);
  if (warmUpMs >= durationMs) refuse([...place, "warmUp"], `it takes all of the ${durationMs} ms`);
  const known = { regions, services, clients, durationMs };
  const { value: events } = read.events ?? { value: [] };
  const { value: goals } = read.goals ?? { value: [] };
  return {
    about: read.about ?? "", durationMs, warmUpMs, regions, services, clients,
    roundTrips: readRoundTrips(read.roundTrips?.value ?? {}, regions, [...place, "roundTrips"], refuse),
    localRoundTripMs: read.localRoundTrip ?? 0.5, jitter: read.jitter ?? 0.1,
    events: readEvents(events, known, [...place, "events"], refuse),
    goals: readGoals(goals, known, [...place, "goals"], refuse),
  };
}

/** A list of names, or a mapping from names to zones. */
function readRegions(value: unknown, place: Place, refuse: Refuse): RehearsalPlan["regions"] {
  if (Array.isArray(value)) {
    const names = listOf(nameText, "regions", 1)(value, place, refuse);
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) !== index) refuse([...place, index], `the region ${name} is listed twice`);
    }
    return new Map(names.map((name) => [name, { zones: ["a"] }]));
  }
  const read = mapOf(regionShape, "a list of names, or a mapping from names to { zones }", 1)(value, place, refuse);
  return new Map([...read].map(([name, { zones = ["a"] }]) => [name, { zones }]));
}

function readRoundTrips(
  value: unknown, regions: RehearsalPlan["regions"], place: Place, refuse: Refuse,
): RehearsalPlan["roundTrips"] {
  const trips: [string, string, number][] = [];
  for (const [left, row] of members(value, place, "a mapping from regions to { region: duration }", refuse)) {
    mustKnow(left, regions.keys(), "region", [...place, left], refuse);
    for (const [right, one] of members(row, [...place, left], "a mapping from regions to durations", refuse)) {
      const here = [...place, left, right];
      mustKnow(right, regions.keys(), "region", here, refuse);
      if (left === right) refuse(here, "within a region the distance is localRoundTrip");
      const isGiven = trips.some(([a, b]) => a === right && b === left);
      if (isGiven) refuse(here, `it is given already, from ${right} to ${left}`);
      trips.push([left, right, duration(0, 60_000)(one, here, refuse)]);
    }
  }
  return trips;
}

function readServices(
  read: ReadOf<{ plan: typeof planShape }>["plan"], regions: RehearsalPlan["regions"], place: Place, refuse: Refuse,
): Map<string, ServicePlan> {
  const services = read?.services ?? new Map<string, NonNullable<ReadOf<{ one: typeof serviceShape }>["one"]>>();
  const plans = new Map<string, ServicePlan>();
  for (const [name, service] of services) {
    const here = [...place, name];
    for (const region of service.servers?.keys() ?? []) {
      mustKnow(region, regions.keys(), "region", [...here, "servers", region], refuse);
    }
    const calls = (service.calls ?? []).map(({ service: other = "", times = 1 }, index) => {
      mustKnow(other, services.keys(), "service", [...here, "calls", index, "service"], refuse);
      return { service: other, times };
    });
    const [inRegion = "anywhere"] = service.servers?.keys() ?? [];
    plans.set(name, {
      name, servers: service.servers ?? new Map(), workers: service.workers ?? 4, work: service.work ?? constant(5),
      idempotent: service.idempotent ?? true, calls,
      policies: checkServer(merged(read?.policies?.server, service.policies),
        service.policies === undefined ? [...place.slice(0, -1), "policies", "server"] : [...here, "policies"], refuse),
      clientPolicies: checkClient(merged(read?.policies?.client, service.clientPolicies), inRegion,
        service.clientPolicies === undefined
          ? [...place.slice(0, -1), "policies", "client"]
          : [...here, "clientPolicies"], refuse),
    });
  }
  for (const name of plans.keys()) refuseCycle(name, [], plans, [...place, name, "calls"], refuse);
  return plans;
}

/** A service that calls itself by way of others would never answer. */
function refuseCycle(
  name: string, trail: readonly string[], plans: ReadonlyMap<string, ServicePlan>, place: Place, refuse: Refuse,
): void {
  if (trail.includes(name)) refuse(place, `the services call each other in a circle: ${[...trail, name].join(" > ")}`);
  for (const { service } of plans.get(name)?.calls ?? []) refuseCycle(service, [...trail, name], plans, place, refuse);
}
