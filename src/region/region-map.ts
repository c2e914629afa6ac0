/** The region map keeps what is known of each region up to date: from snapshots, from samples, from the clock. */
import type { Candidate, Clock } from "../core/index.ts";
import type { RegionSettings } from "./options.ts";
import { healthScore } from "./priority.ts";
import { RegionState } from "./region-state.ts";

/** Sets of regions are numbers with one bit each, exact beyond here; further regions are not looked at. */
export const maxRegions = 40;
/** Time constant of the load controller, in milliseconds. */
const loadWindowMs = 1_000;
/**
 * Callers from elsewhere leave a region so much sooner than its own, as utilisation: or what one region sends to the
 * next, that sends on, and calls cross each other for nothing.
 */
const ownersMargin = 0.03;
/** So long are limits not raised after a region fell: what it lost has to show in the others' reports first. */
const settleMs = 2 * loadWindowMs;
/** Share below which load alone never pushes a region: it must be seen to be measured. */
const minLoadLimit = 0.02;
/** A region overtakes its neighbour in the order only when it is nearer by a fifth and half a millisecond. */
const overtakes = { ratio: 0.8, ms: 0.5 };

export class RegionMap {
  readonly regions: RegionState[] = [];
  /** Indexes of `regions`, most preferred first. */
  order: number[] = [];
  readonly #settings: RegionSettings;
  readonly #clock: Clock;
  readonly #byName = new Map<string, number>();
  #refreshedAtMs = -Infinity;
  #settledAtMs = -Infinity;
  /** By region, how things stood when they were last settled. */
  #before: readonly Standing[] = [];
  #movedLoad = 0;

  constructor(clock: Clock, settings: RegionSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  indexOf(name: string): number {
    return this.#byName.get(name) ?? -1;
  }

  /** Divides a new snapshot by region. */
  update(candidates: readonly Candidate[]): void {
    const members: Candidate[][] = this.regions.map(() => []);
    let name = "";
    let index = -1;
    for (const candidate of candidates) {
      const { address } = candidate;
      if (!(address.weight > 0) || candidate.status === "closed") continue;
      // Neighbours in a snapshot are mostly of one region, so that the look-up is mostly a comparison.
      if (index < 0 || address.region !== name) {
        name = address.region;
        index = this.#indexFor(name, members);
        if (index < 0) continue;
      }
      (members[index] as Candidate[]).push(candidate);
    }
    const now = this.#clock.now();
    const { overprovisioning } = this.#settings;
    this.regions.forEach((region, i) => region.update(members[i] ?? [], now, overprovisioning));
  }

  #indexFor(name: string, members: Candidate[][]): number {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.regions.length >= maxRegions) return -1;
    const index = this.regions.length;
    this.regions.push(new RegionState(name, this.#settings));
    this.#byName.set(name, index);
    this.order.push(index);
    members.push([]);
    return index;
  }

  /** Brings health, distance, order and limits to `now`. `shares` are the shares carried since, by index. */
  refresh(now: number, shares: Float64Array | undefined): void {
    const settings = this.#settings;
    const elapsed = Math.min(now - this.#refreshedAtMs, loadWindowMs);
    if (now >= this.#settledAtMs) this.#before = this.regions.map((region, i) => standingOf(region, shares?.[i] ?? 0));
    for (const region of this.regions) {
      region.isDrained = settings.control?.isDrained(region.name) ?? false;
      region.reckonHealth(now, settings.connectGraceMs);
      region.measure();
      const inService = !region.isDrained && region.isUsable;
      region.score = inService ? healthScore(region.health, settings.overprovisioning) : 0;
      region.reckonLoad(now, settings.reportExpiryMs, settings.concurrencyPerWeight, elapsed / loadWindowMs);
    }
    this.#steer(now, elapsed, shares);
    this.regions.forEach((region, i) => {
      // A region that never worked cannot fail back: it is starting.
      const returning = region.everReady ? region.failBack.update(region.score, now) : 1;
      region.limit = Math.min(Math.max(returning, region.carriedSince(shares?.[i] ?? 0)), region.loadLimit);
    });
    this.#refreshedAtMs = now;
    this.#sort();
  }

  /**
   * Holds regions to the utilisation from which load goes elsewhere, or where all are beyond it, to that of all.
   *
   * When a region falls, all its callers turn to the next at once, a second before any report shows it: so each takes
   * of its share along what the head-room of the next is of the whole load that moves. Servers fall one by one, so what
   * has moved is reckoned from how all stood before the first.
   */
  #steer(now: number, elapsed: number, shares: Float64Array | undefined): void {
    const { spillAtUtilisation, region: own } = this.#settings;
    if (spillAtUtilisation === Infinity) return;
    const { load: movedLoad, share: movedShare, used: assumed } = this.#moved();
    const hasMoved = movedLoad > (now < this.#settledAtMs ? this.#movedLoad : 0);
    if (hasMoved && now >= this.#settledAtMs) this.#settledAtMs = now + settleMs;
    this.#movedLoad = movedLoad;
    const target = Math.max(spillAtUtilisation, Math.min(1, this.#meanUtilisation(movedLoad, assumed)));
    for (let i = 0; i < this.regions.length; i++) {
      const region = this.regions[i] as RegionState;
      const goal = region.name === own ? target : target - ownersMargin;
      if (elapsed > 0) steerByLoad(region, goal, elapsed, shares?.[i] ?? 0, now >= this.#settledAtMs);
      if (!hasMoved || region.score === 0) continue;
      const before = this.#before[i] ?? standingOf(region, 0);
      // Regions that we have not called tell us nothing: they are taken to be as busy as the one that fell was.
      const room = Math.max(0, target - (before.used ?? assumed ?? 0)) * region.ableWeight;
      const most = room < movedLoad ? before.share + movedShare * room / movedLoad : 1;
      region.loadLimit = Math.max(minLoadLimit, Math.min(before.limit, most));
    }
  }

  /** What regions have lost since all was well: of our share, and of everybody's load, in units of weight. */
  #moved(): { readonly load: number; readonly share: number; readonly used: number | undefined } {
    let [load, share] = [0, 0];
    let used: number | undefined;
    for (let i = 0; i < this.regions.length; i++) {
      const before = this.#before[i];
      const score = (this.regions[i] as RegionState).score;
      if (before === undefined || before.share === 0 || score >= before.score) continue;
      const lost = 1 - score / before.score;
      load += before.load * lost;
      share += before.share * lost;
      used ??= before.used;
    }
    return { load, share, used };
  }

  /** Of all regions in service, with `moved` of other regions' load on them; 0 while it is not known of all. */
  #meanUtilisation(moved: number, assumed: number | undefined): number {
    let load = moved;
    let weight = 0;
    for (let i = 0; i < this.regions.length; i++) {
      const region = this.regions[i] as RegionState;
      if (region.score === 0) continue;
      // What the reports already show of a load that moved would count twice.
      const used = (moved > 0 ? this.#before[i]?.used : region.used) ?? assumed;
      if (used === undefined) return 0;
      load += used * region.ableWeight;
      weight += region.ableWeight;
    }
    return weight > 0 ? load / weight : 0;
  }

  /** Own region, then those configured, then by distance. Few regions, nearly sorted: insertion with hysteresis. */
  #sort(): void {
    const { order } = this;
    for (let i = 1; i < order.length; i++) {
      for (let at = i; at > 0 && this.#precedes(order[at] as number, order[at - 1] as number); at--) {
        [order[at], order[at - 1]] = [order[at - 1] as number, order[at] as number];
      }
    }
  }

  #precedes(a: number, b: number): boolean {
    const first = this.regions[a] as RegionState;
    const second = this.regions[b] as RegionState;
    const rank = this.#rank(first.name) - this.#rank(second.name);
    if (rank !== 0) return rank < 0;
    const mine = this.distanceMs(first);
    const theirs = this.distanceMs(second);
    if (mine === theirs) return mine === Infinity && first.name < second.name;
    return mine < theirs * overtakes.ratio - overtakes.ms;
  }

  #rank(name: string): number {
    if (name === this.#settings.region) return -1;
    const { order } = this.#settings;
    if (order === undefined) return 0;
    const place = order.indexOf(name);
    return place < 0 ? order.length : place;
  }

  /** Measured round trip, else the expected one, else Infinity. */
  distanceMs(region: RegionState): number {
    if (region.roundTripMs < Infinity) return region.roundTripMs;
    return this.#settings.expectedRoundTripMs?.(region.name) ?? Infinity;
  }

  /** The least time an attempt in a region will take, as far as is known; 0 when nothing is. */
  neededMs(region: RegionState): number {
    const distance = this.distanceMs(region);
    return Math.max(region.latencyMs, distance < Infinity ? distance : 0);
  }
}

/** How a region stood before others fell, or it fell itself. */
interface Standing {
  readonly score: number;
  /** Of our calls. */
  readonly share: number;
  /** Of everybody's, in units of weight. */
  readonly load: number;
  readonly used: number | undefined;
  readonly limit: number;
}

function standingOf({ score, used, loadWeight, loadLimit }: RegionState, share: number): Standing {
  return { score, share, used, load: (used ?? 0) * loadWeight, limit: loadLimit };
}

/**
 * Moves the share a region may take towards what would bring its utilisation to the target: the share that now
 * makes `used` should be `share * target / used`. Below the target the limit rises by the head-room.
 */
function steerByLoad(
  region: RegionState, target: number, elapsedMs: number, share: number, mayRise: boolean,
): void {
  const { used } = region;
  let wanted = 1;
  if (used !== undefined && used > 0) {
    const fitting = (share * target) / used;
    wanted = used > target ? fitting : Math.max(fitting, region.loadLimit + (target - used));
  }
  const gain = 1 - Math.exp(-elapsedMs / loadWindowMs);
  const limit = region.loadLimit + (Math.min(1, wanted) - region.loadLimit) * gain;
  if (limit > region.loadLimit && !mayRise) return;
  region.loadLimit = Math.max(minLoadLimit, limit > 1 - 1e-4 ? 1 : limit);
}
