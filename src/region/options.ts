/** The settings of region preference, with the defaults they resolve to. */
import type { Context, Observer, Picker } from "../core/index.ts";
import type { FailBackOptions } from "./fail-back.ts";
import { overprovisioningFactor, panicThreshold } from "./priority.ts";
import type { RegionControl } from "./region-control.ts";

export interface RegionPreferenceOptions extends FailBackOptions {
  /** The region this process is in. */
  readonly region: string;
  /** Its zone; calls stay in it while it has its share of the servers. Default "": zones are ignored. */
  readonly zone?: string | undefined;
  /** Share of the callers in each zone of the own region. Default: the same in each. */
  readonly callersByZone?: Readonly<Record<string, number>> | undefined;
  /** Fewest ready endpoints of the own region for zones to be looked at. Default 6 (Envoy's). */
  readonly minZoneEndpoints?: number;
  /** Regions in order of preference after the own one. Those not named follow by measured round trip. */
  readonly order?: readonly string[] | undefined;
  /** Round trip to expect to a region that nobody has measured, in milliseconds (from geography, say). */
  readonly expectedRoundTripMs?: ((region: string) => number | undefined) | undefined;
  /**
   * Scores a region's health times this, at most 1; within a region, endpoints of the next priority join when those
   * before them are down to one part in this. Default 1.4 (Envoy's); 1 replaces each one that is out (N+1).
   */
  readonly overprovisioning?: number;
  /** Health below which a region that is needed uses ejected endpoints as well. Default 0.5 (Envoy's). */
  readonly panicThreshold?: number;
  /** Utilisation above which the excess goes elsewhere; Infinity for never. Default 0.75 (ServiceRouter's). */
  readonly spillAtUtilisation?: number;
  /** Attempts in flight per unit of weight that make 100 % where servers report no load. Default: not reckoned. */
  readonly concurrencyPerWeight?: number | undefined;
  /** Age at which a server's load report is disregarded, in milliseconds. Default 10,000. */
  readonly reportExpiryMs?: number;
  /** How long endpoints that connect for the first time count as able, in milliseconds. Default 1,000. */
  readonly connectGraceMs?: number;
  /** Attempts of one call in one region before it goes to another. Default 2. */
  readonly attemptsPerRegion?: number;
  /** Calls that have passed so many gateways stay in this region, which ends every loop. Default 1. */
  readonly confineAfterHops?: number;
  /** The regions a call must not leave; undefined for any. Never overridden, not even by panic. */
  readonly residency?: ((context: Context) => readonly string[] | undefined) | undefined;
  /** The region a route key lives in, preferred to the own one; undefined for none. */
  readonly home?: ((routeKey: string, context: Context) => string | undefined) | undefined;
  /** The switchboard by which regions are drained; shared by all pickers that should obey it. */
  readonly control?: RegionControl | undefined;
  /** How often distances, utilisation and shares are reckoned anew, in milliseconds. Default 100. */
  readonly refreshMs?: number;
  /** Hears `region.share` when a region's share has moved by 5 points, or reached nothing or everything. */
  readonly observer?: Observer | undefined;
}

export type RegionSettings = Required<RegionPreferenceOptions>;

/** Fills in the defaults. */
export function regionSettings(options: RegionPreferenceOptions): RegionSettings {
  return {
    region: options.region,
    zone: options.zone ?? "",
    callersByZone: options.callersByZone,
    minZoneEndpoints: options.minZoneEndpoints ?? 6,
    order: options.order,
    expectedRoundTripMs: options.expectedRoundTripMs,
    overprovisioning: options.overprovisioning ?? overprovisioningFactor,
    panicThreshold: options.panicThreshold ?? panicThreshold,
    spillAtUtilisation: options.spillAtUtilisation ?? 0.75,
    concurrencyPerWeight: options.concurrencyPerWeight,
    reportExpiryMs: options.reportExpiryMs ?? 10_000,
    connectGraceMs: options.connectGraceMs ?? 1_000,
    attemptsPerRegion: options.attemptsPerRegion ?? 2,
    confineAfterHops: options.confineAfterHops ?? 1,
    residency: options.residency,
    home: options.home,
    control: options.control,
    refreshMs: options.refreshMs ?? 100,
    observer: options.observer,
    holdDownMs: options.holdDownMs ?? 5_000,
    maxHoldDownMs: options.maxHoldDownMs ?? 60_000,
    rampMs: options.rampMs ?? 30_000,
    flapWindowMs: options.flapWindowMs ?? 60_000,
  };
}

/** A picker that looks at every candidate, and can say how it divides the traffic. */
export interface RegionPicker extends Picker {
  readonly seesAll: true;
  /** The share of unrestricted calls that each region gets now, 0 to 1, nearest first. */
  regionShares(): Record<string, number>;
  /** What it reckons with, for a live view: nearest first. */
  regions(): RegionView[];
}

export interface RegionView {
  readonly region: string;
  readonly share: number;
  /** Weight that can take calls, of the weight there is. */
  readonly health: number;
  readonly ready: number;
  readonly members: number;
  readonly roundTripMs: number;
  readonly isDrained: boolean;
  /** The damped return of the region: open, down, held or ramping. */
  readonly failBack: string;
}
