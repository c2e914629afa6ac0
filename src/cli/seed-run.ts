/**
 * A SeedRun plays one scenario for many seeds, on one process or several; it tells how far it is, can be stopped, and
 * goes on from what it wrote down.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { createInterface } from "node:readline";
import { RpcError } from "../core/index.ts";
import {
  createSwarmState, runSeed, seedDone, seedsDone, seedsLeft, type SwarmResult, type SwarmScenario, type SwarmState,
} from "../sim/swarm.ts";
import { writeText } from "./files.ts";

export interface SeedRunOptions<Setup> {
  /** The first seed, and how many. */
  readonly seed: number;
  readonly seeds: number;
  /** Processes that play them. 1 is this one. */
  readonly jobs: number;
  /** A file that keeps where it stands. Default: nothing is kept. */
  readonly state?: string | undefined;
  /** Arguments of the program that plays seeds for another process: it calls `workSeeds`. */
  readonly worker: readonly string[];
  /** Hears of every seed that is done. */
  ended?(result: SwarmResult<Setup>): void | Promise<void>;
}

/** Seeds that a process is given at once. */
const chunkSeeds = 10;
/** A state is written this often at most, in milliseconds. */
const saveEveryMs = 2_000;

/** Plays the seeds that come by standard input, one a line; each result is a line. */
export async function workSeeds<Setup>(scenario: SwarmScenario<Setup>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await runSeed(scenario, Number(line)))}\n`);
  }
}

export class SeedRun<Setup> {
  readonly #scenario: SwarmScenario<Setup>;
  readonly #options: SeedRunOptions<Setup>;
  readonly #children = new Set<ChildProcess>();
  readonly #left: Iterator<number>;
  readonly #startedMs = performance.now();
  readonly #doneBefore: number;
  #savedMs = -Infinity;
  #toldMs = 0;
  readonly state: SwarmState;
  /** Whether it was stopped before its end, by SIGINT or SIGTERM. */
  isStopped = false;

  constructor(scenario: SwarmScenario<Setup>, options: SeedRunOptions<Setup>) {
    this.#scenario = scenario;
    this.#options = options;
    this.state = this.#load();
    this.#left = seedsLeft(structuredClone(this.state));
    this.#doneBefore = seedsDone(this.state);
  }

  /** Plays what is left, until all is done or it is stopped. */
  async all(): Promise<void> {
    const { jobs } = this.#options;
    const stop = (): void => {
      this.isStopped = true;
      for (const child of this.#children) child.kill("SIGTERM");
    };
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);
    try {
      if (jobs === 1) await this.#here();
      else await Promise.all(Array.from({ length: jobs }, () => this.#elsewhere()));
    } finally {
      for (const signal of ["SIGINT", "SIGTERM"]) process.removeListener(signal, stop);
      this.#save(true);
      if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    }
  }

  #load(): SwarmState {
    const { seed, seeds, state: file } = this.#options;
    const fresh = createSwarmState(this.#scenario.name, seed, seeds);
    if (file === undefined || !existsSync(file)) return fresh;
    const kept = { ...fresh, ...JSON.parse(readFileSync(file, "utf8")) as SwarmState };
    if (kept.scenario === fresh.scenario && kept.first === seed && kept.count === seeds) return kept;
    throw new RpcError("invalid_argument", `${file} is of another run (${kept.scenario}, ${kept.count} seeds from ` +
      `${kept.first} on); remove it, or give --seed ${kept.first} --seeds ${kept.count}`);
  }

  /** In this process, which hears a signal between two seeds. */
  async #here(): Promise<void> {
    while (!this.isStopped) {
      const { value: seed, done } = this.#left.next();
      if (done === true) return;
      await this.#ended(await runSeed(this.#scenario, seed));
      await new Promise(setImmediate);
    }
  }

  /** In a child, which gets a few seeds ahead so that it never waits. */
  async #elsewhere(): Promise<void> {
    const child = spawn(process.execPath, this.#options.worker, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.add(child);
    const failed = new Promise<never>((_, reject) => void child.once("error", reject));
    const closed = new Promise<number | null>((resolve) => void child.once("close", resolve));
    // A child that is gone takes no more seeds; that it is gone is told by `closed`.
    child.stdin.on("error", () => undefined);
    let waiting = 0;
    const give = (): void => {
      while (waiting < chunkSeeds && !this.isStopped) {
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
        await this.#ended(JSON.parse(line) as SwarmResult<Setup>);
        give();
      }
    })();
    give();
    const code = await Promise.race([Promise.all([closed, results]).then(([status]) => status), failed]);
    this.#children.delete(child);
    if (!this.isStopped && (code !== 0 || waiting > 0)) {
      throw new RpcError("internal", `a process of the run ended with ${code}, ${waiting} seeds unfinished`);
    }
  }

  async #ended(result: SwarmResult<Setup>): Promise<void> {
    seedDone(this.state, result);
    await this.#options.ended?.(result);
    this.#progress();
    this.#save(false);
  }

  #save(now: boolean): void {
    const { state: file } = this.#options;
    if (file === undefined || (!now && performance.now() - this.#savedMs < saveEveryMs)) return;
    this.#savedMs = performance.now();
    // Whole or not at all, whenever it is stopped.
    writeText(`${file}.new`, `${JSON.stringify(this.state)}\n`);
    renameSync(`${file}.new`, file);
  }

  #progress(): void {
    const at = performance.now();
    const every = process.stderr.isTTY ? 500 : 30_000;
    if (at - this.#toldMs < every) return;
    this.#toldMs = at;
    const { count, failed } = this.state;
    const done = seedsDone(this.state);
    const rate = (done - this.#doneBefore) / ((at - this.#startedMs) / 1_000);
    const left = (count - done) / rate;
    const time = left > 5_400 ? `${(left / 3_600).toFixed(1)} h` : left > 90 ? `${(left / 60).toFixed(0)} min` :
      `${left.toFixed(0)} s`;
    const line = `${done} of ${count} seeds, ${rate.toFixed(1)}/s, ${time} to go, ${failed.length} failed`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
  }
}
