// The comparisons that Meridian holds itself to, worked out from the rows of one run.
import { type GoalRow, rounded, type Row } from "./rows.ts";

export interface Goal {
  readonly case: string;
  /** What Meridian is compared with: the best of these, as far as they were measured. */
  readonly against: readonly string[];
  /** For people: who that is. */
  readonly whom: string;
  /** The least ratio of ours to theirs; for `p99Ms`, where less is better, the greatest. */
  readonly ratio: number;
  readonly figure?: "value" | "p99Ms";
}

/** Goals whose contenders were not measured in this run are left out. */
export function judge(rows: readonly Row[], goals: readonly Goal[], system = "meridian"): GoalRow[] {
  return goals.flatMap((goal): GoalRow[] => {
    const figure = goal.figure ?? "value";
    const less = figure === "p99Ms";
    const rowOf = (name: string) =>
      rows.find((row) => row.case === goal.case && row.system === name && row.sustained !== false);
    const of = (part: "value" | "p99Ms" | "cpuSecondsPerMillion", names: readonly string[]) =>
      names.map((name) => rowOf(name)?.[part] ?? undefined).filter((value) => value !== undefined);
    const [ours] = of(figure, [system]);
    const theirs = of(figure, goal.against);
    const [ourCpu] = of("cpuSecondsPerMillion", [system]);
    const theirCpu = of("cpuSecondsPerMillion", goal.against);
    const bench = rows[0]?.bench ?? "";
    if (ours === undefined || theirs.length === 0) return [];
    const value = ours / (less ? Math.min(...theirs) : Math.max(...theirs));
    return [{
      bench, case: goal.case, system,
      goal: `${less ? "p99 ≤" : "≥"} ${goal.ratio}x ${goal.whom}`,
      value: rounded(value), unit: "x", met: less ? value <= goal.ratio : value >= goal.ratio,
      cpuValue: less || ourCpu === undefined || theirCpu.length === 0
        ? undefined
        : rounded(Math.min(...theirCpu) / ourCpu),
    }];
  });
}
