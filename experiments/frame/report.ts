// Renders rows of experiments as Markdown tables, so that the figures in the documentation come from runs.
//
//   npm run sim -- detector --json > experiments/results/detector.jsonl
//   node experiments/frame/report.ts experiments/results/detector.jsonl --into docs/experiments.md
//
// A table goes between the markers of its experiment: `<!-- detector: from rows -->` and `<!-- end of detector -->`.
// `node experiments/record.ts` does both, for one experiment or all, with plots and the overview.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { rowsOf, rowTable, withSection } from "./tables.ts";

const { values, positionals } = parseArgs({ options: { into: { type: "string" } }, allowPositionals: true });
if (positionals.length === 0) {
  process.stderr.write("name files of rows: node experiments/frame/report.ts FILE… [--into docs/experiments.md]\n");
  process.exit(2);
}
const rows = positionals.flatMap((path) => rowsOf(readFileSync(path, "utf8")));
for (const [experiment, its] of Map.groupBy(rows, (row) => row.experiment)) {
  const text = rowTable(its);
  if (values.into === undefined) {
    process.stdout.write(`${text}\n\n`);
    continue;
  }
  const document = withSection(readFileSync(values.into, "utf8"), experiment, text);
  if (document === undefined) {
    const markers = `<!-- ${experiment}: from rows --> and <!-- end of ${experiment} -->`;
    throw new Error(`${values.into} lacks the markers ${markers}`);
  }
  writeFileSync(values.into, document);
}
