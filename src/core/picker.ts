/**
 * A Picker chooses one candidate: synchronous, pure but for injected chance, never waiting.
 *
 * `candidates` keeps its identity until membership or somebody's status changes, so that a picker may keep
 * what it derives from the set (a ring, groups by region) beside the array it derived it from. Region
 * routing, canaries and panic are pickers over pickers.
 */
import type { Context } from "./context.ts";
import type { Candidate } from "./endpoint.ts";

export interface Picker {
  <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined;
  /**
   * True for a picker that must be given every candidate whatever its status, because it reckons with those
   * that are *not* ready (region health, panic). The others get the ready ones, or if there is none, those
   * that are idle or connecting.
   */
  readonly seesAll?: boolean;
}
