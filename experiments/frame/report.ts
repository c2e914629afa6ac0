// Renders rows of experiments as Markdown tables, so that the figures in the documentation come from runs.
//
//   npm run sim -- detector --json > experiments/results/detector.jsonl
//   node experiments/frame/report.ts experiments/results/detector.jsonl --into docs/experiments.md
//
// A table goes between the markers of its experiment: `<!-- detector: from rows -->` and `<!-- end of detector -->`.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Row } from "./rows.ts";

const { values, positionals } = parseArgs({ options: { into: { type: "string" } }, allowPositionals: true });
if (positionals.length === 0) {
  process.stderr.write("name files of rows: node experiments/frame/report.ts FILE… [--into docs/experiments.md]\n");
  process.exit(2);
}
const rows = positionals.flatMap(readRows);
for (const experiment of new Set(rows.map((row) => row.experiment))) {
  const text = table(rows.filter((row) => row.experiment === experiment));
  if (values.into === undefined) process.stdout.write(`${text}\n\n`);
  else replace(values.into, experiment, text);
}

function readRows(path: string): Row[] {
  // npm announces what it runs on standard output, so that a redirected run begins with lines that are no rows.
  const lines = readFileSync(path, "utf8").split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Row);
}

/** A line for each figure of each case, a column for each policy. */
function table(its: readonly Row[]): string {
  const policies = [...new Set(its.map((row) => row.policy))];
  const figures = [...new Set(its.map((row) => `${row.case}: ${row.unit}`))];
  const lines = figures.map((figure) => {
    const found = its.filter((row) => `${row.case}: ${row.unit}` === figure);
    const cells = policies.map((policy) => cellOf(found.find((row) => row.policy === policy)));
    const published = found.map((row) => row.published).find((text) => text !== null) ?? "";
    return `| ${[figure, ...cells, published].join(" | ")} |`;
  });
  const heads = ["", ...policies, "published"];
  return [`| ${heads.join(" | ")} |`, `| --- |${" ---: |".repeat(policies.length)} --- |`, ...lines].join("\n");
}

function cellOf(row: Row | undefined): string {
  if (row === undefined) return "";
  const text = row.value.toLocaleString("en", { maximumSignificantDigits: 4 });
  const spread = row.ci95 > 0 ? ` ± ${row.ci95.toLocaleString("en", { maximumSignificantDigits: 2 })}` : "";
  if (row.goal === null) return text + spread;
  return `**${text}**${spread} (${row.goal}: ${row.met === true ? "met" : "missed"})`;
}

function replace(path: string, experiment: string, text: string): void {
  const [begin, end] = [`<!-- ${experiment}: from rows -->`, `<!-- end of ${experiment} -->`];
  const document = readFileSync(path, "utf8");
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${path} lacks the markers ${begin} and ${end}`);
  writeFileSync(path, `${document.slice(0, from)}${begin}\n\n${text}\n\n${document.slice(to)}`);
}
