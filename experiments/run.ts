// Runs an experiment in the simulator: npm run sim -- NAME [--seed N] [--seeds N] [--hours H] [--jobs N]
// [--state FILE] [--json].
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { getHeapStatistics } from "node:v8";
import { experimentNames, loadExperiment as load } from "./frame/names.ts";
import type { Row } from "./frame/rows.ts";

const names = experimentNames();

const maxSeeds = 10_000;

process.exitCode = await main();

async function main(): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        seed: { type: "string" }, seeds: { type: "string" }, hours: { type: "string" },
        jobs: { type: "string" }, state: { type: "string" },
        json: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
  const { values: { seed = "1", seeds, json, hours, jobs, state }, positionals: [name = "", ...others] } = parsed;
  if (name === "") return refuse("name an experiment");
  if (!names.includes(name)) return refuse(`there is no experiment called ${name}`);
  if (others.length > 0) return refuse(`one experiment at a time, not ${[name, ...others].join(" and ")}`);
  const experiment = await load(name);
  const [first, count] = [Number(seed), Number(seeds ?? experiment.seeds)];
  if (!Number.isSafeInteger(first) || first < 0) return refuse(`--seed ${seed} is no whole number`);
  if (!(Number.isSafeInteger(count) && count >= 1 && count <= maxSeeds)) {
    return refuse(`--seeds ${seeds} is not 1 to ${maxSeeds}`);
  }
  if (getHeapStatistics().heap_size_limit < (experiment.heapMb ?? 0) * 0x100000) return withHeap(experiment.heapMb);
  if (hours !== undefined && !(Number(hours) > 0)) return refuse(`--hours ${hours} is no time`);
  if ((jobs !== undefined || state !== undefined) && experiment.resumes !== true) {
    return refuse(`${name} runs in one process from its beginning to its end: it takes no --jobs or --state`);
  }
  if (jobs !== undefined && !/^[1-9]\d?$/.test(jobs)) return refuse(`--jobs ${jobs} is not 1 to 99`);
  let missed = 0;
  const all = Array.from({ length: count }, (_, i) => first + i);
  const progress = (text: string): void => void process.stderr.write(`${text}\n`);
  const options = {
    seeds: all, progress, ...(hours === undefined ? {} : { hours: Number(hours) }),
    ...(jobs === undefined ? {} : { jobs: Number(jobs) }), ...(state === undefined ? {} : { state }),
  };
  let rows = 0;
  for await (const row of experiment.run(options)) {
    rows++;
    if (row.met === false) missed++;
    process.stdout.write(json ? `${JSON.stringify(row)}\n` : lineOf(row));
  }
  // One that was stopped gives none.
  if (rows === 0) return 130;
  if (missed > 0) progress(`${missed} ${missed === 1 ? "goal" : "goals"} missed`);
  return missed > 0 ? 1 : 0;
}

/** The same once more: the limit stands when a process begins. */
function withHeap(heapMb = 0): number {
  // More than asked for, since the young generation is counted apart.
  const args = [`--max-old-space-size=${heapMb + 512}`, ...process.argv.slice(1)];
  return spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
}

async function refuse(problem: string): Promise<number> {
  const known = await Promise.all(names.map(async (name) => `  ${name.padEnd(16)} ${(await load(name)).about}`));
  const usage = "npm run sim -- NAME [--seed N] [--seeds N] [--hours H] [--jobs N] [--state FILE] [--json]";
  process.stderr.write(`${problem}: ${usage}\n\n${known.join("\n")}\n`);
  return 2;
}

function lineOf(row: Row): string {
  const value = `${Number(row.value.toPrecision(4))}${row.ci95 > 0 ? ` ± ${Number(row.ci95.toPrecision(2))}` : ""}`;
  const verdict = row.met === null ? "" : row.met ? "met" : "MISSED";
  const goal = [row.goal && `goal ${row.goal}`, row.published && `published ${row.published}`];
  return `${row.case.padEnd(34)} ${row.policy.padEnd(20)} ${value.padStart(16)} ${row.unit.padEnd(26)} ` +
    `${verdict.padEnd(6)} ${goal.filter((one) => one !== null && one !== "").join("; ")}\n`;
}
