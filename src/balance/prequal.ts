/**
 * Prequal chooses by what servers say of themselves just now, probed ahead of the calls: among those with few calls in
 * flight the quickest, or, if all have many, the one with the fewest.
 *
 * Wydrowski et al., "Load is not what you should balance: Introducing Prequal" (NSDI 2024, arXiv 2312.10172), with its
 * defaults. Added here: answers that come with replies fill the pool too, so that fewer probes are needed; weights; and
 * failures count, so that a server which fails fast gains nothing.
 */
import {
  type Candidate, type Context, numberOption, type Picker, type Runtime,
} from "../core/index.ts";
import { aliasTable, type AliasTable, draw } from "./alias.ts";
import { derived } from "./derived.ts";
import { type Answer, ProbePool } from "./probe-pool.ts";

export interface PrequalOptions {
  /** Probes sent with each call; a fraction is kept on average. Default 3; 0 for none, only replies. */
  readonly probesPerCall?: number;
  /** Whether the loads that come with replies are answers too. Default true. */
  readonly piggyBack?: boolean;
  /** Answers kept. Default 16. */
  readonly poolSize?: number;
  /** Age at which an answer is dropped, in milliseconds. Default 1,000. */
  readonly maxAgeMs?: number;
  /** How long the answer to a probe is waited for, in milliseconds. Default 3: one data centre. */
  readonly probeTimeoutMs?: number;
  /** A server with more in flight than so great a part of the latest answers is hot. Default 2^-0.25, about 0.84. */
  readonly hotQuantile?: number;
  /** Answers removed with each call, the oldest and the worst in turn. Default 1. */
  readonly removedPerCall?: number;
  /** How far answers come in faster than they go, from which follows how often each is used. Default 1. */
  readonly delta?: number;
}

/** So many of the latest answers tell how many in flight are many; more in flight than this are not told apart. */
const remembered = 128;
const mostLevel = 1_023;

/** The picker. Servers that cannot be probed (over HTTP) are known by their replies alone. */
export function prequal(runtime: Pick<Runtime, "clock" | "random">, options: PrequalOptions = {}): Picker {
  const settings = resolved(options);
  const states = derived((candidates) => new Prequal(runtime, settings, candidates));
  return <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined =>
    candidates.length < 2 ? candidates[0] : states(candidates).pick(context) as C | undefined;
}

type Settings = Required<PrequalOptions>;

function resolved(options: PrequalOptions): Settings {
  const number = (name: keyof PrequalOptions, otherwise: number, least: number, most: number, whole = false): number =>
    numberOption(name, (options[name] as number | undefined) ?? otherwise, { least, most, whole });
  return {
    probesPerCall: number("probesPerCall", 3, 0, 16),
    piggyBack: options.piggyBack ?? true,
    poolSize: number("poolSize", 16, 2, 1_024, true),
    maxAgeMs: number("maxAgeMs", 1_000, 1, 3_600_000),
    probeTimeoutMs: number("probeTimeoutMs", 3, 0.1, 60_000),
    hotQuantile: number("hotQuantile", 2 ** -0.25, 0, 1),
    removedPerCall: number("removedPerCall", 1, 0, 16),
    delta: number("delta", 1, 0, 100),
  };
}

type Candidates = readonly Candidate[];
type Dice = Pick<Runtime, "clock" | "random">;

class Prequal {
  readonly #runtime: Dice;
  readonly #settings: Settings;
  readonly #candidates: Candidates;
  readonly #table: AliasTable;
  readonly #pool: ProbePool;
  readonly #uses: number;
  readonly #levels = new InFlightLevels();
  #probesOwed = 0;
  #removalsOwed = 0;
  #removesOldest = true;

  constructor(runtime: Dice, settings: Settings, candidates: Candidates) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#candidates = candidates;
    this.#table = aliasTable(candidates);
    const { poolSize, probesPerCall, removedPerCall, delta } = settings;
    this.#pool = new ProbePool({ size: poolSize, maxAgeMs: settings.maxAgeMs, meanWeight: this.#table.meanWeight });
    const comesIn = (1 - poolSize / candidates.length) * probesPerCall - removedPerCall;
    this.#uses = comesIn <= 0 ? 1 : Math.max(1, (1 + delta) / comesIn);
  }

  pick(context: Context): Candidate | undefined {
    const { clock } = this.#runtime;
    const nowMs = clock.now();
    const pool = this.#pool;
    pool.refresh(nowMs, this.#usesOfOne, this.#levels);
    const { answers } = pool;
    const at = answers.length >= 2 ? this.#best(context.avoid) : -1;
    const picked = at < 0 ? this.#candidates[this.#draw()] : (answers[at] as Answer).candidate;
    if (at >= 0) pool.use(at);
    this.#remove();
    this.#probe(nowMs);
    if (this.#settings.piggyBack && picked !== undefined) pool.expect(picked, nowMs, this.#settings.maxAgeMs);
    return picked;
  }

  readonly #usesOfOne = (): number => {
    const whole = Math.floor(this.#uses);
    return this.#runtime.random.next() < this.#uses - whole ? whole + 1 : whole;
  };

  #draw(): number {
    return draw(this.#table, this.#candidates.length, this.#runtime.random);
  }

  #best(avoid: readonly unknown[]): number {
    const { answers } = this.#pool;
    const threshold = this.#levels.quantile(this.#settings.hotQuantile);
    let best = -1;
    let bestHot = true;
    let bestValue = Infinity;
    for (let i = 0; i < answers.length; i++) {
      const answer = answers[i] as Answer;
      if (avoid.length > 0 && avoid.includes(answer.candidate)) continue;
      const isHot = answer.inFlight > threshold;
      if (isHot && !bestHot) continue;
      const value = (isHot ? answer.inFlight + 1 : answer.latencyMs) / succeeding(answer.candidate);
      if (bestHot && !isHot || value < bestValue) {
        best = i;
        bestHot = isHot;
        bestValue = value;
      }
    }
    return best;
  }

  #remove(): void {
    this.#removalsOwed += this.#settings.removedPerCall;
    while (this.#removalsOwed >= 1) {
      this.#removalsOwed--;
      const { answers } = this.#pool;
      if (answers.length === 0) continue;
      this.#pool.removeAt(this.#removesOldest ? 0 : this.#worst());
      this.#removesOldest = !this.#removesOldest;
    }
  }

  #worst(): number {
    const { answers } = this.#pool;
    const threshold = this.#levels.quantile(this.#settings.hotQuantile);
    let worst = 0;
    let worstHot = false;
    let worstValue = -1;
    for (let i = 0; i < answers.length; i++) {
      const answer = answers[i] as Answer;
      const isHot = answer.inFlight > threshold;
      if (!isHot && worstHot) continue;
      const value = (isHot ? answer.inFlight + 1 : answer.latencyMs) / succeeding(answer.candidate);
      if (isHot && !worstHot || value > worstValue) {
        worst = i;
        worstHot = isHot;
        worstValue = value;
      }
    }
    return worst;
  }

  #probe(nowMs: number): void {
    this.#probesOwed += this.#settings.probesPerCall;
    const { probeTimeoutMs } = this.#settings;
    for (; this.#probesOwed >= 1; this.#probesOwed--) {
      const candidate = this.#candidates[this.#draw()] as Candidate;
      if (candidate.askLoad?.() === true) this.#pool.expect(candidate, nowMs, probeTimeoutMs);
    }
  }
}

/** The cube of the success rate: who fails fast is neither quick nor free. */
function succeeding({ load }: Candidate): number {
  return Math.max(0.01, 1 - load.failureRate) ** 3;
}

/** How many of the latest answers had so many calls in flight. */
class InFlightLevels {
  readonly #ring = new Uint16Array(remembered);
  readonly #counts = new Uint16Array(mostLevel + 1);
  #next = 0;
  #filled = 0;

  add(inFlight: number): void {
    const level = Math.min(mostLevel, Math.max(0, Math.round(inFlight)));
    const counts = this.#counts;
    const before = this.#ring[this.#next] as number;
    if (this.#filled === remembered) counts[before] = (counts[before] as number) - 1;
    else this.#filled++;
    this.#ring[this.#next] = level;
    counts[level] = (counts[level] as number) + 1;
    this.#next = (this.#next + 1) % remembered;
  }

  /** The least level that so great a part is at or below. */
  quantile(share: number): number {
    if (share >= 1) return Infinity;
    if (share === 0) return -1;
    const wanted = share * this.#filled;
    let level = 0;
    let sum = this.#counts[0] as number;
    while (sum < wanted && level < mostLevel) sum += this.#counts[++level] as number;
    return level;
  }
}
