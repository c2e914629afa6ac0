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
  return benches.map((bench) => `### ${bench}\n\n${tables(rows.filter((row) => row.bench === bench))}`).join("\n\n");
}

function replaceBetweenMarkers(path: string, text: string): void {
  const document = readFileSync(path, "utf8");
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${path} lacks the markers ${begin} and ${end}`);
  writeFileSync(path, `${document.slice(0, from)}${begin}\n\n${text}\n\n${document.slice(to)}`);
}
