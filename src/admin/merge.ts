/** Merging makes one snapshot of those of several processes. */
import type { Figures, Happening, RegionRow, ServiceRow, Snapshot } from "./contract.ts";
import { noFigures } from "./figures.ts";

/** What one process tells. */
export interface Part {
  readonly name: string;
  readonly role: string;
  readonly region: string;
  readonly snapshot: Snapshot;
}

export interface Merging {
  readonly atMs: number;
  readonly parts: readonly Part[];
  readonly happenings: readonly Happening[];
  readonly missing: Snapshot["missing"];
}

/**
 * Figures are those of gateways if there is any, else of clients, else of servers: a call that passes several of them
 * is one call. A region is described by who stands in it.
 */
export function mergeSnapshots({ atMs, parts, happenings, missing }: Merging): Snapshot {
  const counting = countingParts(parts);
  return {
    atMs, intervalMs: Math.max(0, ...parts.map(({ snapshot }) => snapshot.intervalMs)),
    regions: mergeRegions(parts, counting), flows: mergeFlows(counting), services: mergeServices(parts, counting),
    relayed: mergeFigures(counting.map(({ snapshot }) => snapshot.relayed)),
    happenings: [...happenings], missing: [...missing],
  };
}

function countingParts(parts: readonly Part[]): readonly Part[] {
  for (const role of ["gateway", "client", "server"]) {
    const those = parts.filter((part) => part.role === role);
    if (those.length > 0) return those;
  }
  return parts;
}

/** Rates add up; see the contract for what becomes of quantiles. */
export function mergeFigures(all: readonly Figures[]): Figures {
  const some = all.filter(({ callsPerSecond, inFlight }) => callsPerSecond > 0 || inFlight > 0);
  const [only] = some;
  if (only === undefined) return noFigures;
  if (some.length === 1) return only;
  const calls = sum(some, (one) => one.callsPerSecond);
  const mean = (of: (one: Figures) => number): number =>
    (calls === 0 ? 0 : sum(some, (one) => of(one) * one.callsPerSecond) / calls);
  return {
    callsPerSecond: calls, errorsPerSecond: sum(some, (one) => one.errorsPerSecond),
    attemptsPerCall: calls === 0 ? 1 : mean((one) => one.attemptsPerCall), inFlight: sum(some, (one) => one.inFlight),
    latency: {
      p50Ms: mean(({ latency }) => latency.p50Ms), p90Ms: mean(({ latency }) => latency.p90Ms),
      p99Ms: Math.max(...some.map(({ latency }) => latency.p99Ms)),
      maxMs: Math.max(...some.map(({ latency }) => latency.maxMs)),
    },
  };
}

function mergeRegions(parts: readonly Part[], counting: readonly Part[]): RegionRow[] {
  const rows = grouped(parts, ({ snapshot }) => snapshot.regions, ({ name }) => name);
  return [...rows].map(([name, seen]) => {
    const [first] = seen;
    // One that nobody has called yet knows nobody.
    const own = seen.find(({ part, item }) => part.region === name && part.role === "gateway" && item.endpoints > 0) ??
      seen.find(({ part, item }) => part.region === name && part.role !== "server" && item.endpoints > 0) ??
      seen.find(({ item }) => item.endpoints > 0) ?? first;
    const row = (own as Seen<RegionRow>).item;
    const placed = seen.find(({ item }) => item.latitude !== undefined)?.item;
    const drained = seen.find(({ item }) => item.drained)?.item;
    const reporting = row.cpu >= 0 ? row : seen.find(({ item }) => item.cpu >= 0)?.item ?? row;
    return {
      ...row, ...(placed === undefined ? undefined : { latitude: placed.latitude, longitude: placed.longitude }),
      cpu: reporting.cpu, memory: reporting.memory,
      drained: drained !== undefined, drainReason: drained?.drainReason ?? "",
      figures: mergeFigures(seen.filter(({ part }) => counting.includes(part)).map(({ item }) => item.figures)),
    };
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function mergeFlows(counting: readonly Part[]): Snapshot["flows"] {
  const flows = grouped(counting, ({ snapshot }) => snapshot.flows, ({ from, to }) => `${from}\n${to}`);
  return [...flows.values()].flatMap((seen) => {
    const [first] = seen;
    return first === undefined ? [] : [{ ...first.item, figures: mergeFigures(seen.map(({ item }) => item.figures)) }];
  });
}

function mergeServices(parts: readonly Part[], counting: readonly Part[]): ServiceRow[] {
  const services = grouped(parts, ({ snapshot }) => snapshot.services, ({ service }) => service);
  return [...services].map(([service, seen]) => {
    const counted = seen.filter(({ part }) => counting.includes(part));
    const methods = new Map<string, Figures[]>();
    for (const { item } of counted) {
      for (const { method, figures } of item.methods) {
        const all = methods.get(method);
        if (all === undefined) methods.set(method, [figures]);
        else all.push(figures);
      }
    }
    return {
      service, ...endpointsOf(seen), figures: mergeFigures(counted.map(({ item }) => item.figures)),
      methods: [...methods].slice(0, 200).map(([method, all]) => ({ method, figures: mergeFigures(all) })),
      retryBudget: Math.min(1, ...counted.map(({ item }) => item.retryBudget)),
    };
  }).sort((a, b) => (a.service < b.service ? -1 : 1));
}

/** Each region's by who stands in it; where nobody stands anywhere, as many as one of them sees. */
function endpointsOf(
  seen: readonly Seen<ServiceRow>[],
): Pick<ServiceRow, "endpoints" | "ready" | "endpointsHere" | "readyHere"> {
  const byRegion = new Map<string, ServiceRow>();
  let most: ServiceRow | undefined;
  for (const { part, item } of seen) {
    if (most === undefined || item.endpoints > most.endpoints) most = item;
    const before = byRegion.get(part.region);
    if (part.region !== "" && (before === undefined || item.endpointsHere > before.endpointsHere)) {
      byRegion.set(part.region, item);
    }
  }
  const here = [...byRegion.values()];
  const endpoints = sum(here, (one) => one.endpointsHere);
  const ready = sum(here, (one) => one.readyHere);
  if (endpoints > 0) return { endpoints, ready, endpointsHere: endpoints, readyHere: ready };
  return { endpoints: most?.endpoints ?? 0, ready: most?.ready ?? 0, endpointsHere: 0, readyHere: 0 };
}

interface Seen<Item> {
  readonly part: Part;
  readonly item: Item;
}

function grouped<Item>(
  parts: readonly Part[], items: (part: Part) => readonly Item[], key: (item: Item) => string,
): Map<string, Seen<Item>[]> {
  const groups = new Map<string, Seen<Item>[]>();
  for (const part of parts) {
    for (const item of items(part)) {
      const group = groups.get(key(item));
      if (group === undefined) groups.set(key(item), [{ part, item }]);
      else group.push({ part, item });
    }
  }
  return groups;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
