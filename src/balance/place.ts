/** The pickers that narrow the candidates to the nearest, by map or by measurement, and let another choose. */
import type { Candidate, Clock, Context, Picker, Runtime } from "../core/index.ts";
import { derived } from "./derived.ts";

export interface GeographicOptions {
  /** Where we are, in degrees. */
  readonly lat: number;
  readonly lon: number;
  /** Who is farther than the nearest by no more than this counts as near too, in kilometres. Default 50. */
  readonly toleranceKm?: number;
}

/**
 * Leaves `inner` the candidates nearest on the map by their attributes `lat` and `lon`. Those that do not say where
 * they are come last.
 */
export function geographic(options: GeographicOptions): (inner: Picker) => Picker {
  const toleranceKm = options.toleranceKm ?? 50;
  const nearestOf = derived((candidates) => {
    const distances = candidates.map(({ address: { attributes } }) => {
      const place = { lat: Number(attributes["lat"] ?? NaN), lon: Number(attributes["lon"] ?? NaN) };
      const km = distanceKm(options, place);
      return Number.isNaN(km) ? Infinity : km;
    });
    const least = distances.reduce((min, km) => Math.min(min, km), Infinity);
    return candidates.filter((_, i) => (distances[i] as number) <= least + toleranceKm);
  });
  return narrowed(nearestOf);
}

/** Great-circle distance (haversine) in kilometres; NaN when a coordinate is missing. */
export function distanceKm(
  from: { readonly lat: number; readonly lon: number }, to: { readonly lat: number; readonly lon: number },
): number {
  const radians = Math.PI / 180;
  const lat = Math.sin(((to.lat - from.lat) * radians) / 2);
  const lon = Math.sin(((to.lon - from.lon) * radians) / 2);
  const half = lat * lat + Math.cos(from.lat * radians) * Math.cos(to.lat * radians) * lon * lon;
  return 2 * 6_371 * Math.asin(Math.min(1, Math.sqrt(half)));
}

export interface NearestOptions {
  /** Who is slower than the nearest by no more than this factor, or ... Default 1.5. */
  readonly tolerance?: number;
  /** ... by no more than this many milliseconds, counts as near too. Default 1. */
  readonly toleranceMs?: number;
  /** How often the measurements are looked at, in milliseconds. Default 1,000. */
  readonly refreshMs?: number;
}

/**
 * Leaves `inner` the candidates with the least measured round trip. Those that nobody has measured yet are among
 * them, so that they get measured.
 */
export function nearest(
  runtime: Pick<Runtime, "clock">, options: NearestOptions = {},
): (inner: Picker) => Picker {
  const { clock } = runtime;
  const { tolerance = 1.5, toleranceMs = 1, refreshMs = 1_000 } = options;
  const near = (candidates: readonly Candidate[]): readonly Candidate[] => {
    const least = candidates.reduce((min, candidate) => Math.min(min, roundTrip(candidate)), Infinity);
    const bound = Math.max(least * tolerance, least + toleranceMs);
    return candidates.filter((candidate) => !(roundTrip(candidate) > bound) || roundTrip(candidate) === Infinity);
  };
  const states = derived((candidates) => ({ near: near(candidates), untilMs: clock.now() + refreshMs }));
  return narrowed((candidates) => {
    const state = states(candidates);
    if (refreshDue(clock, state.untilMs)) {
      const now = near(candidates);
      // What inner derived from the array stays with it while its content is the same.
      const same = now.length === state.near.length && now.every((each, i) => each === state.near[i]);
      if (!same) state.near = now;
      state.untilMs = clock.now() + refreshMs;
    }
    return state.near;
  });
}

/** Leaves `inner` those that are not backups while there are any, of these those of the lowest priority number. */
export function primaryBackup(inner: Picker): Picker {
  const firstTier = derived((candidates) => {
    const tierOf = ({ address }: Candidate) => (address.backup ? 1e9 : 0) + address.priority;
    const lowest = candidates.reduce((min, candidate) => Math.min(min, tierOf(candidate)), Infinity);
    return candidates.filter((candidate) => tierOf(candidate) === lowest);
  });
  return narrowed(firstTier)(inner);
}

function narrowed(narrow: (candidates: readonly Candidate[]) => readonly Candidate[]): (inner: Picker) => Picker {
  return (inner) => <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined =>
    inner(narrow(candidates) as readonly C[], context);
}

function roundTrip(candidate: Candidate): number {
  return candidate.load.leastRoundTripMs;
}

function refreshDue(clock: Clock, untilMs: number): boolean {
  return clock.now() >= untilMs;
}
