// Runs experiments and writes down what they show: node experiments/record.ts [NAME…] [--seeds N] [--render] [--jobs N]
// [--state FILE].
//
// Each runs in a process of its own. Its rows go to experiments/results/NAME.jsonl, its charts to docs/plots, its table
// and charts between its markers in docs/experiments.md, and all goals and times into the overview there. `--render`
// runs nothing and writes the documents anew from the rows that are there. It can be stopped at any time: what has
// ended is kept.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Chart, chartSvg } from "../src/sim/plot.ts";
import { altOf } from "./frame/curves.ts";
import { experimentNames, loadExperiment } from "./frame/names.ts";
import { overviewTable, rowsOf, rowTable, timesTable, withSection } from "./frame/tables.ts";

const documentPath = fileURLToPath(new URL("../docs/experiments.md", import.meta.url));
const plotsPath = fileURLToPath(new URL("../docs/plots/", import.meta.url));
const rowsPath = (name: string): string => fileURLToPath(new URL(`results/${name}.jsonl`, import.meta.url));

const timesPath = fileURLToPath(new URL("results/seconds.json", import.meta.url));

const say = (text: string): void => void process.stderr.write(`${text}\n`);
let running: ChildProcess | undefined;
let isStopped = false;

process.exitCode = await main();

async function main(): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        seeds: { type: "string" }, jobs: { type: "string" }, state: { type: "string" },
        render: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
  const { values: { seeds, jobs, state, render }, positionals } = parsed;
  const known = experimentNames();
  const stranger = positionals.find((name) => !known.includes(name));
  if (stranger !== undefined) return refuse(`there is no experiment called ${stranger}`);
  if (seeds !== undefined && !/^[1-9]\d{0,3}$/.test(seeds)) return refuse(`--seeds ${seeds} is not 1 to 9999`);
  const names = positionals.length > 0 ? positionals : known;
  process.once("SIGINT", () => {
    isStopped = true;
    running?.kill("SIGTERM");
  });
  // The experiment says what it does not take.
  const flags = Object.entries({ seeds, jobs, state })
    .flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  const failed: string[] = [];
  if (!render) {
    for (const [index, name] of names.entries()) {
      if (isStopped) break;
      say(`${name} (${index + 1} of ${names.length})`);
      if (!await recorded(name, flags)) failed.push(name);
    }
  }
  for (const name of names) if (existsSync(rowsPath(name))) await rendered(name);
  overview(known);
  if (failed.length > 0) say(`not recorded: ${failed.join(", ")}`);
  return isStopped ? 130 : failed.length > 0 ? 1 : 0;
}

function refuse(problem: string): number {
  const known = experimentNames().join(", ");
  say(`${problem}: node experiments/record.ts [NAME…] [--seeds N] [--jobs N] [--state FILE] [--render]; ` +
    `there are ${known}`);
  return 2;
}

/** Runs one; its rows replace the ones there were once it has ended well. A goal that is missed is a result. */
async function recorded(name: string, flags: readonly string[]): Promise<boolean> {
  const program = fileURLToPath(new URL("run.ts", import.meta.url));
  const args = [program, name, "--json", ...flags];
  const startedMs = performance.now();
  const child = running = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("{")) lines.push(line);
  }
  const code = await closed;
  running = undefined;
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
  if ((code !== 0 && code !== 1) || lines.length === 0) {
    say(`${name} ended with ${code} after ${seconds} s and ${lines.length} rows; the rows there were are kept`);
    return false;
  }
  mkdirSync(fileURLToPath(new URL("results/", import.meta.url)), { recursive: true });
  writeFileSync(`${rowsPath(name)}.new`, `${lines.join("\n")}\n`);
  renameSync(`${rowsPath(name)}.new`, rowsPath(name));
  noteTime(name, Number(seconds));
  say(`${name}: ${lines.length} rows in ${seconds} s`);
  return true;
}

type Times = Readonly<Record<string, number>>;

/** How long each took when it was recorded, in seconds. */
function timesRecorded(): Times {
  return existsSync(timesPath) ? JSON.parse(readFileSync(timesPath, "utf8")) as Times : {};
}

function noteTime(name: string, seconds: number): void {
  const times = Object.entries({ ...timesRecorded(), [name]: seconds }).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(timesPath, `${JSON.stringify(Object.fromEntries(times), null, 2)}\n`);
}

/** Writes the table and the charts of one into the document. */
async function rendered(name: string): Promise<void> {
  const rows = rowsOf(readFileSync(rowsPath(name), "utf8"));
  const experiment = await loadExperiment(name);
  const parts = [rowTable(rows)];
  for (const [key, chart] of Object.entries(experiment.plots?.(rows) ?? {})) {
    const file = `${name}${key === "" ? "" : `-${key}`}.svg`;
    mkdirSync(plotsPath, { recursive: true });
    writeFileSync(`${plotsPath}${file}`, chartSvg(chart));
    const charts: readonly Chart[] = Array.isArray(chart) ? chart : [chart];
    parts.push(`![${charts.map(altOf).join(". ")}](plots/${file})`);
  }
  const document = withSection(readFileSync(documentPath, "utf8"), name, parts.join("\n\n"));
  if (document === undefined) say(`docs/experiments.md has no section with the markers of ${name}`);
  else writeFileSync(documentPath, document);
}

/** All goals of all rows that there are. */
function overview(names: readonly string[]): void {
  const rows = names.filter((name) => existsSync(rowsPath(name)))
    .flatMap((name) => rowsOf(readFileSync(rowsPath(name), "utf8")));
  const before = readFileSync(documentPath, "utf8");
  const document = withSection(before, "overview", overviewTable(rows, before));
  if (document === undefined) say("docs/experiments.md has no section with the markers of the overview");
  else writeFileSync(documentPath, document);
  const timed = withSection(readFileSync(documentPath, "utf8"), "times", timesTable(rows, timesRecorded()));
  if (timed === undefined) say("docs/experiments.md has no section with the markers of the times");
  else writeFileSync(documentPath, timed);
}
