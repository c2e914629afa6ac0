/**
 * What encoding and decoding one record costs, beside protobufjs, JSON and MessagePack.
 *
 *   node bench/codec.ts [--json] [--rounds 3] [--ms 200] [--only meridian,JSON]
 *
 * Each system runs in a process of its own, and the rounds of all systems take turns, so that a noisy minute
 * hits all of them. `value` is the median of the rounds, in operations a second of processor time.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Case, contenders, variety } from "./codecs/contenders.ts";
import { median, printRows, rounded, type Row } from "./harness/rows.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    ms: { type: "string", default: "200" },
    only: { type: "string" },
    child: { type: "string" },
  },
});
const ms = Number(options.ms);
/** What was decoded stays reachable for a while, as it would be in a server. */
const kept: unknown[] = Array.from({ length: 256 });

if (options.child === undefined) printRows(rows(), options.json);
else process.stdout.write(JSON.stringify(measureAll(options.child)));

interface Figure {
  readonly name: string;
  readonly bytes: number;
  readonly value: number;
}

function rows(): Row[] {
  const only = options.only?.split(",");
  const systems = Object.keys(contenders).filter((system) => only?.includes(system) ?? true);
  const found = new Map<string, Figure[]>(systems.map((system) => [system, []]));
  const program = fileURLToPath(import.meta.url);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const system of systems) {
      const args = [program, "--child", system, "--ms", options.ms];
      const figures = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Figure[];
      found.get(system)?.push(...figures);
    }
  }
  const cases = [...new Set([...found.values()].flat().map(({ name }) => name))];
  return cases.flatMap((name) => systems.map((system): Row => {
    const rounds = (found.get(system) ?? []).filter((figure) => figure.name === name);
    const values = rounds.map(({ value }) => value);
    return {
      bench: "codec", case: name, system, value: rounded(median(values)) ?? null, unit: "ops/s",
      min: rounded(Math.min(...values)), max: rounded(Math.max(...values)), rounds: values.length,
      ...{ bytes: rounds[0]?.bytes },
    };
  }));
}

function measureAll(system: string): Figure[] {
  return (["S", "M"] as const).flatMap((name) => measure(system, name));
}

function measure(system: string, name: Case): Figure[] {
  const make = contenders[system];
  if (make === undefined) throw new Error(`no system is called ${system}`);
  const { encode, decode } = make(name);
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
  run(ms / 2);
  return run(ms);
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
