// Renders rows of benchmarks as Markdown tables, so that the figures in the documentation come from data.
//
//   node bench/report.ts bench/results.jsonl                            prints them
//   node bench/report.ts bench/results.jsonl --into docs/benchmarks.md  puts them between that file's markers
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type AnyRow, tables } from "./harness/rows.ts";

const begin = "<!-- figures: written by bench/report.ts -->";
const end = "<!-- end of figures -->";

const { values, positionals } = parseArgs({ options: { into: { type: "string" } }, allowPositionals: true });
const [source] = positionals;
if (source === undefined) {
  process.stderr.write("name a file of rows: node bench/report.ts bench/results.jsonl [--into docs/benchmarks.md]\n");
  process.exit(2);
}
const report = sections(readRows(source));
if (values.into === undefined) process.stdout.write(`${report}\n`);
else replaceBetweenMarkers(values.into, report);

function readRows(path: string): AnyRow[] {
  // npm announces what it runs on standard output, so that a redirected run begins with lines that are no rows.
  const lines = readFileSync(path, "utf8").split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as AnyRow);
}

/** One section a benchmark, in the order of the rows. */
function sections(rows: readonly AnyRow[]): string {
  const benches = [...new Set(rows.map((row) => row.bench))];
  return benches.map((bench) => {
    const its = rows.filter((row) => row.bench === bench);
    if (bench === "policies") return `### ${bench}\n\n${policiesTable(its)}`;
    return `### ${bench}\n\n${its.some((row) => isPlain(row)) ? plainTable(its) : tables(its)}`;
  }).join("\n\n");
}

/** Rows of benchmarks that compare parts, pickers or codecs by one figure each. */
interface PlainRow {
  readonly bench: string;
  readonly case: string;
  readonly system: string;
  readonly value: number | null;
  readonly unit: string;
  readonly part?: string;
  readonly picker?: string;
  readonly serverValue?: number;
  readonly goal?: string;
}

/** What one policy costs: nanoseconds a call without it, with it, and the difference. */
interface PolicyRow extends PlainRow {
  readonly off?: number;
  readonly more?: number;
  readonly side?: string | null;
  readonly default?: boolean | null;
  readonly met?: boolean;
}

function policiesTable(rows: readonly PolicyRow[]): string {
  const figures = rows.filter((row) => row.goal === undefined && row.side !== null);
  const lines = figures.map((row) => [
    row.case, row.side, row.default === true ? "yes" : "", row.off, row.value, row.more,
  ].join(" | "));
  const goals = rows.filter((row) => row.goal !== undefined).map((row) =>
    `Goal of *${row.case}*: ${row.goal}; found ${row.value} ns, ${row.met === true ? "met" : "missed"}.`);
  return [
    "| policy | side | default | ns off | ns on | more |", "| --- | --- | --- | ---: | ---: | ---: |",
    ...lines.map((line) => `| ${line} |`), "", ...goals,
  ].join("\n").trimEnd();
}

function isPlain(row: AnyRow): boolean {
  const plain: PlainRow = row;
  return plain.part !== undefined || plain.picker !== undefined || ["codec", "typecheck"].includes(row.bench);
}

/** One line for each thing measured, one column for each case; goals below. */
function plainTable(rows: readonly PlainRow[]): string {
  const figures = rows.filter((row) => row.goal === undefined);
  const nameOf = (row: PlainRow): string => row.part ?? row.picker ?? row.system;
  const columns = [...new Set(figures.flatMap((row) => row.serverValue === undefined
    ? [`${row.case}, ${row.unit}`]
    : [`${row.case}, client, ${row.unit}`, `${row.case}, server`]))];
  const lines = [...new Set(figures.map(nameOf))].map((name) => {
    const cells = columns.map((column) => {
      const row = figures.find((one) => nameOf(one) === name && column.startsWith(`${one.case}, `));
      const value = column.endsWith(", server") ? row?.serverValue : row?.value;
      return value === undefined || value === null ? "" : value.toLocaleString("en", { maximumSignificantDigits: 4 });
    });
    return `| ${[name, ...cells].join(" | ")} |`;
  });
  const goals = rows.filter((row) => row.goal !== undefined)
    .map((row) => `Goal at ${row.case}: ${row.goal ?? ""}; found ${row.value ?? ""} ${row.unit}.`);
  return [`| | ${columns.join(" | ")} |`, `| --- |${" ---: |".repeat(columns.length)}`, ...lines, "", ...goals]
    .join("\n").trimEnd();
}

function replaceBetweenMarkers(path: string, text: string): void {
  const document = readFileSync(path, "utf8");
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${path} lacks the markers ${begin} and ${end}`);
  writeFileSync(path, `${document.slice(0, from)}${begin}\n\n${text}\n\n${document.slice(to)}`);
}
