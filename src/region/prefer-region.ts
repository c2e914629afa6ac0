/**
 * Region preference is a picker over a picker: it chooses the region, the inner one chooses within it.
 *
 * Own zone, own region, then the others by measured round trip. Shares follow health by Envoy's mathematics,
 * spill over by load, fall at once and return by a ramp. Unlike other pickers it must be given all candidates,
 * ready or not: health is the ready weight of the known weight, and panic uses the ejected.
 */
import type { Candidate, Clock, Context, Picker, PickExplanation, Runtime } from "../core/index.ts";
import {
  type RegionPicker, type RegionPreferenceOptions, type RegionSettings, regionSettings, type RegionView,
} from "./options.ts";
import { createPlan, type Plan } from "./plan.ts";
import { RegionMap } from "./region-map.ts";
import type { RegionState } from "./region-state.ts";
import { createZones, type Zones } from "./zones.ts";

/** Plans kept for calls that may not go everywhere; beyond it all are made anew. */
const maxPlans = 256;
/** A share that moved by less is not told to the observer. */
const shareStep = 0.05;

/**
 * Makes region preference; apply it to the picker to use within a region.
 *
 * A call whose residency, hops or drained regions leave no region gets no endpoint. Endpoints that an earlier
 * attempt used, and regions too far for what is left of the deadline, are avoided only while others remain.
 */
export function preferRegion(
  runtime: Pick<Runtime, "clock">, options: RegionPreferenceOptions,
): (inner: Picker) => RegionPicker {
  return (inner) => {
    const preference = new RegionPreference(runtime.clock, regionSettings(options), inner);
    const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined =>
      preference.pick(candidates, context) as C | undefined;
    return Object.assign(pick, {
      seesAll: true as const,
      regionShares: () => preference.shares(),
      regions: () => preference.view(),
      explain: (context: Context): PickExplanation => ({ ...inner.explain?.(context), ...preference.explain() }),
    });
  };
}

class RegionPreference {
  readonly #clock: Clock;
  readonly #settings: RegionSettings;
  readonly #inner: Picker;
  readonly #map: RegionMap;
  #candidates: readonly Candidate[] | undefined;
  #plan: Plan | undefined;
  /** That of the last pick, for those who ask why. */
  #lastPlan: Plan | undefined;
  readonly #restricted = new Map<number, Plan>();
  readonly #stale = new Map<number, Plan>();
  /** Of the own region's groups, where zones matter. */
  #zones: readonly ZonesOf[] = [];
  #zonesOf: readonly (readonly Candidate[])[] = [];
  #refreshAtMs = -Infinity;
  #controlVersion = -1;
  /** A call with less time left than this may be unable to go where the plan says. */
  #tightMs = 0;
  #told = new Map<string, number>();

  constructor(clock: Clock, settings: RegionSettings, inner: Picker) {
    this.#clock = clock;
    this.#settings = settings;
    this.#inner = inner;
    this.#map = new RegionMap(clock, settings);
  }

  pick(candidates: readonly Candidate[], context: Context): Candidate | undefined {
    // The attempt knows when it began, which is near enough here and spares reading the clock.
    const now = context.startedMs;
    const { control, residency, home, confineAfterHops } = this.#settings;
    if (
      candidates !== this.#candidates || now >= this.#refreshAtMs ||
      (control !== undefined && control.version !== this.#controlVersion)
    ) this.#refresh(candidates, this.#clock.now());
    const restricted = residency !== undefined || context.avoid.length > 0 || context.hops >= confineAfterHops ||
      (home !== undefined && context.routeKey !== undefined) || context.deadline - now < this.#tightMs;
    const plan = restricted ? this.#restrictedPlan(context, this.#clock.now()) : (this.#plan as Plan);
    this.#lastPlan = plan;
    const index = plan.shares.next();
    if (index < 0) return undefined;
    const picked = this.#pickIn(plan, index, context);
    return picked ?? this.#pickElsewhere(plan, index, context);
  }

  /** Of the last choice: its plan, and why a region has no part in it. */
  explain(): PickExplanation {
    const plan = this.#lastPlan ?? this.#plan;
    if (plan === undefined) return {};
    const { regions } = this.#map;
    const parts = plan.order.map((index) =>
      `${(regions[index] as RegionState).name || "(no region)"} ${percent(plan.shares.shares[index] ?? 0)}`);
    return {
      route: parts.join(", "),
      rejects: ({ address }) => {
        const index = this.#map.indexOf(address.region);
        const region = regions[index];
        if (region === undefined) return "its region is not known";
        if (region.isDrained) return "its region is drained";
        if (!plan.order.includes(index)) return "its region is out of this call's reach";
        return (plan.shares.shares[index] ?? 0) > 0 ? undefined : "nearer regions have room for all";
      },
    };
  }

  shares(): Record<string, number> {
    return Object.fromEntries(this.view().map(({ region, share }) => [region, share]));
  }

  view(): RegionView[] {
    if (this.#candidates !== undefined) this.#refresh(this.#candidates, this.#clock.now());
    return this.#map.order.map((index) => {
      const state = this.#map.regions[index] as RegionState;
      return {
        region: state.name, share: this.#plan?.shares.shares[index] ?? 0, health: state.health,
        ready: state.readyCount, members: state.members.length, roundTripMs: this.#map.distanceMs(state),
        isDrained: state.isDrained, failBack: state.failBack.state.kind,
      };
    });
  }

  #refresh(candidates: readonly Candidate[], now: number): void {
    const { control, refreshMs, panicThreshold } = this.#settings;
    if (candidates !== this.#candidates) {
      this.#candidates = candidates;
      this.#map.update(candidates);
    }
    this.#map.refresh(now, this.#plan?.shares.shares);
    this.#plan = createPlan(this.#map, () => true, -1, panicThreshold, this.#plan);
    // Plans of restricted calls are made when needed, continuing the sequence of those they replace.
    this.#stale.clear();
    for (const [key, plan] of this.#restricted) this.#stale.set(key, plan);
    this.#restricted.clear();
    this.#refreshAtMs = now + refreshMs;
    this.#controlVersion = control?.version ?? -1;
    this.#tightMs = this.#longestNeed(this.#plan);
    this.#refreshZones();
    this.#tell();
  }

  #refreshZones(): void {
    const { region, zone, callersByZone, minZoneEndpoints } = this.#settings;
    const own = this.#map.regions[this.#map.indexOf(region)];
    if (own === undefined || zone === undefined) return;
    const { groups } = own;
    const before = this.#zonesOf;
    if (groups.length === before.length && groups.every((group, i) => group === before[i])) return;
    this.#zonesOf = groups;
    this.#zones = groups.flatMap((of) => {
      const zones = createZones(of, zone, callersByZone, minZoneEndpoints);
      return zones === undefined ? [] : [{ of, zones }];
    });
  }

  #longestNeed(plan: Plan): number {
    let longest = 0;
    for (const index of plan.order) {
      if ((plan.shares.shares[index] as number) === 0) continue;
      longest = Math.max(longest, this.#map.neededMs(this.#map.regions[index] as RegionState));
    }
    return longest;
  }

  #pickIn(plan: Plan, index: number, context: Context): Candidate | undefined {
    const region = this.#map.regions[index] as RegionState;
    const inPanic = plan.panic[index] as boolean;
    const isRepeat = context.avoid.length > 0;
    const among = region.choices(inPanic, isRepeat);
    if (this.#zones.length > 0 && region.name === this.#settings.region && !inPanic && !isRepeat) {
      for (const { of, zones } of this.#zones) {
        if (of !== among) continue;
        const picked = this.#inner(zones.groups[zones.shares.next()] ?? among, context);
        if (picked !== undefined) return picked;
      }
    }
    return this.#inner(among, context);
  }

  /** The inner picker found nobody in the region chosen (a subset that is not there, say): the others in order. */
  #pickElsewhere(plan: Plan, except: number, context: Context): Candidate | undefined {
    for (const index of plan.order) {
      if (index === except) continue;
      const picked = this.#pickIn(plan, index, context);
      if (picked !== undefined) return picked;
    }
    return undefined;
  }

  #restrictedPlan(context: Context, now: number): Plan {
    const map = this.#map;
    const { residency, home: homeOf, region, confineAfterHops, panicThreshold } = this.#settings;
    const { routeKey } = context;
    const residence = residency?.(context);
    const homeName = routeKey === undefined ? undefined : homeOf?.(routeKey, context);
    const home = homeName === undefined ? -1 : map.indexOf(homeName);
    const confined = context.hops >= confineAfterHops;
    const mayUse = (index: number): boolean => {
      const { name } = map.regions[index] as RegionState;
      return (!confined || name === region) && (residence === undefined || residence.includes(name));
    };
    let key = 0;
    let softKey = 0;
    for (let index = 0; index < map.regions.length; index++) {
      if (!mayUse(index)) continue;
      key += 2 ** index;
      if (this.#isWorthwhile(index, home, context, now)) softKey += 2 ** index;
    }
    return this.#planFor(this.#hasService(softKey) ? softKey : key, home, panicThreshold);
  }

  /** Whether an attempt there makes sense: enough time left, and not yet tried as often as one call should. */
  #isWorthwhile(index: number, home: number, context: Context, now: number): boolean {
    const region = this.#map.regions[index] as RegionState;
    const preferred = home >= 0 ? index === home : region.name === this.#settings.region;
    // Of the preferred region only the distance counts: its latency is measured again by being used.
    const needed = preferred ? this.#map.distanceMs(region) : this.#map.neededMs(region);
    if (needed < Infinity && context.deadline - now < needed) return false;
    let tried = 0;
    for (const each of context.avoid) if ((each as Candidate).address?.region === region.name) tried++;
    return tried === 0 || tried < Math.min(this.#settings.attemptsPerRegion, region.able.length);
  }

  #hasService(key: number): boolean {
    const { regions } = this.#map;
    for (let index = 0; index < regions.length; index++) {
      if (has(key, index) && (regions[index] as RegionState).score > 0) return true;
    }
    return false;
  }

  #planFor(key: number, home: number, threshold: number): Plan {
    // The home goes where no set of regions can be: below zero, and behind the point.
    const id = home < 0 ? key : -(key + 1) - (home + 1) / 64;
    const known = this.#restricted.get(id);
    if (known !== undefined) return known;
    if (this.#restricted.size >= maxPlans) this.#restricted.clear();
    const plan = createPlan(this.#map, (index) => has(key, index), home, threshold, this.#stale.get(id));
    this.#restricted.set(id, plan);
    return plan;
  }

  #tell(): void {
    const { observer } = this.#settings;
    if (observer?.event === undefined) return;
    this.#map.regions.forEach((region, index) => {
      const share = this.#plan?.shares.shares[index] ?? 0;
      const told = this.#told.get(region.name);
      const arrived = (share === 0 || share > 1 - 1e-9) && share !== told;
      if (told !== undefined && !arrived && Math.abs(share - told) < shareStep) return;
      this.#told.set(region.name, share);
      observer.event?.("region.share", {
        region: region.name, share, health: region.health, failBack: region.failBack.state.kind,
        drained: region.isDrained,
      });
    });
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}

interface ZonesOf {
  readonly of: readonly Candidate[];
  readonly zones: Zones;
}

/** Whether a set of regions holds one: the sets are sums of powers of two, beyond 32 bits. */
function has(key: number, index: number): boolean {
  return Math.floor(key / 2 ** index) % 2 === 1;
}
