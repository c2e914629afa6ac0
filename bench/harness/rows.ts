// What benchmarks say: rows for programs, one JSON object a line, and tables for people.

/** One figure of one system in one case: the median of its rounds. */
export interface Row {
  readonly bench: string;
  readonly case: string;
  readonly system: string;
  /** Null if the system failed; then `error` says how. */
  readonly value: number | null;
  readonly unit: string;
  /** The least and the greatest round. */
  readonly min?: number;
  readonly max?: number;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** Of client, server and what stands between, as far as each was measured. */
  readonly cpuSecondsPerMillion?: number | undefined;
  readonly clientCpuSecondsPerMillion?: number | undefined;
  readonly serverCpuSecondsPerMillion?: number | undefined;
  readonly proxyCpuSecondsPerMillion?: number | undefined;
  /** What a proxy adds to the latency of the same calls made directly, at the same rate. */
  readonly addedP50Ms?: number | undefined;
  readonly addedP99Ms?: number | undefined;
  /** Of an open load: whether the answers kept up with it in most rounds. */
  readonly sustained?: boolean | undefined;
  readonly rounds?: number;
  /** The share of all cores that other processes used meanwhile: above a tenth, trust nothing but ratios. */
  readonly otherCpuShare?: number | undefined;
  /** What it ran on. */
  readonly machine?: string;
  readonly error?: string;
}

/** A comparison that we hold ourselves to. */
export interface GoalRow {
  readonly bench: string;
  readonly case: string;
  readonly system: string;
  /** As people read it, e.g. `≥ 20x grpc-js`. */
  readonly goal: string;
  /** The ratio found. */
  readonly value: number;
  readonly unit: "x";
  readonly met: boolean;
  /** The same ratio of calls per second of processor time, which other load hardly moves; the goal is `value`. */
  readonly cpuValue?: number | undefined;
}

export type AnyRow = Row | GoalRow;

export function isGoal(row: AnyRow): row is GoalRow {
  return "goal" in row;
}

/** Four figures are more than any of these measurements is good for. */
export function rounded(value: number): number;
export function rounded(value: number | undefined): number | undefined;
export function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.toPrecision(4));
}

/** The middle value, or the mean of the two middle ones; undefined of nothing but undefined and NaN. */
export function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values
    .filter((value): value is number => value !== undefined && !Number.isNaN(value))
    .sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

export function printRows(rows: readonly AnyRow[], json: boolean): void {
  for (const row of json ? rows : []) process.stdout.write(`${JSON.stringify(row)}\n`);
  if (!json) process.stdout.write(`${tables(rows)}\n`);
}

/** Markdown tables: one a case, then the goals. */
export function tables(rows: readonly AnyRow[]): string {
  const figures = rows.filter((row): row is Row => !isGoal(row));
  const goals = rows.filter(isGoal);
  const cases = [...new Set(figures.map((row) => row.case))];
  const parts = cases.map((name) => figureTable(name, figures.filter((row) => row.case === name)));
  if (goals.length > 0) parts.push(goalTable(goals));
  const machines = new Set(figures.map((row) => row.machine).filter((machine) => machine !== undefined));
  return [...machines, ...parts].join("\n\n");
}

function figureTable(name: string, rows: readonly Row[]): string {
  const betweens = rows.some((row) => row.proxyCpuSecondsPerMillion !== undefined);
  const head = [name, rows[0]?.unit ?? "", "least to greatest", "p50 ms", "p99 ms", "CPU s per million", "client",
    "server", ...(betweens ? ["proxy", "added p50 ms", "added p99 ms"] : []), "other load"];
  const body = rows.map((row) => [
    row.system,
    row.value === null ? "failed" : `${count(row.value)}${row.sustained === false ? " (fell behind)" : ""}`,
    row.min === undefined ? "" : `${count(row.min)} – ${count(row.max)}`,
    figure(row.p50Ms), figure(row.p99Ms), figure(row.cpuSecondsPerMillion),
    figure(row.clientCpuSecondsPerMillion), figure(row.serverCpuSecondsPerMillion),
    ...(betweens ? [row.proxyCpuSecondsPerMillion, row.addedP50Ms, row.addedP99Ms].map(figure) : []),
    row.otherCpuShare === undefined ? "" : `${Math.round(100 * row.otherCpuShare)} %`,
  ]);
  return table(head, body);
}

function goalTable(goals: readonly GoalRow[]): string {
  const times = (value: number | undefined) => value === undefined ? "" : `${figure(value)}x`;
  // Where all goals are of one system, naming it says nothing.
  const several = new Set(goals.map((row) => row.system)).size > 1;
  return table(["case", ...(several ? ["system"] : []), "goal", "found", "met", "per processor second"],
    goals.map((row) => [row.case, ...(several ? [row.system] : []), row.goal, times(row.value),
      row.met ? "yes" : "**no**", times(row.cpuValue)]));
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(3, title.length, ...body.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join(" | ")} |`;
  const rule = widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`);
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

function count(value: number | undefined): string {
  return value === undefined ? "" : Math.round(value).toLocaleString("en");
}

function figure(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
