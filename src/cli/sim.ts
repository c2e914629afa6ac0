/** `meridian sim`: rehearses a failure that a file describes, in simulated time, and shows where the load goes. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { deflateSync } from "node:zlib";
import { Command, InvalidArgumentError } from "commander";
import { RpcError } from "../core/index.ts";
import { chartPng, chartSvg } from "../sim/plot.ts";
import { parseRehearsal, readRehearsal, type RehearsalPlan } from "../sim/rehearsal-file.ts";
import type { RehearsalRecord } from "../sim/rehearsal-record.ts";
import {
  type GoalResult, judgeGoals, rehearsalCharts, type RehearsalRow, rehearsalRows,
} from "../sim/rehearsal-report.ts";
import { runRehearsal } from "../sim/rehearsal-run.ts";
import { type Column, columns } from "./columns.ts";
import { readTextIfThere, writeBytes, writeText } from "./files.ts";
import { wholeNumber } from "./numbers.ts";

interface Flags {
  readonly seed: number;
  readonly seeds: number;
  readonly every?: number;
  readonly json?: boolean;
  readonly plot: readonly string[];
  readonly check?: boolean;
  readonly quiet?: boolean;
}

/** `ended` hears the exit code: 0, or 3 if a goal was missed. */
export function simCommand(ended: (code: number) => void): Command {
  return new Command("sim")
    .description("Rehearse a failure in simulated time: who is called where, how long it takes, what is lost.")
    .argument("<file>", "a rehearsal (.yaml, .json), or a module (.ts, .js) that exports one as `rehearsal`")
    .option("--seed <number>", "what all chance follows from", wholeNumber(0, 2 ** 31), 1)
    .option("--seeds <count>", "how many seeds, from --seed on", wholeNumber(1, 10_000), 1)
    .option("--every <seconds>", "longest stretch of a row (default: a twelfth of the duration)", seconds)
    .option("--json", "one JSON object a line: rows, then goals, then the run")
    .option("--plot <file>", "draw charts into this .svg or .png, repeatable",
      (file: string, files: readonly string[]) => [...files, pictureName(file)], [] as readonly string[])
    .option("--check", "read the file, say what is wrong with it, and run nothing")
    .option("--quiet", "do not tell how far it is")
    .addHelpText("after", "\nExit code 0 if every goal was met by every seed, 3 if not. docs/simulator.md says what " +
      "a file\nmay hold; examples/rehearsal has some.")
    .action(async (file: string, flags: Flags) => {
      const plan = await load(file);
      ended(flags.check === true ? checked(file, plan) : await rehearse(file, plan, flags));
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0 && value <= 86_400) return value;
  throw new InvalidArgumentError("Write seconds from 1 to 86400.");
}

function pictureName(file: string): string {
  if (/\.(svg|png)$/.test(file)) return file;
  throw new InvalidArgumentError("Write the name of an .svg or a .png file.");
}

async function load(file: string): Promise<RehearsalPlan> {
  const source = readTextIfThere(file);
  if (source === undefined) throw new RpcError("not_found", `there is no file ${file}`);
  if (!/\.[cm]?[jt]s$/.test(file)) return parseRehearsal(source, file);
  let module: { readonly rehearsal?: unknown };
  try {
    module = await import(pathToFileURL(resolve(file)).href) as { readonly rehearsal?: unknown };
  } catch (error) {
    throw new RpcError("invalid_argument",
      `${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (module.rehearsal === undefined) {
    throw new RpcError("invalid_argument", `${file} exports ${Object.keys(module).join(", ") || "nothing"}; expected ` +
      "`export const rehearsal = { … }`");
  }
  try {
    return readRehearsal(module.rehearsal);
  } catch (error) {
    throw new RpcError("invalid_argument", `${file}: ${RpcError.from(error).message}`);
  }
}

function checked(file: string, { services, clients, events, goals, durationMs }: RehearsalPlan): number {
  process.stdout.write(`${file}: ${durationMs / 1_000} s, ${services.size} services, ${clients.size} clients, ` +
    `${events.length} events, ${goals.length} goals\n`);
  return 0;
}

async function rehearse(file: string, plan: RehearsalPlan, flags: Flags): Promise<number> {
  const records: RehearsalRecord[] = [];
  const progress = progressLine(flags, plan);
  for (let seed = flags.seed; seed < flags.seed + flags.seeds; seed++) {
    records.push(await runRehearsal(plan, { seed, tell: ({ nowMs }) => progress.tell(records.length, nowMs) }));
  }
  progress.end();
  const rows = rehearsalRows(plan, records, flags.every === undefined ? undefined : flags.every * 1_000);
  const goals = judgeGoals(plan, records);
  if (flags.json === true) printJson(file, rows, goals, records);
  else print(file, plan, rows, goals, records);
  for (const name of flags.plot) {
    const charts = rehearsalCharts(file.split("/").at(-1) ?? file, plan, records);
    if (name.endsWith(".svg")) writeText(name, chartSvg(charts));
    else writeBytes(name, chartPng(charts, { deflate: deflateSync }));
  }
  return goals.every(({ met }) => met) ? 0 : 3;
}

/** Where it stands, on one line of the screen that is written anew twice a second; nothing where nobody looks. */
function progressLine({ quiet, seeds }: Flags, { durationMs }: RehearsalPlan) {
  const isShown = quiet !== true && process.stderr.isTTY;
  let toldMs = 0;
  const startedMs = performance.now();
  return {
    tell(done: number, nowMs: number): void {
      const at = performance.now();
      if (!isShown || at - toldMs < 500) return;
      toldMs = at;
      const share = (done + Math.min(1, nowMs / durationMs)) / seeds;
      const leftS = share > 0 ? (at - startedMs) * (1 / share - 1) / 1_000 : NaN;
      const which = seeds === 1 ? "" : `seed ${done + 1} of ${seeds}, `;
      process.stderr.write(`\r\x1b[K${which}${(nowMs / 1_000).toFixed(0)} of ${durationMs / 1_000} s simulated, ` +
        `${leftS.toFixed(0)} s to go`);
    },
    end(): void {
      if (isShown) process.stderr.write("\r\x1b[K");
    },
  };
}

function printJson(
  file: string, rows: readonly RehearsalRow[], goals: readonly GoalResult[], records: readonly RehearsalRecord[],
): void {
  const line = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`);
  for (const row of rows) line({ rehearsal: file, ...row });
  for (const { goal, values, met } of goals) {
    const { of, region = null, bound, value, fromMs, untilMs } = goal;
    line({ rehearsal: file, goal: goal.text, of, region, bound, limit: value, fromMs, untilMs, values, met });
  }
  for (const { seed, digest, events } of records) line({ rehearsal: file, seed, digest, events });
}

const shown: readonly Column<RehearsalRow>[] = [
  { title: "SECONDS", text: ({ fromS, untilS }) => `${fromS}–${untilS}`, right: true },
  { title: "CALLERS", text: ({ region }) => region },
  { title: "OFFERED/S", text: ({ offered }) => offered.toFixed(0), right: true },
  { title: "GOOD/S", text: ({ goodput }) => goodput.toFixed(0), right: true },
  { title: "ERRORS", text: ({ errors }) => (errors === 0 ? "" : percent(errors)), right: true },
  { title: "P50", text: ({ p50Ms }) => milliseconds(p50Ms), right: true },
  { title: "P99", text: ({ p99Ms }) => milliseconds(p99Ms), right: true },
  { title: "BUSY", text: ({ utilisation }) => (utilisation === null ? "" : `${Math.round(utilisation * 100)} %`),
    right: true },
  { title: "ANSWERED IN", text: answeredIn },
  { title: "EVENTS", text: ({ events }) => events.join(", ") },
];

function answeredIn({ servedIn }: RehearsalRow): string {
  return Object.entries(servedIn).map(([region, share]) => `${region} ${percent(share)}`).join(", ");
}

function percent(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`;
  const value = share * 100;
  return `${value < 0.095 ? value.toFixed(3) : value < 9.95 || value > 99 ? value.toFixed(1) : value.toFixed(0)} %`;
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

function print(
  file: string, plan: RehearsalPlan, rows: readonly RehearsalRow[], goals: readonly GoalResult[],
  records: readonly RehearsalRecord[],
): void {
  const [seed, count] = [records[0]?.seed, records.length];
  const seeds = count === 1 ? `seed ${seed}` : `${count} seeds from ${seed} on`;
  const title = `${file}: ${plan.durationMs / 1_000} s, ${seeds}${plan.about === "" ? "" : `: ${plan.about}`}`;
  // Events are told once, beside the first region.
  const first = rows[0]?.region;
  const told = rows.map((row) => (row.region === first ? row : { ...row, events: [] }));
  const results = goals.map(({ goal, values, met }) =>
    `${met ? "met   " : "MISSED"}  ${goal.text}: ${valuesOf(values)}`);
  const digests = records.length === 1 ? [`digest ${records[0]?.digest}`] : [];
  process.stdout.write([title, "", ...columns(shown, told), "", ...results, ...digests, ""].join("\n"));
}

function valuesOf(values: readonly number[]): string {
  const text = (value: number): string => String(Number(value.toPrecision(4)));
  if (values.length === 1) return text(values[0] ?? NaN);
  return `${text(Math.min(...values))} to ${text(Math.max(...values))}`;
}
