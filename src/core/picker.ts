/**
 * A Picker chooses one candidate: synchronous, pure but for injected chance, never waiting.
 *
 * `candidates` keeps its identity until membership or somebody's status changes, so that a picker may keep
 * what it derives from the set (a ring, groups by region) beside the array it derived it from. Region
 * routing, canaries and panic are pickers over pickers.
 */
import type { Context } from "./context.ts";
import type { Candidate } from "./endpoint.ts";

/**
 * What a picker says of the choice that it has just made, for people who ask why. Nobody asks on a usual call's way.
 */
export interface PickExplanation {
  /** How calls like this one are divided, most preferred first: `eu-west 80 %, us-east 20 %`. */
  readonly route?: string | undefined;
  /** The name of the rule that decided. */
  readonly rule?: string | undefined;
  /** Those that were compared, where that is not all of them. */
  readonly compared?: readonly Candidate[] | undefined;
  /** What it compares; less is better. */
  score?(candidate: Candidate): number | undefined;
  /** Why one was not even compared; undefined for one that might have been. */
  rejects?(candidate: Candidate): string | undefined;
}

export interface Picker {
  <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined;
  /**
   * True for a picker that must be given every candidate whatever its status, because it reckons with those
   * that are *not* ready (region health, panic). The others get the ready ones, or if there is none, those
   * that are idle or connecting.
   */
  readonly seesAll?: boolean;
  /** Explains its last choice, made for `context`, or what it would reckon with now. A picker over another asks it. */
  readonly explain?: ((context: Context) => PickExplanation) | undefined;
}
