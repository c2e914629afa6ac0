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
}

/** Share of calls that budgets let be repeated by default: what the rest of a budget is reckoned by. */
const budgetShare = 0.2;

export function snapshotOf(of: SnapshotOf): Snapshot {
  const { seen, byService, region: own } = of;
  const regions = new Map<string, RegionSums>();
  const sumsOf = (name: string): RegionSums => {
    let sums = regions.get(name);
    if (sums === undefined) regions.set(name, sums = new RegionSums());
    return sums;
  };
  const services = [...byService].map(([service, endpoints]) => serviceRow(service, endpoints, of, sumsOf));
  for (const [service, totals] of seen.byService) {
    if (byService.has(service) || (service === otherName && totals.figures.callsPerSecond === 0)) continue;
    services.push({
      service, endpoints: 0, ready: 0, endpointsHere: 0, readyHere: 0, methods: [...totals.methods],
      figures: totals.figures, retryBudget: 1,
    });
  }
  for (const name of seen.byRegion.keys()) sumsOf(name);
  for (const name of of.control?.drained() ?? []) sumsOf(name);
  if (own !== "") sumsOf(own);
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
  service: string, endpoints: readonly ClientEndpoint[], of: SnapshotOf, sumsOf: (region: string) => RegionSums,
): ServiceRow {
  let [ready, here, readyHere, inFlight] = [0, 0, 0, 0];
  let lastName: string | undefined;
  let sums: RegionSums | undefined;
  for (const endpoint of endpoints) {
    const { region } = endpoint.address;
    // Sets come sorted by region more often than not.
    if (region !== lastName || sums === undefined) sums = sumsOf(lastName = region);
    const callable = isCallable(endpoint);
    if (callable) ready++;
    if (region === of.region) {
      here++;
      if (callable) readyHere++;
    }
    inFlight += endpoint.load.inFlight;
    sums.add(endpoint, callable);
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

/** What is added up over the endpoints of a region; one that serves several names counts once. */
class RegionSums {
  readonly #known = new Map<string, boolean>();
  #ready = 0;
  #weight = 0;
  #readyWeight = 0;
  #reports = 0;
  #cpu = 0;
  #memory = 0;
  #latitude = NaN;
  #longitude = NaN;
  inFlight = 0;

  add({ address, load }: ClientEndpoint, callable: boolean): void {
    this.inFlight += load.inFlight;
    const known = this.#known.get(address.address);
    // Of one that may be called under one name and not under another, the region has it.
    if (known === true || (known === false && !callable)) return;
    this.#known.set(address.address, callable);
    if (known === undefined) this.#weight += address.weight;
    if (callable) {
      this.#ready++;
      this.#readyWeight += address.weight;
    }
    const { report } = load;
    if (report !== undefined && known === undefined) {
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
      name, ...(isPlaced ? { latitude, longitude } : undefined),
      endpoints: this.#known.size, ready: this.#ready,
      health: this.#weight > 0 ? this.#readyWeight / this.#weight : 0,
      drained: isDrained(control, name), drainReason: drainReasons.get(name) ?? "",
      cpu: this.#reports > 0 ? this.#cpu / this.#reports : -1,
      memory: this.#reports > 0 ? this.#memory / this.#reports : -1,
      figures: withInFlight(seen.byRegion.get(name) ?? noFigures, this.inFlight),
    };
  }
}
