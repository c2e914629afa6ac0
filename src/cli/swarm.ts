/**
 * `meridian swarm`: runs simulated configurations by the thousand, seed by seed, on several processes; it can be
 * stopped, and goes on where it was.
 */
import { dirname, extname, join } from "node:path";
import { Command } from "commander";
import { RpcError } from "../core/index.ts";
import {
  play, type Regression, replayRegression, seedsDone, shrink, type SwarmResult, type SwarmScenario,
} from "../sim/swarm.ts";
import type { SwarmSetup } from "../sim/swarm-setup.ts";
import { canarySwarm, defaultSwarm } from "../sim/swarm-world.ts";
import { readTextIfThere, writeText } from "./files.ts";
import { wholeNumber } from "./numbers.ts";
import { SeedRun, workSeeds } from "./seed-run.ts";

interface Flags {
  readonly seed: number;
  readonly seeds: number;
  readonly jobs: number;
  readonly state?: string;
  readonly keep?: string;
  readonly replay?: string;
  readonly canary?: boolean;
  readonly json?: boolean;
  readonly worker?: boolean;
}

/** Failing seeds of one run that are made smaller and kept; further ones are only counted. */
const maxKept = 20;

/** `ended` hears the exit code: 0 if every seed held, 3 if not, 130 if it was stopped. */
export function swarmCommand(ended: (code: number) => void): Command {
  return new Command("swarm")
    .description("Run simulated configurations by the thousand, each drawn from a seed, and check each.")
    .option("--seed <number>", "the first seed", wholeNumber(0, 2 ** 31), 1)
    .option("--seeds <count>", "how many", wholeNumber(1, 10_000_000), 100)
    .option("--jobs <count>", "processes that run them", wholeNumber(1, 256), 1)
    .option("--state <file>", "where it stands is kept here: the same command goes on after it was stopped")
    .option("--keep <folder>", "failing configurations are made smaller and kept here as regressions")
    .option("--replay <file>", "play one kept configuration instead")
    .option("--canary", "a policy broken on purpose, of which failures must be found: exit code 0 if they are")
    .option("--json", "one JSON object a seed")
    .option("--worker", "of a process of a larger run: seeds come by standard input")
    .addHelpText("after", "\nExit code 0 if every seed held, 3 if not, 130 if it was stopped.")
    .action(async (flags: Flags) => {
      const scenario = flags.canary === true ? canarySwarm : defaultSwarm;
      if (flags.worker === true) await workSeeds(scenario);
      else if (flags.replay !== undefined) ended(await replayFile(flags.replay));
      else ended(await runAll(scenario, flags));
    });
}

async function replayFile(file: string): Promise<number> {
  const text = readTextIfThere(file);
  if (text === undefined) throw new RpcError("not_found", `there is no file ${file}`);
  const regression = readRegression(text, file);
  const scenario = [defaultSwarm, canarySwarm].find(({ name }) => name === regression.scenario);
  if (scenario === undefined) throw new RpcError("invalid_argument", `${file}: no scenario ${regression.scenario}`);
  const wrong = await replayRegression(scenario, regression);
  const { digest } = await play(scenario, regression.setup, regression.seed);
  process.stdout.write(`${scenario.describe(regression.setup)}\n${wrong === "" ? "as it must be" : wrong}\n` +
    `digest ${digest}\n`);
  return wrong === "" ? 0 : 3;
}

function readRegression(text: string, file: string): Regression<SwarmSetup> {
  try {
    const read = JSON.parse(text) as Partial<Regression<SwarmSetup>>;
    if (typeof read.scenario === "string" && typeof read.setup === "object") return read as Regression<SwarmSetup>;
  } catch (error) {
    throw new RpcError("invalid_argument", `${file} is no JSON: ${(error as Error).message}`);
  }
  throw new RpcError("invalid_argument", `${file} is no kept configuration: expected scenario, seed and setup`);
}

/** One run: what it tells of failing seeds, what it keeps of them, and how it ended. */
async function runAll(scenario: SwarmScenario<SwarmSetup>, flags: Flags): Promise<number> {
  const { seed, seeds, jobs, state, json, canary } = flags;
  const say = (text: string): void => void (json === true ? process.stderr : process.stdout).write(`${text}\n`);
  let kept = 0;
  /** Tells of a failing seed how to see it again, makes it smaller and keeps it. */
  const failed = async (result: SwarmResult<SwarmSetup>): Promise<void> => {
    say(`\nseed ${result.seed}: ${scenario.describe(result.setup)}\n${result.why}\n` +
      `again: meridian swarm --seed ${result.seed} --seeds 1`);
    if (flags.keep === undefined || kept++ >= maxKept) return;
    const least = await shrink(scenario, result, { tell: say });
    const regression: Regression<SwarmSetup> = {
      scenario: scenario.name, seed: result.seed, why: least.why, setup: least.setup,
    };
    const path = join(flags.keep, `seed-${result.seed}.json`);
    writeText(path, `${JSON.stringify(regression, null, 2)}\n`);
    say(`kept: meridian swarm --replay ${path}`);
  };
  const program = join(dirname(import.meta.filename), `meridian${extname(import.meta.filename)}`);
  const run = new SeedRun(scenario, {
    seed, seeds, jobs, state, worker: [program, "swarm", "--worker", ...(canary === true ? ["--canary"] : [])],
    ended: async (result) => {
      if (json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
      if (!result.held && canary !== true) await failed(result);
    },
  });
  await run.all();
  say(summary(run));
  if (run.isStopped) return 130;
  return run.state.failed.length > 0 === (canary === true) ? 0 : 3;
}

function summary({ state, isStopped }: SeedRun<SwarmSetup>): string {
  const { failed, calls, count } = state;
  const which = failed.length === 0 ? "" : `: ${failed.slice(0, 50).join(", ")}${failed.length > 50 ? ", …" : ""}`;
  return `${isStopped ? "stopped; " : ""}${seedsDone(state)} of ${count} seeds, ${calls} calls, ` +
    `${failed.length} failed${which}`;
}
