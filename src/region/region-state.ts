/** What a picker knows of one region: who can be called there, how healthy, how far and how busy it is. */
import type { Candidate } from "../core/index.ts";
import { failBack, type FailBack, type FailBackOptions } from "./fail-back.ts";

/** Members looked at by one refresh; the next refresh looks at others. */
const sampleSize = 32;

export class RegionState {
  readonly name: string;
  readonly firstSeenMs: number;
  readonly failBack: FailBack;
  /** Everybody of this region that takes traffic and has not closed. */
  members: readonly Candidate[] = [];
  /** Who is called normally; the array keeps its identity while its content is the same. */
  ready: readonly Candidate[] = [];
  /** Who is called in panic. */
  anybody: readonly Candidate[] = [];
  everReady = false;
  health = 0;
  score = 0;
  /** Most that fail-back and load let it carry. */
  limit = 1;
  loadLimit = 1;
  isDrained = false;
  roundTripMs = Infinity;
  /** Median round trip with the service's time; 0 before the first call. */
  latencyMs = 0;
  #knownWeight = 0;
  #readyWeight = 0;
  #idleWeight = 0;
  #connectingWeight = 0;
  #standby: readonly Candidate[] = [];
  #sampledFrom = 0;

  constructor(name: string, nowMs: number, options: FailBackOptions) {
    this.name = name;
    this.firstSeenMs = nowMs;
    this.failBack = failBack(options);
  }

  /** Takes the region's members of a new snapshot. */
  update(members: readonly Candidate[]): void {
    this.members = members;
    const tier = lowestTier(members, false);
    const readyTier = lowestTier(members, true);
    this.#knownWeight = this.#readyWeight = this.#idleWeight = this.#connectingWeight = 0;
    const ready: Candidate[] = [];
    const standby: Candidate[] = [];
    let ejected: Candidate[] | undefined;
    for (const member of members) {
      const { weight } = member.address;
      const own = tierOf(member);
      if (own === tier) this.#knownWeight += weight;
      switch (member.status) {
        case "ready":
          if (own !== readyTier) break;
          ready.push(member);
          this.#readyWeight += weight;
          break;
        case "idle":
        case "connecting":
          if (own !== tier) break;
          standby.push(member);
          if (member.status === "idle") this.#idleWeight += weight;
          else this.#connectingWeight += weight;
          break;
        case "ejected":
          (ejected ??= []).push(member);
          break;
        case "draining":
        case "closed":
      }
    }
    this.everReady ||= ready.length > 0;
    this.ready = sameMembers(this.ready, ready) ? this.ready : ready;
    this.#standby = sameMembers(this.#standby, standby) ? this.#standby : standby;
    const anybody = ejected === undefined ? this.ready : [...this.ready, ...ejected];
    this.anybody = sameMembers(this.anybody, anybody) ? this.anybody : anybody;
  }

  /** The candidates to choose among: those ready, or waiting to be; in panic the ejected ones as well. */
  choices(inPanic: boolean): readonly Candidate[] {
    const preferred = inPanic ? this.anybody : this.ready;
    return preferred.length > 0 ? preferred : this.#standby;
  }

  get isUsable(): boolean {
    return this.anybody.length > 0 || this.#standby.length > 0;
  }

  /**
   * Works out the health: weight that can take calls, of the weight there is. Endpoints that nobody has asked to
   * connect count as able; those that are connecting do too until `connectGraceMs` after the region was first seen,
   * but not when a region that once worked is being dialled again.
   */
  reckonHealth(nowMs: number, connectGraceMs: number): void {
    const trusted = !this.everReady && nowMs - this.firstSeenMs < connectGraceMs;
    const able = this.#readyWeight + this.#idleWeight + (trusted ? this.#connectingWeight : 0);
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

  /**
   * Mean utilisation of the ready members by weight, from a sample: what they reported within `reportExpiryMs`, or
   * their attempts in flight against `concurrencyPerWeight`. Undefined when neither is known.
   */
  utilisation(nowMs: number, reportExpiryMs: number, concurrencyPerWeight: number | undefined): number | undefined {
    const { ready } = this;
    const n = Math.min(sampleSize, ready.length);
    let weights = 0;
    let used = 0;
    for (let i = 0; i < n; i++) {
      const { load, address } = ready[(this.#sampledFrom + i) % ready.length] as Candidate;
      if (load.report !== undefined && nowMs - load.reportAtMs <= reportExpiryMs) {
        used += load.report.cpu * address.weight;
        weights += address.weight;
      } else if (concurrencyPerWeight !== undefined) {
        used += load.inFlight / concurrencyPerWeight;
        weights += address.weight;
      }
    }
    return weights > 0 ? used / weights : undefined;
  }
}

/** Backups stand behind everybody else, then the lower priority number comes first. */
function tierOf(candidate: Candidate): number {
  const { backup, priority } = candidate.address;
  return backup ? 1e9 + priority : priority;
}

function lowestTier(members: readonly Candidate[], readyOnly: boolean): number {
  let lowest = Infinity;
  for (const member of members) {
    if (readyOnly && member.status !== "ready") continue;
    const tier = tierOf(member);
    if (tier < lowest) lowest = tier;
  }
  return lowest;
}

/** Whether two lists hold the same candidates in the same order. */
export function sameMembers(a: readonly Candidate[], b: readonly Candidate[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
