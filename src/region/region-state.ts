/** What a picker knows of one region: who can be called there, how healthy, how far and how busy it is. */
import { type Candidate, type EndpointAddress, tierOf, type TierShare, tierShares } from "../core/index.ts";
import { failBack, type FailBack, type FailBackOptions } from "./fail-back.ts";
import { Shares } from "./shares.ts";

/** Members looked at by one refresh; the next refresh looks at others. */
const sampleSize = 32;

export class RegionState {
  readonly name: string;
  readonly failBack: FailBack;
  /** Everybody of this region that takes traffic and has not closed. */
  members: readonly Candidate[] = [];
  /** How many of them are ready. */
  readyCount = 0;
  everReady = false;
  health = 0;
  score = 0;
  /** Most that fail-back and load let it carry. */
  limit = 1;
  loadLimit = 1;
  isDrained = false;
  roundTripMs = Infinity;
  /** Mean utilisation of its able members; undefined while nobody tells. */
  used: number | undefined = undefined;
  /** The able weight that `used` tells of: reports are averages over a while, in which it was larger if some fell. */
  loadWeight = 0;
  /** Median round trip with the service's time; 0 before the first call. */
  latencyMs = 0;
  /** Those ready, and those idle, which a call wakes. */
  readonly #able = new StableList();
  /** Those able, by tier, while more than one is in use; otherwise empty. */
  #tiers: StableList[] = [];
  #tierShares: Shares | undefined = undefined;
  /** These and the ejected. */
  readonly #anybody = new StableList();
  readonly #connecting = new StableList();
  #knownWeight = 0;
  #ableWeight = 0;
  /** Of those connecting for the first time, and since when there have been so many. */
  #newcomers = 0;
  #newcomersWeight = 0;
  #newcomersSinceMs = -Infinity;
  #sampledFrom = 0;
  #carried = 0;

  constructor(name: string, options: FailBackOptions) {
    this.name = name;
    this.failBack = failBack(options);
  }

  /** Takes the region's members of a new snapshot. */
  update(members: readonly Candidate[], nowMs: number, overprovisioning?: number): void {
    this.members = members;
    const tier = lowestTier(members);
    const active = tierShares(members, isAble, overprovisioning);
    const activeTier = active.at(-1)?.tier ?? Infinity;
    this.#knownWeight = this.#ableWeight = this.#newcomersWeight = this.readyCount = 0;
    const able: Candidate[] = [];
    const connecting: Candidate[] = [];
    let rested: Candidate[] | undefined;
    let ejected: Candidate[] | undefined;
    let newcomers = 0;
    for (const member of members) {
      const { weight } = member.address;
      const own = tierOf(member);
      if (own === tier) this.#knownWeight += weight;
      if (isAble(member)) {
        if (member.status !== "idle") this.readyCount++;
        if (own > activeTier) continue;
        able.push(member);
        if (member.status !== "busy") (rested ??= []).push(member);
        this.#ableWeight += weight;
      } else if (member.status === "connecting") {
        if (own !== tier) continue;
        connecting.push(member);
        if (member.load.readySinceMs > 0) continue;
        newcomers++;
        this.#newcomersWeight += weight;
      } else if (member.status === "ejected" || member.status === "suspect") {
        (ejected ??= []).push(member);
      }
    }
    if (newcomers > this.#newcomers) this.#newcomersSinceMs = nowMs;
    this.#newcomers = newcomers;
    this.everReady ||= this.readyCount > 0;
    // Who is busy is spared while there is somebody who is not.
    this.#able.update(rested ?? able);
    this.#divide(active);
    this.#connecting.update(connecting);
    this.#anybody.update(ejected === undefined ? able : [...able, ...ejected]);
  }

  /** Whom of the able each tier in use has, and its share of the calls. */
  #divide(active: readonly TierShare[]): void {
    if (active.length < 2) {
      if (this.#tierShares === undefined) return;
      this.#tiers = [];
      this.#tierShares = undefined;
      return;
    }
    const { able } = this;
    const its = active.map(({ tier }) => able.filter((one) => tierOf(one) === tier));
    // Who is all busy leaves its share to the others.
    this.#tierShares = new Shares(active.map(({ share }, i) => (its[i]?.length ? share : 0)), this.#tierShares);
    its.forEach((list, i) => (this.#tiers[i] ??= new StableList()).update(list));
    this.#tiers.length = its.length;
  }

  /** Who is called normally. The array keeps its identity while its content is the same. */
  get able(): readonly Candidate[] {
    return this.#able.list;
  }

  /** Whether there is anybody with a connection, good or bad. */
  get isUp(): boolean {
    return this.#anybody.list.length > 0;
  }

  /** Those among whom first attempts choose: all who are able, or, while several tiers are in use, those of each. */
  get groups(): readonly (readonly Candidate[])[] {
    return this.#tiers.length === 0 ? [this.#able.list] : this.#tiers.map(({ list }) => list);
  }

  /**
   * The candidates to choose among: those able, in panic the ejected as well, at worst those connecting. First attempts
   * are divided among the tiers in use; repeats have them all, lest they meet whom they have tried.
   */
  choices(inPanic: boolean, isRepeat: boolean): readonly Candidate[] {
    if (this.#tierShares !== undefined && !inPanic && !isRepeat) {
      const list = this.#tiers[this.#tierShares.next()]?.list ?? [];
      if (list.length > 0) return list;
    }
    const preferred = inPanic ? this.#anybody.list : this.#able.list;
    return preferred.length > 0 ? preferred : this.#connecting.list;
  }

  /**
   * The most that it has carried since it is back, while its return is damped. What the others have no room for comes
   * back before the ramp has got so far, and stays: as the ramp relieves them, it must not go to them once more.
   */
  carriedSince(share: number): number {
    const { kind } = this.failBack.state;
    const isReturning = this.everReady && (kind === "held" || kind === "ramping");
    return this.#carried = isReturning ? Math.max(this.#carried, share) : 0;
  }

  get isUsable(): boolean {
    return this.isUp || this.#connecting.list.length > 0;
  }

  /**
   * Works out the health: weight that can take calls, of the weight there is. Those that connect for the first time
   * count as able for `connectGraceMs`, or starting and adding servers would look like failing; those that are
   * dialled again do not.
   */
  reckonHealth(nowMs: number, connectGraceMs: number): void {
    const trusted = nowMs - this.#newcomersSinceMs < connectGraceMs;
    const able = this.#ableWeight + (trusted ? this.#newcomersWeight : 0);
    this.health = this.#knownWeight > 0 ? Math.min(1, able / this.#knownWeight) : 0;
  }

  /** Refreshes distance and latency from a sample of the members. */
  measure(): void {
    const { members } = this;
    const latencies: number[] = [];
    const n = Math.min(sampleSize, members.length);
    for (let i = 0; i < n; i++) {
      const { load } = members[(this.#sampledFrom + i) % members.length] as Candidate;
      if (load.leastRoundTripMs < this.roundTripMs) this.roundTripMs = load.leastRoundTripMs;
      if (load.pingMs > 0 && load.pingMs < this.roundTripMs) this.roundTripMs = load.pingMs;
      if (load.latencyMs > 0) latencies.push(load.latencyMs);
    }
    this.#sampledFrom = members.length === 0 ? 0 : (this.#sampledFrom + n) % members.length;
    if (latencies.length === 0) return;
    latencies.sort((a, b) => a - b);
    this.latencyMs = latencies[latencies.length >> 1] as number;
  }

  /** The weight of those able. */
  get ableWeight(): number {
    return this.#ableWeight;
  }

  /**
   * Works out the mean utilisation of the able members by weight, from a sample: what they reported within
   * `reportExpiryMs`, or their attempts in flight against `concurrencyPerWeight`. `windows` is the time since the last
   * reckoning, in spans over which reports are averages.
   */
  reckonLoad(
    nowMs: number, reportExpiryMs: number, concurrencyPerWeight: number | undefined, windows: number,
  ): void {
    const { able } = this;
    const n = Math.min(sampleSize, able.length);
    let weights = 0;
    let used = 0;
    for (let i = 0; i < n; i++) {
      const { load, address } = able[(this.#sampledFrom + i) % able.length] as Candidate;
      if (load.report !== undefined && nowMs - load.reportAtMs <= reportExpiryMs) {
        used += load.report.cpu * address.weight;
        weights += address.weight;
      } else if (concurrencyPerWeight !== undefined) {
        used += load.inFlight / concurrencyPerWeight;
        weights += address.weight;
      }
    }
    this.used = weights > 0 ? used / weights : undefined;
    const fallen = Math.max(0, this.loadWeight - this.#ableWeight);
    this.loadWeight = this.#ableWeight + fallen * Math.exp(-windows);
  }
}

function lowestTier(members: readonly Candidate[]): number {
  let lowest = Infinity;
  for (const member of members) lowest = Math.min(lowest, tierOf(member));
  return lowest;
}

/** Whether calls may go there at once. One that is idle only waits to be asked. */
function isAble({ status }: Candidate): boolean {
  return status === "ready" || status === "idle" || status === "busy";
}

/** A list that stays the same array while it holds the same, so that what a picker derived from it lives on. */
class StableList {
  list: readonly Candidate[] = [];
  /** An endpoint whose weight changes keeps its object and gets another address. */
  #addresses: readonly EndpointAddress[] = [];

  update(list: readonly Candidate[]): void {
    if (this.#holds(list)) return;
    this.list = list;
    this.#addresses = list.map((each) => each.address);
  }

  #holds(list: readonly Candidate[]): boolean {
    if (list.length !== this.list.length) return false;
    for (let i = 0; i < list.length; i++) {
      if (list[i] !== this.list[i] || (list[i] as Candidate).address !== this.#addresses[i]) return false;
    }
    return true;
  }
}
