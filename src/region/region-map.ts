/** The region map keeps what is known of each region up to date: from snapshots, from samples, from the clock. */
import type { Candidate, Clock } from "../core/index.ts";
import type { RegionSettings } from "./options.ts";
import { healthScore } from "./priority.ts";
import { RegionState } from "./region-state.ts";

/** Sets of regions are numbers with one bit each, exact beyond here; further regions are not looked at. */
export const maxRegions = 40;
/** Time constant of the load controller, in milliseconds. */
const loadWindowMs = 1_000;
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
    for (let i = 0; i < this.regions.length; i++) {
      const region = this.regions[i] as RegionState;
      region.isDrained = settings.control?.isDrained(region.name) ?? false;
      region.reckonHealth(now, settings.connectGraceMs);
      region.measure();
      const inService = !region.isDrained && region.isUsable;
      region.score = inService ? healthScore(region.health, settings.overprovisioning) : 0;
      if (elapsed > 0) this.#steerByLoad(region, now, elapsed, shares?.[i] ?? 0);
      // A region that never worked cannot fail back: it is starting.
      const returning = region.everReady ? region.failBack.update(region.score, now) : 1;
      region.limit = Math.min(returning, region.loadLimit);
    }
    this.#refreshedAtMs = now;
    this.#sort();
  }

  /**
   * Moves the share a region may take towards what would bring its utilisation to the target: the share that now
   * makes `used` should be `share * target / used`. Below the target the limit rises by the head-room.
   */
  #steerByLoad(region: RegionState, now: number, elapsedMs: number, share: number): void {
    const { spillAtUtilisation: target, reportExpiryMs, concurrencyPerWeight } = this.#settings;
    if (target === Infinity) return;
    const used = region.utilisation(now, reportExpiryMs, concurrencyPerWeight);
    let wanted = 1;
    if (used !== undefined && used > 0) {
      const fitting = (share * target) / used;
      wanted = used > target ? fitting : Math.max(fitting, region.loadLimit + (target - used));
    }
    const gain = 1 - Math.exp(-elapsedMs / loadWindowMs);
    const limit = region.loadLimit + (Math.min(1, wanted) - region.loadLimit) * gain;
    region.loadLimit = Math.max(minLoadLimit, Math.min(1, limit > 1 - 1e-4 ? 1 : limit));
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
