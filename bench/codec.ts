/**
 * What encoding and decoding one record costs, beside the Protobuf libraries of JavaScript, JSON and MessagePack.
 *
 *   node bench/codec.ts [--json] [--rounds 5] [--ms 200] [--only meridian,JSON] [--cases S,M,maps,nested]
 *
 * Each system runs each shape in a process of its own, and the rounds of all systems take turns, so that a noisy
 * minute hits all of them. `value` is the median of the rounds, in operations a second of processor time; the goals
 * compare medians.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { contenders, families, shares } from "./codecs/contenders.ts";
import { type Case, shapes, variety } from "./codecs/shapes.ts";
import { type AnyRow, type GoalRow, median, printRows, rounded, type Row } from "./harness/rows.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    ms: { type: "string", default: "200" },
    only: { type: "string" },
    cases: { type: "string", default: Object.keys(shapes).join(",") },
    child: { type: "string" },
  },
});
const ms = Number(options.ms);
/** What was decoded stays reachable for a while, as it would be in a server. */
const kept: unknown[] = Array.from({ length: 256 });

if (options.child === undefined) printRows(rows(), options.json);
else process.stdout.write(JSON.stringify(await measure(options.child, options.cases as Case)));

interface Figure {
  readonly name: string;
  readonly bytes: number;
  readonly value: number;
}

function rows(): AnyRow[] {
  const only = options.only?.split(",");
  const systems = Object.keys(contenders).filter((system) => only?.includes(system) ?? true);
  const found = new Map<string, Figure[]>(systems.map((system) => [system, []]));
  const program = fileURLToPath(import.meta.url);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of options.cases.split(",")) {
      for (const system of systems) {
        const args = [program, "--child", system, "--cases", name, "--ms", options.ms];
        const figures = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Figure[];
        found.get(system)?.push(...figures);
      }
    }
  }
  const cases = [...new Set([...found.values()].flat().map(({ name }) => name))];
  return cases.flatMap((name) => {
    const figures = systems.map((system): Row => {
      const rounds = (found.get(system) ?? []).filter((figure) => figure.name === name);
      const values = rounds.map(({ value }) => value);
      return {
        bench: "codec", case: name, system, value: rounded(median(values)) ?? null, unit: "ops/s",
        min: rounded(Math.min(...values)), max: rounded(Math.max(...values)), rounds: values.length,
        ...{ bytes: rounds[0]?.bytes },
      };
    });
    return [...figures, ...Object.keys(families).flatMap((ours) => goal(name, figures, ours))];
  });
}

/** Ahead of each library that it is held against, or not far behind: of the fastest of them. */
function goal(name: string, figures: readonly Row[], system: string): GoalRow[] {
  const rivals = families[system] ?? [];
  const ours = figures.find((row) => row.system === system)?.value;
  const theirs = figures.filter((row) => rivals.includes(row.system)).map(({ value }) => value ?? Number.NaN);
  if (ours === undefined || ours === null || theirs.length === 0) return [];
  const value = rounded(ours / Math.max(...theirs));
  const share = shares[system] ?? 1;
  return [{
    bench: "codec", case: name, system, goal: `> ${share}x the fastest of ${rivals.join(", ")}`, value, unit: "x",
    met: value > share,
  }];
}

async function measure(system: string, name: Case): Promise<Figure[]> {
  const make = contenders[system];
  if (make === undefined) throw new Error(`no system is called ${system}`);
  const { encode, decode } = await make(name);
  const bytes = encode(0);
  return [
    { name: `encode ${name}`, bytes, value: opsPerSecond(encode) },
    { name: `decode ${name}`, bytes, value: opsPerSecond(decode) },
  ];
}

function opsPerSecond(operation: (index: number) => unknown): number {
  let i = 0;
  const run = (untilMs: number): number => {
    const from = cpuMs();
    let done = 0;
    for (;;) {
      for (let n = 0; n < 256; n++) kept[n] = operation(i++ % variety);
      done += 256;
      const tookMs = cpuMs() - from;
      if (tookMs >= untilMs) return done / (tookMs / 1000);
    }
  };
  // Code is optimised beside the process, so that on a busy machine it takes a while until it is there.
  run(3 * ms);
  return run(ms);
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
