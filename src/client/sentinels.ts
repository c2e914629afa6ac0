/**
 * Sentinels ask servers that nobody calls whether they live, so that calls do not spill to a region that has died.
 *
 * An idle connection is pinged every few seconds, which is too seldom for whoever turns to it when others are full or
 * gone. So in each region one idle server at a time, in turn, is asked several times a second: a region that dies is
 * known to be dead as soon as one that is called. What that costs is bounded by the calls that are made. While one
 * server's answer is overdue, a few idle ones of its region are asked as well; if they owe an answer too when it
 * becomes suspect, the verdict is the region's, and those that were not asked share it.
 */
import { Alarm } from "../core/alarm.ts";
import { numberOption } from "../core/option.ts";
import type { Clock } from "../core/runtime.ts";
import type { LoopGuard } from "../health/index.ts";
import type { ClientEndpoint } from "./endpoint.ts";

export interface SentinelOptions {
  /**
   * In each region one connection without calls is pinged so often, in turn, in milliseconds, but there is at most one
   * such ping for every twenty calls of the client. Default 200; `false` for the pings of `idleHeartbeatMs` alone.
   */
  readonly sentinelMs?: number | false | undefined;
}

/** Pings for each call. */
const pingsPerCall = 0.05;
/** Idle servers of a region that are asked when one of them is in doubt, and how often at most, in milliseconds. */
const [doubtSample, doubtPauseMs] = [8, 300];

interface Group {
  readonly endpoints: ClientEndpoint[];
  /** The one that is asked next. */
  next: number;
  /** When it was last in doubt, and who were asked then. */
  doubtAtMs: number;
  asked: readonly ClientEndpoint[];
}

export class Sentinels extends Alarm {
  override keepsAlive = false;
  readonly #clock: Clock;
  readonly #guard: LoopGuard;
  readonly #everyMs: number;
  readonly #endpoints: () => readonly ClientEndpoint[];
  /** Those of one region that are connected; made anew at the next look when that may have changed. */
  #groups: ReadonlyMap<string, Group> = new Map();
  #isStale = true;
  #ended = 0;
  #tokens = 0;

  constructor(clock: Clock, guard: LoopGuard, everyMs: number, endpoints: () => readonly ClientEndpoint[]) {
    super();
    this.#clock = clock;
    this.#guard = guard;
    this.#everyMs = everyMs;
    this.#endpoints = endpoints;
    clock.set(this, clock.now() + everyMs);
  }

  close(): void {
    this.#clock.clear(this);
  }

  /** Somebody was added, removed, connected or lost. */
  changed(): void {
    this.#isStale = true;
  }

  ring(): void {
    const nowMs = this.#clock.now();
    this.#clock.set(this, nowMs + this.#everyMs);
    const groups = this.#current();
    const ended = this.#endedSince();
    this.#tokens = Math.min(groups.size, this.#tokens + ended * pingsPerCall);
    if (this.#tokens < 1 || this.#guard.stalledRecently(this.#everyMs)) return;
    // Where nothing was heard for longest, first.
    const quietest = [...groups.values()].toSorted((a, b) => heardAtMs(a) - heardAtMs(b));
    for (const group of quietest) {
      if (this.#tokens < 1) return;
      const one = group.endpoints[group.next++ % group.endpoints.length];
      if (one?.ask(nowMs, this.#everyMs) === true) this.#tokens--;
    }
  }

  /** An answer of `endpoint` is overdue: some idle neighbours are asked, which may be as dead. */
  doubted(endpoint: ClientEndpoint): void {
    const group = this.#current().get(endpoint.address.region);
    const nowMs = this.#clock.now();
    if (group === undefined || nowMs - group.doubtAtMs < doubtPauseMs) return;
    group.doubtAtMs = nowMs;
    const { endpoints } = group;
    const asked: ClientEndpoint[] = [];
    for (let i = 0; i < endpoints.length && asked.length < doubtSample; i++) {
      const one = endpoints[(group.next + i) % endpoints.length] as ClientEndpoint;
      if (one !== endpoint && one.ask(nowMs, 0)) asked.push(one);
    }
    group.asked = asked;
  }

  /**
   * Those who share the verdict on `endpoint` without having been asked: if all who were asked with it owe an answer as
   * well, the idle ones of its region that were not heard since.
   */
  sharing(endpoint: ClientEndpoint, nowMs: number): readonly ClientEndpoint[] {
    const group = this.#groups.get(endpoint.address.region);
    // Few say little of many.
    if (group === undefined || group.asked.length < doubtSample / 2) return [];
    const { asked, doubtAtMs } = group;
    if (!asked.every((one) => one.status !== "ready" || one.isDoubted(nowMs))) return [];
    return group.endpoints.filter((one) => one.load.inFlight === 0 && one.heardAtMs < doubtAtMs);
  }

  #current(): ReadonlyMap<string, Group> {
    if (!this.#isStale) return this.#groups;
    this.#isStale = false;
    const before = this.#groups;
    const groups = new Map<string, Group>();
    for (const endpoint of this.#endpoints()) {
      if (!endpoint.isConnected) continue;
      const { region } = endpoint.address;
      const group = groups.get(region);
      if (group !== undefined) group.endpoints.push(endpoint);
      else {
        const { next = 0, doubtAtMs = -Infinity, asked = [] } = before.get(region) ?? {};
        groups.set(region, { endpoints: [endpoint], next, doubtAtMs, asked });
      }
    }
    return this.#groups = groups;
  }

  /** Attempts that have ended since this was asked last. Counted here, so that calls pay nothing for it. */
  #endedSince(): number {
    let ended = 0;
    for (const { endpoints } of this.#groups.values()) for (const { load } of endpoints) ended += load.ended;
    const since = Math.max(0, ended - this.#ended);
    this.#ended = ended;
    return since;
  }
}

function heardAtMs({ endpoints }: Group): number {
  let latestMs = -Infinity;
  for (const one of endpoints) latestMs = Math.max(latestMs, one.heardAtMs);
  return latestMs;
}

/** Makes them, unless the options say otherwise. */
export function sentinels(
  clock: Clock, guard: LoopGuard, { sentinelMs = 200 }: SentinelOptions, endpoints: () => readonly ClientEndpoint[],
): Sentinels | undefined {
  if (sentinelMs === false) return undefined;
  numberOption("sentinelMs", sentinelMs, { least: 20, most: 60_000, unit: "milliseconds" });
  return new Sentinels(clock, guard, sentinelMs, endpoints);
}
