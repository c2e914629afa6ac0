// Breaks things between real processes: npm run chaos -- SCENARIO [--quick] [--json].
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Row, Scenario } from "./frame/rows.ts";

/** Each is a file of this folder, which exports `scenario`. */
const names = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".ts") && file !== "run.ts" && !file.endsWith(".test.ts"))
  .map((file) => file.slice(0, -".ts".length)).sort();

// Whatever was started ends by what is registered for the exit, which signals would pass by.
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  process.once(signal, () => process.exit(code));
}
process.exitCode = await main();

async function main(): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
  const { values: { quick, json }, positionals: [name = "", ...others] } = parsed;
  if (!names.includes(name)) return refuse(name === "" ? "name a scenario" : `there is no scenario called ${name}`);
  if (others.length > 0) return refuse(`one scenario at a time, not ${[name, ...others].join(" and ")}`);
  const scenario = await load(name);
  let missed = 0;
  const progress = (text: string): void => void process.stderr.write(`${text}\n`);
  for await (const row of scenario.run({ quick, progress })) {
    if (row.met === false) missed++;
    process.stdout.write(json ? `${JSON.stringify(row)}\n` : lineOf(row));
  }
  if (missed > 0) progress(`${missed} ${missed === 1 ? "goal" : "goals"} missed`);
  return missed > 0 ? 1 : 0;
}

async function load(name: string): Promise<Scenario> {
  const { scenario } = await import(`./${name}.ts`) as { scenario: Scenario };
  return scenario;
}

async function refuse(problem: string): Promise<number> {
  const known = await Promise.all(names.map(async (name) => `  ${name.padEnd(12)} ${(await load(name)).about}`));
  process.stderr.write(`${problem}: npm run chaos -- SCENARIO [--quick] [--json]\n\n${known.join("\n")}\n`);
  return 2;
}

function lineOf(row: Row): string {
  const value = row.value === null ? "not measured" : String(Number(row.value.toPrecision(4)));
  const verdict = row.met === null ? "" : row.met ? "met" : "MISSED";
  return `${row.property.padEnd(52)} ${value.padStart(12)} ${row.unit.padEnd(8)} ${verdict.padEnd(6)} ` +
    `${[row.goal, row.note].filter(Boolean).join("; ")}\n`;
}
