/** How deep the value stands that is being written, so that one that contains itself ends as an error. */
import { gaveUp } from "../protobuf/gave-up.ts";
import { maxDepth } from "../protobuf/plan.ts";
import type { Trail } from "../protobuf/trail.ts";

/** Lists and objects around the current place. Whoever begins a value sets it to 0 and puts it back afterwards. */
export const nesting = { depth: 0 };

/** Enters a list or an object; the caller leaves it by `nesting.depth--`. */
export function enter(value: unknown, trail: Trail | undefined): void {
  if (++nesting.depth <= maxDepth) return;
  if (trail === undefined) throw gaveUp;
  throw trail.mismatch(`at most ${maxDepth} levels of JSON`, value);
}
