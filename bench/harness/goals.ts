// The comparisons that Meridian holds itself to, worked out from the rows of one run.
import { type GoalRow, rounded, type Row } from "./rows.ts";

export interface Goal {
  readonly case: string;
  /** What Meridian is compared with: the best of these, as far as they were measured. */
  readonly against: readonly string[];
  /** For people: who that is. */
  readonly whom: string;
  /** The least ratio of ours to theirs; of figures where less is better (all but `value`), the greatest. */
  readonly ratio: number;
  readonly figure?: Figure;
  /** Which of our rows is held to it. Default: that of `judge`. */
  readonly system?: string;
}

type Figure = "value" | "p99Ms" | "serverCpuSecondsPerMillion" | "proxyCpuSecondsPerMillion";

const shown: Record<Figure, string> = {
  value: "≥",
  p99Ms: "p99 ≤",
  serverCpuSecondsPerMillion: "server CPU ≤",
  proxyCpuSecondsPerMillion: "proxy CPU ≤",
};

/** Goals whose contenders were not measured in this run are left out. */
export function judge(rows: readonly Row[], goals: readonly Goal[], ours = "meridian"): GoalRow[] {
  return goals.flatMap((goal): GoalRow[] => {
    const system = goal.system ?? ours;
    const figure = goal.figure ?? "value";
    const less = figure !== "value";
    const rowOf = (name: string) =>
      rows.find((row) => row.case === goal.case && row.system === name && row.sustained !== false);
    const of = (part: Figure | "cpuSecondsPerMillion", names: readonly string[]) =>
      names.map((name) => rowOf(name)?.[part] ?? undefined).filter((value) => value !== undefined);
    const [our] = of(figure, [system]);
    const theirs = of(figure, goal.against);
    const [ourCpu] = of("cpuSecondsPerMillion", [system]);
    const theirCpu = of("cpuSecondsPerMillion", goal.against);
    const bench = rows[0]?.bench ?? "";
    if (our === undefined || theirs.length === 0) return [];
    const value = our / (less ? Math.min(...theirs) : Math.max(...theirs));
    return [{
      bench, case: goal.case, system,
      goal: `${shown[figure]} ${goal.ratio}x ${goal.whom}`,
      value: rounded(value), unit: "x", met: less ? value <= goal.ratio : value >= goal.ratio,
      cpuValue: less || ourCpu === undefined || theirCpu.length === 0
        ? undefined
        : rounded(Math.min(...theirCpu) / ourCpu),
    }];
  });
}
