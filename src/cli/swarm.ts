/**
 * `meridian swarm`: runs simulated configurations by the thousand, seed by seed, on several processes; it can be
 * stopped, and goes on where it was.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { createInterface } from "node:readline";
import { Command } from "commander";
import { RpcError } from "../core/index.ts";
import {
  createSwarmState, play, type Regression, replayRegression, runSeed, seedDone, seedsDone, seedsLeft, shrink,
  type SwarmResult, type SwarmScenario, type SwarmState,
} from "../sim/swarm.ts";
import type { SwarmSetup } from "../sim/swarm-setup.ts";
import { canarySwarm, defaultSwarm } from "../sim/swarm-world.ts";
import { readTextIfThere, writeText } from "./files.ts";
import { wholeNumber } from "./numbers.ts";

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

/** Seeds that a process is given at once. */
const chunkSeeds = 10;
/** A state is written this often at most, in milliseconds. */
const saveEveryMs = 2_000;
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
      if (flags.worker === true) ended(await work(scenario));
      else if (flags.replay !== undefined) ended(await replayFile(flags.replay));
      else ended(await new Run(scenario, flags).all());
    });
}

/** Runs the seeds that come by standard input, one a line; each result is a line. */
async function work(scenario: SwarmScenario<SwarmSetup>): Promise<number> {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await runSeed(scenario, Number(line)))}\n`);
  }
  return 0;
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

class Run {
  readonly #scenario: SwarmScenario<SwarmSetup>;
  readonly #flags: Flags;
  readonly #state: SwarmState;
  readonly #children = new Set<ChildProcess>();
  readonly #left: Iterator<number>;
  readonly #startedMs = performance.now();
  #doneBefore: number;
  #savedMs = -Infinity;
  #toldMs = 0;
  #kept = 0;
  #isStopped = false;

  constructor(scenario: SwarmScenario<SwarmSetup>, flags: Flags) {
    this.#scenario = scenario;
    this.#flags = flags;
    this.#state = this.#load();
    this.#left = seedsLeft(structuredClone(this.#state));
    this.#doneBefore = seedsDone(this.#state);
  }

  async all(): Promise<number> {
    const { jobs, canary } = this.#flags;
    const stop = (): void => {
      this.#isStopped = true;
      for (const child of this.#children) child.kill("SIGTERM");
    };
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);
    try {
      if (jobs === 1) await this.#here();
      else await Promise.all(Array.from({ length: jobs }, () => this.#elsewhere()));
    } finally {
      for (const signal of ["SIGINT", "SIGTERM"]) process.removeListener(signal, stop);
      this.#save(true);
    }
    this.#summary();
    if (this.#isStopped) return 130;
    const found = this.#state.failed.length > 0;
    return found === (canary === true) ? 0 : 3;
  }

  #load(): SwarmState {
    const { seed, seeds, state: file } = this.#flags;
    const fresh = createSwarmState(this.#scenario.name, seed, seeds);
    if (file === undefined || !existsSync(file)) return fresh;
    const kept = JSON.parse(readFileSync(file, "utf8")) as SwarmState;
    if (kept.scenario === fresh.scenario && kept.first === seed && kept.count === seeds) return kept;
    throw new RpcError("invalid_argument", `${file} is of another run (${kept.scenario}, ${kept.count} seeds from ` +
      `${kept.first} on); remove it, or give --seed ${kept.first} --seeds ${kept.count}`);
  }

  /** In this process, which hears a signal between two seeds. */
  async #here(): Promise<void> {
    while (!this.#isStopped) {
      const { value: seed, done } = this.#left.next();
      if (done === true) return;
      await this.#ended(await runSeed(this.#scenario, seed));
      await new Promise(setImmediate);
    }
  }

  /** In a child, which gets a few seeds ahead so that it never waits. */
  async #elsewhere(): Promise<void> {
    const program = join(dirname(import.meta.filename), `meridian${extname(import.meta.filename)}`);
    const args = [program, "swarm", "--worker", ...(this.#flags.canary === true ? ["--canary"] : [])];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.add(child);
    const failed = new Promise<never>((_, reject) => void child.once("error", reject));
    const closed = new Promise<number | null>((resolve) => void child.once("close", resolve));
    // A child that is gone takes no more seeds; that it is gone is told by `closed`.
    child.stdin.on("error", () => undefined);
    let waiting = 0;
    const give = (): void => {
      while (waiting < chunkSeeds && !this.#isStopped) {
        const { value: seed, done } = this.#left.next();
        if (done === true) break;
        waiting++;
        child.stdin.write(`${seed}\n`);
      }
      if (waiting === 0) child.stdin.end();
    };
    const results = (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        waiting--;
        await this.#ended(JSON.parse(line) as SwarmResult<SwarmSetup>);
        give();
      }
    })();
    give();
    const code = await Promise.race([Promise.all([closed, results]).then(([status]) => status), failed]);
    this.#children.delete(child);
    if (!this.#isStopped && (code !== 0 || waiting > 0)) {
      throw new RpcError("internal", `a process of the swarm ended with ${code}, ${waiting} seeds unfinished`);
    }
  }

  async #ended(result: SwarmResult<SwarmSetup>): Promise<void> {
    seedDone(this.#state, result);
    const { json, canary } = this.#flags;
    if (json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
    if (!result.held && canary !== true) await this.#failed(result);
    this.#progress();
    this.#save(false);
  }

  /** Tells of a failing seed how to see it again, makes it smaller and keeps it. */
  async #failed(result: SwarmResult<SwarmSetup>): Promise<void> {
    const { keep, json } = this.#flags;
    const say = (text: string): void => void (json === true ? process.stderr : process.stdout).write(`${text}\n`);
    say(`\nseed ${result.seed}: ${this.#scenario.describe(result.setup)}\n${result.why}\n` +
      `again: meridian swarm --seed ${result.seed} --seeds 1`);
    if (keep === undefined || this.#kept++ >= maxKept) return;
    const least = await shrink(this.#scenario, result, { tell: say });
    const regression: Regression<SwarmSetup> = {
      scenario: this.#scenario.name, seed: result.seed, why: least.why, setup: least.setup,
    };
    const path = join(keep, `seed-${result.seed}.json`);
    writeText(path, `${JSON.stringify(regression, null, 2)}\n`);
    say(`kept: meridian swarm --replay ${path}`);
  }

  #save(now: boolean): void {
    const { state: file } = this.#flags;
    if (file === undefined || (!now && performance.now() - this.#savedMs < saveEveryMs)) return;
    this.#savedMs = performance.now();
    // Whole or not at all, whenever it is stopped.
    writeText(`${file}.new`, `${JSON.stringify(this.#state)}\n`);
    renameSync(`${file}.new`, file);
  }

  #progress(): void {
    const at = performance.now();
    const every = process.stderr.isTTY ? 500 : 30_000;
    if (at - this.#toldMs < every) return;
    this.#toldMs = at;
    const { count, failed } = this.#state;
    const done = seedsDone(this.#state);
    const rate = (done - this.#doneBefore) / ((at - this.#startedMs) / 1_000);
    const left = (count - done) / rate;
    const time = left > 5_400 ? `${(left / 3_600).toFixed(1)} h` : left > 90 ? `${(left / 60).toFixed(0)} min` :
      `${left.toFixed(0)} s`;
    const line = `${done} of ${count} seeds, ${rate.toFixed(1)}/s, ${time} to go, ${failed.length} failed`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
  }

  #summary(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    const { failed, calls, count } = this.#state;
    const stopped = this.#isStopped ? "stopped; " : "";
    const which = failed.length === 0 ? "" : `: ${failed.slice(0, 50).join(", ")}${failed.length > 50 ? ", …" : ""}`;
    const done = seedsDone(this.#state);
    const line = `${stopped}${done} of ${count} seeds, ${calls} calls, ${failed.length} failed${which}\n`;
    (this.#flags.json === true ? process.stderr : process.stdout).write(line);
  }
}
