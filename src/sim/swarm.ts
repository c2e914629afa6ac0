/**
 * A Swarm runs one scenario over many seeds, each of which draws a whole configuration; what fails is made smaller and
 * kept.
 *
 * After swarm testing (Groce and others, 2012): configurations that leave out some features find more than those that
 * have a little of everything. A seed is safe when every checker is content; a run that throws is not.
 */
import { RpcError } from "../core/error.ts";
import { numberOption } from "../core/option.ts";
import { broken, type Verdict } from "./checkers.ts";

/** A family of configurations. `Setup` is plain data: it is written to files. */
export interface SwarmScenario<Setup> {
  readonly name: string;
  /** The configuration of a seed. The same seed draws the same. */
  draw(seed: number): Setup;
  /** Plays it. */
  run(setup: Setup): Promise<SwarmRun>;
  /** Configurations a little simpler than this one, the simplest first: what shrinking tries. */
  simpler(setup: Setup): readonly Setup[];
  /** In a line. */
  describe(setup: Setup): string;
}

export interface SwarmRun {
  readonly verdicts: readonly Verdict[];
  readonly digest: string;
  readonly calls: number;
  readonly events: number;
}

export interface SwarmResult<Setup> {
  readonly seed: number;
  readonly setup: Setup;
  readonly held: boolean;
  /** What was broken, in words; empty if nothing was. */
  readonly why: string;
  /** Names of the checkers that found it, or `error`. */
  readonly broken: readonly string[];
  readonly digest: string;
  readonly calls: number;
}

/** Draws the configuration of a seed and plays it. Never rejects: what is thrown is a finding. */
export function runSeed<Setup>(scenario: SwarmScenario<Setup>, seed: number): Promise<SwarmResult<Setup>> {
  return play(scenario, scenario.draw(seed), seed);
}

/** Plays a configuration, e.g. of a regression file. Never rejects. */
export async function play<Setup>(
  scenario: SwarmScenario<Setup>, setup: Setup, seed: number,
): Promise<SwarmResult<Setup>> {
  try {
    const { verdicts, digest, calls } = await scenario.run(setup);
    const failed = verdicts.filter(({ held }) => !held);
    return {
      seed, setup, held: failed.length === 0, why: broken(verdicts), broken: failed.map(({ checker }) => checker),
      digest, calls,
    };
  } catch (thrown) {
    const error = RpcError.from(thrown, "internal");
    const { cause } = error;
    const stack = cause instanceof Error ? cause.stack : error.stack;
    const why = `error: ${error.code}: ${error.message}${stack === undefined ? "" : `\n${stack}`}`;
    return { seed, setup, held: false, why, broken: ["error"], digest: "", calls: 0 };
  }
}

export interface ShrinkOptions {
  /** Configurations that are tried. Default 60. */
  readonly maxRuns?: number;
  readonly tell?: ((text: string) => void) | undefined;
}

/** Makes a failing configuration smaller, as long as one of the same checkers finds fault with it. */
export async function shrink<Setup>(
  scenario: SwarmScenario<Setup>, failing: SwarmResult<Setup>, { maxRuns = 60, tell }: ShrinkOptions = {},
): Promise<SwarmResult<Setup>> {
  numberOption("maxRuns", maxRuns, { least: 0, whole: true });
  let least = failing;
  let runs = 0;
  for (let isSmaller = true; isSmaller && runs < maxRuns;) {
    isSmaller = false;
    for (const setup of scenario.simpler(least.setup)) {
      if (runs++ >= maxRuns) break;
      const result = await play(scenario, setup, failing.seed);
      if (result.held || !result.broken.some((checker) => failing.broken.includes(checker))) continue;
      tell?.(`smaller: ${scenario.describe(setup)}`);
      [least, isSmaller] = [result, true];
      break;
    }
  }
  return least;
}

/** A failing configuration, kept as a file so that it is tried again for ever. */
export interface Regression<Setup = unknown> {
  readonly scenario: string;
  readonly seed: number;
  /** What was broken when it was found. */
  readonly why: string;
  readonly setup: Setup;
  /** The checkers that must find fault with it: of a canary, broken on purpose. Absent of one that must hold. */
  readonly mustBreak?: readonly string[] | undefined;
  /** What is to be mended before it holds; until then a test may show it as known. */
  readonly waitsFor?: string | undefined;
}

/** Plays a kept configuration; tells in words what is not as it must be, or nothing. */
export async function replayRegression<Setup>(
  scenario: SwarmScenario<Setup>, regression: Regression<Setup>,
): Promise<string> {
  const result = await play(scenario, regression.setup, regression.seed);
  const { mustBreak } = regression;
  if (mustBreak === undefined) return result.why;
  const missing = mustBreak.filter((checker) => !result.broken.includes(checker));
  if (missing.length === 0) return "";
  return `${missing.join(", ")} did not find what is broken on purpose; found: ${result.why || "nothing"}`;
}

/** The seeds of one run, and which of them are done: what a stopped run goes on from. */
export interface SwarmState {
  readonly scenario: string;
  readonly first: number;
  readonly count: number;
  /** Every seed before this one is done. */
  next: number;
  /** Seeds from `next` on that are done as well. */
  done: number[];
  calls: number;
  failed: number[];
  /** By checker, the seeds that it found fault with. */
  broken: Record<string, number[]>;
}

export function createSwarmState(scenario: string, first: number, count: number): SwarmState {
  numberOption("first", first, { least: 0, whole: true });
  numberOption("count", count, { least: 1, whole: true });
  return { scenario, first, count, next: first, done: [], calls: 0, failed: [], broken: {} };
}

/** Notes that a seed is done. */
export function seedDone(
  state: SwarmState, result: Pick<SwarmResult<unknown>, "seed" | "held" | "calls" | "broken">,
): void {
  const { seed, held, calls, broken: by } = result;
  state.calls += calls;
  for (const checker of by) {
    const seeds = state.broken[checker] ??= [];
    if (!seeds.includes(seed)) seeds.push(seed);
  }
  if (!held && !state.failed.includes(seed)) state.failed.push(seed);
  const done = new Set([...state.done, seed]);
  while (done.delete(state.next)) state.next++;
  state.done = [...done].sort((a, b) => a - b);
}

/** Seeds that are still to be done. */
export function* seedsLeft(state: SwarmState): Generator<number> {
  const done = new Set(state.done);
  for (let seed = state.next; seed < state.first + state.count; seed++) if (!done.has(seed)) yield seed;
}

export function seedsDone({ next, first, done }: SwarmState): number {
  return next - first + done.length;
}
