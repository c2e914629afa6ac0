/** Goals of a rehearsal: what must hold, where and when. Each is judged for every seed. */
import type { Place, Refuse } from "../discovery/services.ts";
import type { KnownNames } from "./rehearsal-events.ts";
import { duration, listOf, mustKnow, number, oneOf, shape, text } from "./rehearsal-readers.ts";

/**
 * - `goodput`: share of the calls due that are answered well in time;
 * - `errors`: share of the calls due that are not;
 * - `p50`, `p99`: milliseconds, failures counted at their deadline;
 * - `amplification`: attempts for each call within any second;
 * - `utilisation`: the busiest region's, averaged over a second;
 * - `turns`: changes of direction of the share of calls that stay in their own region;
 * - `recovery`: milliseconds from `from` until every later second's goodput is at least 99 %.
 */
export const goalKinds = [
  "goodput", "errors", "p50", "p99", "amplification", "utilisation", "turns", "recovery",
] as const;
export type GoalKind = (typeof goalKinds)[number];

export interface GoalPlan {
  readonly of: GoalKind;
  readonly bound: "least" | "most";
  readonly value: number;
  /** Of the clients there (of the servers, for `utilisation`). Undefined: all together. */
  readonly region: string | undefined;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly text: string;
}

const times = ["p50", "p99", "recovery"];

const bound: Record<"raw", true> = { raw: true };

const goalShape = shape("a goal", {
  of: oneOf(goalKinds), least: (value) => ({ ...bound, value }), most: (value) => ({ ...bound, value }),
  region: text, from: duration(), until: duration(),
}, ["of"]);

export function readGoals(value: unknown, known: KnownNames, place: Place, refuse: Refuse): GoalPlan[] {
  return listOf((goal, here) => readGoal(goal, known, here, refuse), "goals")(value, place, refuse);
}

function readGoal(value: unknown, known: KnownNames, place: Place, refuse: Refuse): GoalPlan {
  const read = goalShape(value, place, refuse);
  const of = read.of ?? "goodput";
  if ((read.least === undefined) === (read.most === undefined)) {
    refuse(place, "a goal has either least or most");
  }
  const side = read.least === undefined ? "most" : "least";
  const { value: given } = (read[side] as { readonly value: unknown });
  const reader = times.includes(of) ? duration() : number(0, 1e9);
  const limit = reader(given, [...place, side], refuse);
  const { region, from: fromMs = 0, until: untilMs = known.durationMs } = read;
  if (region !== undefined) mustKnow(region, known.regions.keys(), "region", [...place, "region"], refuse);
  if (untilMs <= fromMs) refuse([...place, "until"], `it ends at ${untilMs} ms, and begins at ${fromMs} ms`);
  const unit = times.includes(of) ? " ms" : "";
  const where = region === undefined ? "" : ` of ${region}`;
  const span = `${fromMs / 1_000}–${untilMs / 1_000} s`;
  return {
    of, bound: side, value: limit, region, fromMs, untilMs,
    text: `${of}${where} at ${side} ${limit}${unit}, ${span}`,
  };
}
