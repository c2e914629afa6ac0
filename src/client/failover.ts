/**
 * Failover says which of the endpoints are in use: the active group, in it the tiers that are needed, in these whoever
 * is ready, rested ones first.
 *
 * Reckoned anew when somebody's status changes, never on a call's way.
 */
import { Alarm } from "../core/alarm.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { Observer } from "../core/observer.ts";
import type { Clock } from "../core/runtime.ts";
import { tierOf, tierOverprovisioning, tierShares } from "../core/tiers.ts";
import { Shares } from "../region/shares.ts";
import type { ClientEndpoint } from "./endpoint.ts";

export interface FailoverOptions {
  /**
   * Endpoints of the next `priority` join when those before them are down to one part in this. Default 1.4; 1 replaces
   * each one that is out (N+1); Infinity waits until none is left. With a region, `regions.overprovisioning` counts.
   */
  readonly overprovisioning?: number | undefined;
  /** Active groups: sets of servers that take over from one another as a whole. Default: none. */
  readonly groups?: GroupOptions | undefined;
}

export interface GroupOptions {
  /** What makes a group: `region`, `zone` or names of attributes, e.g. `["shard", "version"]`. */
  readonly by: readonly string[];
  /** Groups in order of preference, e.g. `["blue", "green"]`; values of several labels are joined by `/`. */
  readonly order?: readonly string[] | undefined;
  /** How many groups are in use at once. Default 1. */
  readonly active?: number | undefined;
  /** Share of its weight that must be able for a group to be used. Default 0.71. */
  readonly minHealth?: number | undefined;
  /** How long a group that failed must be well before it is used again, in milliseconds. Default 30,000. */
  readonly failBackMs?: number | undefined;
}

/** How long endpoints that connect for the first time count as able, in milliseconds. */
export const newcomerGraceMs = 1_000;

interface Group {
  readonly key: string;
  readonly members: ClientEndpoint[];
  rank: number;
  tier: number;
  known: number;
  able: number;
}

/** The next list to choose from is `lists[shares.next()]`. */
export interface Divided {
  readonly lists: readonly (readonly ClientEndpoint[])[];
  readonly shares: Shares;
}

/** What is remembered of a group between two looks. */
interface History {
  /** It was in use and failed, and has not been well for long enough since. */
  wasLost: boolean;
  /** Since when it is well; Infinity while it is not. */
  wellSinceMs: number;
}

export class Failover extends Alarm {
  override keepsAlive = false;
  readonly #clock: Clock;
  readonly #options: FailoverOptions;
  readonly #observer: Observer;
  readonly #changed: () => void;
  #histories = new Map<string, History>();
  #active: readonly string[] = [];
  #divided: Divided | undefined = undefined;
  /** Until then newcomers count as able. */
  graceUntilMs = -Infinity;

  constructor(clock: Clock, options: FailoverOptions, observer: Observer, changed: () => void) {
    super();
    this.#clock = clock;
    this.#options = options;
    this.#observer = observer;
    this.#changed = changed;
  }

  /** Servers were added, which begin to connect. */
  begin(): void {
    this.graceUntilMs = this.#clock.now() + newcomerGraceMs;
    this.#clock.set(this, this.graceUntilMs);
  }

  close(): void {
    this.#clock.clear(this);
  }

  override ring(): void {
    this.#changed();
  }

  /** The groups in use now; empty where there are none. */
  get activeGroups(): readonly string[] {
    return this.#active;
  }

  /** Those of the active groups, whatever their status. */
  members(all: readonly ClientEndpoint[]): readonly ClientEndpoint[] {
    const { groups } = this.#options;
    if (groups === undefined || all.length === 0) return all;
    const nowMs = this.#clock.now();
    const ordered = this.#grouped(all, groups, nowMs);
    const active = this.#choose(ordered, groups, nowMs);
    this.#tell(active.map(({ key }) => key));
    return active.flatMap(({ members }) => members);
  }

  /** Whom to choose among; `idle` says whether endpoints without a connection count as ready. */
  select(all: readonly ClientEndpoint[], idle: boolean): readonly ClientEndpoint[] {
    const members = this.members(all);
    const inGrace = this.#clock.now() < this.graceUntilMs;
    const isReady = ({ status }: ClientEndpoint): boolean =>
      status === "ready" || status === "busy" || (idle && status === "idle");
    const isComing = (one: ClientEndpoint): boolean => inGrace && one.isNew &&
      (one.status === "connecting" || one.status === "idle");
    const tiers = tierShares(members, (one) => isReady(one) || isComing(one),
      this.#options.overprovisioning ?? tierOverprovisioning);
    const tier = tiers.at(-1)?.tier ?? Infinity;
    const inUse = members.filter((one) => tierOf(one) <= tier);
    const ready = inUse.filter(isReady);
    const rested = ready.filter(({ status }) => status !== "busy");
    const preferred = rested.length > 0 ? rested : ready;
    const lists = tiers.length < 2 ? [] : tiers.map(({ tier: own }) => preferred.filter((one) => tierOf(one) === own));
    this.#divided = lists.filter((list) => list.length > 0).length < 2
      ? undefined
      : {
        lists,
        shares: new Shares(tiers.map(({ share }, i) => (lists[i]?.length ? share : 0)), this.#divided?.shares),
      };
    const fallbacks = [
      () => rested, () => ready, () => inUse.filter(isComing),
      // Bad answers are better than none (panic).
      () => all.filter(({ status }) => status === "ejected"),
      () => all.filter(({ status }) => status === "connecting" || status === "idle"),
      () => all.filter((one) => one.status !== "closed" && !one.isDrained),
    ];
    for (const those of fallbacks) {
      const chosen = those();
      if (chosen.length > 0) return chosen;
    }
    return [];
  }

  /**
   * How first attempts are divided among the tiers in use, if there are several, by what was selected last. Repeats
   * have them all, lest they meet whom they have tried.
   */
  get divided(): Divided | undefined {
    return this.#divided;
  }

  #grouped(all: readonly ClientEndpoint[], options: GroupOptions, nowMs: number): Group[] {
    const byKey = new Map<string, Group>();
    const inGrace = nowMs < this.graceUntilMs;
    for (const one of all) {
      if (one.status === "closed") continue;
      const key = groupOf(one.address, options.by);
      let group = byKey.get(key);
      if (group === undefined) {
        const rank = options.order?.indexOf(key) ?? -1;
        byKey.set(key, group = {
          key, members: [], rank: rank < 0 ? Infinity : rank, tier: Infinity, known: 0, able: 0,
        });
      }
      const { weight } = one.address;
      group.members.push(one);
      group.tier = Math.min(group.tier, tierOf(one));
      group.known += weight;
      const isAble = one.status === "ready" || one.status === "busy" || one.status === "idle" || (inGrace && one.isNew);
      if (isAble) group.able += weight;
    }
    return [...byKey.values()].sort((a, b) => (a.rank === b.rank ? 0 : a.rank - b.rank) || a.tier - b.tier ||
      (a.key < b.key ? -1 : 1));
  }

  #choose(ordered: readonly Group[], options: GroupOptions, nowMs: number): Group[] {
    const { active = 1, minHealth = 0.71, failBackMs = 30_000 } = options;
    const histories = new Map<string, History>();
    const well: Group[] = [];
    let againAtMs = Infinity;
    for (const group of ordered) {
      const history = this.#histories.get(group.key) ?? { wasLost: false, wellSinceMs: Infinity };
      histories.set(group.key, history);
      if (health(group) < minHealth) {
        history.wellSinceMs = Infinity;
        history.wasLost ||= this.#active.includes(group.key);
        continue;
      }
      history.wellSinceMs = Math.min(history.wellSinceMs, nowMs);
      if (history.wasLost && nowMs < history.wellSinceMs + failBackMs) {
        againAtMs = Math.min(againAtMs, history.wellSinceMs + failBackMs);
        continue;
      }
      history.wasLost = false;
      well.push(group);
    }
    this.#histories = histories;
    if (againAtMs < Infinity && (!this.isSet || this.ringsAtMs < nowMs)) this.#clock.set(this, againAtMs);
    const count = Math.max(1, active);
    const chosen = well.slice(0, count);
    if (chosen.length === count) return chosen;
    // Too few are well: whoever is best off helps out, held back or not.
    const others = ordered.filter((group) => !chosen.includes(group) && group.able > 0)
      .sort((a, b) => health(b) - health(a));
    chosen.push(...others.slice(0, count - chosen.length));
    return chosen.length > 0 ? chosen : ordered.slice(0, count);
  }

  #tell(active: readonly string[]): void {
    const before = this.#active;
    if (before.length === active.length && before.every((key, i) => key === active[i])) return;
    this.#active = active;
    this.#observer.event?.("failover.groups", { before, active });
  }
}

function health(group: Group): number {
  return group.known > 0 ? group.able / group.known : 0;
}

/** `blue/2`: the values of an endpoint's labels, empty where it has none. */
export function groupOf(address: EndpointAddress, by: readonly string[]): string {
  return by.map((label) => {
    if (label === "region") return address.region;
    return label === "zone" ? address.zone : address.attributes[label] ?? "";
  }).join("/");
}
