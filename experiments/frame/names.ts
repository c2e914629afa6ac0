// Which experiments there are: each is a file of experiments/ that exports `experiment`.
import { readdirSync } from "node:fs";
import type { Experiment } from "./rows.ts";

const programs = new Set(["run.ts", "record.ts"]);

export function experimentNames(): string[] {
  return readdirSync(new URL("..", import.meta.url))
    .filter((file) => file.endsWith(".ts") && !programs.has(file) && !file.endsWith(".test.ts"))
    .map((file) => file.slice(0, -".ts".length)).sort();
}

export async function loadExperiment(name: string): Promise<Experiment> {
  const { experiment } = await import(`../${name}.ts`) as { experiment: Experiment };
  return experiment;
}
