/**
 * A snapshot is the state of a process at a tick: regions, flows and services, with the figures of the last interval.
 */
import type { RegionControl } from "../region/index.ts";
import type { ClientEndpoint } from "../client/index.ts";
import type { Figures, Happening, RegionRow, ServiceRow, Snapshot } from "./contract.ts";
import { noFigures, otherName, type Seen } from "./figures.ts";
import { isCallable, isDrained } from "./watched.ts";

export interface SnapshotOf {
  readonly atMs: number;
  /** Where this process is. */
  readonly region: string;
  readonly byService: ReadonlyMap<string, readonly ClientEndpoint[]>;
  readonly seen: Seen;
  readonly control: RegionControl | undefined;
  readonly drainReasons: ReadonlyMap<string, string>;
  /** Latitude and longitude of regions, in degrees. */
  readonly places: Readonly<Record<string, { readonly latitude: number; readonly longitude: number }>>;
  /** Whether a service's retry budget was found empty in the interval. */
  readonly isBudgetEmpty: (service: string) => boolean;
  readonly happenings: readonly Happening[];
  /** Kept from one snapshot to the next. */
  readonly tally?: RegionTally | undefined;
}

/** Share of calls that budgets let be repeated by default: what the rest of a budget is reckoned by. */
const budgetShare = 0.2;

export function snapshotOf(of: SnapshotOf): Snapshot {
  const { seen, byService, region: own } = of;
  const tally = of.tally ?? new RegionTally();
  tally.begin();
  const services = [...byService].map(([service, endpoints]) => serviceRow(service, endpoints, of, tally));
  for (const [service, totals] of seen.byService) {
    if (byService.has(service) || (service === otherName && totals.figures.callsPerSecond === 0)) continue;
    services.push({
      service, endpoints: 0, ready: 0, endpointsHere: 0, readyHere: 0, methods: [...totals.methods],
      figures: totals.figures, retryBudget: 1,
    });
  }
  const regions = tally.end([...seen.byRegion.keys(), ...of.control?.drained() ?? [], ...(own === "" ? [] : [own])]);
  return {
    atMs: of.atMs, intervalMs: seen.intervalMs,
    regions: [...regions].map(([name, sums]) => sums.row(name, of)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    flows: [...seen.byRegion].filter(([, figures]) => figures.callsPerSecond > 0).map(([to, figures]) =>
      ({ from: own, to, figures: withInFlight(figures, regions.get(to)?.inFlight ?? 0) })),
    services: services.sort((a, b) => (a.service < b.service ? -1 : 1)),
    relayed: seen.relayed, happenings: [...of.happenings], missing: [],
  };
}

function serviceRow(
  service: string, endpoints: readonly ClientEndpoint[], of: SnapshotOf, tally: RegionTally,
): ServiceRow {
  let [ready, here, readyHere, inFlight] = [0, 0, 0, 0];
  for (const endpoint of endpoints) {
    const callable = isCallable(endpoint);
    if (callable) ready++;
    if (endpoint.address.region === of.region) {
      here++;
      if (callable) readyHere++;
    }
    inFlight += endpoint.load.inFlight;
    tally.add(endpoint, callable);
  }
  const totals = of.seen.byService.get(service);
  const figures = totals?.figures ?? noFigures;
  const spent = Math.min(1, (figures.attemptsPerCall - 1) / budgetShare);
  return {
    service, endpoints: endpoints.length, ready, endpointsHere: here, readyHere, methods: [...totals?.methods ?? []],
    figures: withInFlight(figures, inFlight), retryBudget: of.isBudgetEmpty(service) ? 0 : 1 - spent,
  };
}

function withInFlight(figures: Figures, inFlight: number): Figures {
  return inFlight === figures.inFlight ? figures : { ...figures, inFlight };
}

/** One server: it may be an endpoint of many services, and counts once. */
interface Slot {
  /** Whose it is, and since when: a tally that has forgotten some begins anew with all. */
  owner: object;
  readonly region: RegionSums;
  /** The round in which it was last seen, and whether it could be called. */
  round: number;
  callable: boolean;
}

/**
 * Adds up the endpoints of regions, round after round. What it knows of an endpoint it leaves with it, since a thousand
 * servers of fifty services are fifty thousand look-ups.
 */
export class RegionTally {
  #regions = new Map<string, RegionSums>();
  #owner: object = {};
  #slots = new Map<string, Slot>();
  #round = 0;
  #seen = 0;

  begin(): void {
    this.#round++;
    this.#seen = 0;
    for (const sums of this.#regions.values()) sums.reset();
  }

  add(endpoint: ClientEndpoint, callable: boolean): void {
    const known = endpoint.viewed as Slot | undefined;
    const slot = known?.owner === this.#owner ? known : this.#slotOf(endpoint);
    const { region } = slot;
    region.inFlight += endpoint.load.inFlight;
    if (slot.round !== this.#round) {
      slot.round = this.#round;
      slot.callable = callable;
      this.#seen++;
      region.add(endpoint, callable);
    } else if (callable && !slot.callable) {
      // Of one that may be called under one name and not under another, the region has it.
      slot.callable = true;
      region.ready++;
      region.readyWeight += endpoint.address.weight;
    }
  }

  #slotOf(endpoint: ClientEndpoint): Slot {
    const { region, address } = endpoint.address;
    const key = `${region}\n${address}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { owner: this.#owner, region: this.#sumsOf(region), round: 0, callable: false };
      this.#slots.set(key, slot);
    }
    endpoint.viewed = slot;
    return slot;
  }

  #sumsOf(region: string): RegionSums {
    let sums = this.#regions.get(region);
    if (sums === undefined) this.#regions.set(region, sums = new RegionSums());
    return sums;
  }

  /** The regions that there are now, and those named. */
  end(named: readonly string[]): ReadonlyMap<string, RegionSums> {
    for (const name of named) this.#sumsOf(name);
    // Servers that are gone are forgotten, and with them regions: those that are there find theirs by name again.
    if (this.#slots.size > this.#seen * 2 + 100) {
      this.#owner = {};
      this.#slots = new Map();
      this.#regions = new Map([...this.#regions].filter(([name, { count }]) => count > 0 || named.includes(name)));
    }
    return new Map([...this.#regions].filter(([name, { count }]) => count > 0 || named.includes(name)));
  }
}

/** What is added up over the servers of a region. */
class RegionSums {
  count = 0;
  ready = 0;
  readyWeight = 0;
  inFlight = 0;
  #weight = 0;
  #reports = 0;
  #cpu = 0;
  #memory = 0;
  #latitude = NaN;
  #longitude = NaN;

  reset(): void {
    this.count = this.ready = this.readyWeight = this.inFlight = 0;
    this.#weight = this.#reports = this.#cpu = this.#memory = 0;
  }

  add({ address, load }: ClientEndpoint, callable: boolean): void {
    this.count++;
    this.#weight += address.weight;
    if (callable) {
      this.ready++;
      this.readyWeight += address.weight;
    }
    const { report } = load;
    if (report !== undefined) {
      this.#reports++;
      this.#cpu += report.cpu;
      this.#memory += report.memory;
    }
    if (Number.isNaN(this.#latitude) && address.attributes["lat"] !== undefined) {
      this.#latitude = Number(address.attributes["lat"]);
      this.#longitude = Number(address.attributes["lon"]);
    }
  }

  row(name: string, { seen, control, drainReasons, places }: SnapshotOf): RegionRow {
    const place = places[name];
    const latitude = place?.latitude ?? this.#latitude;
    const longitude = place?.longitude ?? this.#longitude;
    const isPlaced = Number.isFinite(latitude) && Number.isFinite(longitude);
    return {
      name, ...(isPlaced ? { latitude, longitude } : undefined), endpoints: this.count, ready: this.ready,
      health: this.#weight > 0 ? this.readyWeight / this.#weight : 0,
      drained: isDrained(control, name), drainReason: drainReasons.get(name) ?? "",
      cpu: this.#reports > 0 ? this.#cpu / this.#reports : -1,
      memory: this.#reports > 0 ? this.#memory / this.#reports : -1,
      figures: withInFlight(seen.byRegion.get(name) ?? noFigures, this.inFlight),
    };
  }
}
