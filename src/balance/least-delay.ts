/**
 * Least delay picks who is expected to answer soonest, from all that is known without asking: what servers tell with
 * their replies, what of ours has come back, and what has not.
 *
 * The score of an endpoint is
 *
 *     latency x (1 + calls in flight there)^3 x overdue / success^3
 *
 * - *Latency and calls in flight* are the server's own figures (Prequal's two signals; the cube is C3's, which makes a
 *   queue count for more than a fast machine). What is told of calls in flight is out of date once a call's time has
 *   passed: it fades towards the mean of all, so that an old report makes nobody attractive and nobody shunned for
 *   long. A server that tells nothing is known by our own attempts.
 * - *Overdue*: the age of our oldest attempt in flight, against the longest that attempts have lately taken there. So
 *   a server that has fallen silent is left before anything has failed.
 * - *Success*: our own success rate. Who fails fast gains nothing (the sinkhole).
 *
 * Compared are two drawn by weight, the power of two choices, and the few that answered last, whose figures are
 * freshest ("the power of two choices with memory", Mitzenmacher, Prabhakar, Shah, FOCS 2002). No probes are sent.
 */
import {
  type Candidate, type Context, numberOption, type Picker, type PickExplanation, type Random,
} from "../core/index.ts";
import { type AliasTable, aliasTable, draw, drawOther } from "./alias.ts";
import { derived } from "./derived.ts";

export interface LeastDelayOptions {
  /** How many of those that answered last are compared, beside two that are drawn. Default 4; 0 for none. */
  readonly remembered?: number;
  /** An endpoint is taken instead of another only if its score is lower by more than this part. Default 0.1. */
  readonly margin?: number;
  /**
   * Time constant by which a failure that is not confirmed fades, and a latency at the latest, in milliseconds; it does
   * within fifty calls' time if that is sooner. Default 10,000.
   */
  readonly decayMs?: number;
}

/** Calls of which an answer is awaited; more are not followed, since these tell enough. */
const mostAwaited = 16;
/** How long it is awaited, in milliseconds. */
const awaitedForMs = 1_000;
/** Weight of the newest report in the means of all. */
const newest = 0.05;
/** Replies carry reports more often than this, in milliseconds, also over HTTP. */
const untoldMs = 150;
/** A latency fades within so many calls' time: what a server does in milliseconds may be another thing in seconds. */
const latencyCalls = 50;
/** Least success rate that is told from none. */
const leastSuccess = 0.01;

/** The picker. Time is that of the call's beginning (`context.startedMs`), so that a pick reads no clock. */
export function leastDelay(random: Random, options: LeastDelayOptions = {}): Picker {
  const settings = {
    remembered: numberOption("remembered", options.remembered ?? 4, { least: 0, most: 64, whole: true }),
    keptOf: 1 - numberOption("margin", options.margin ?? 0.1, { least: 0, most: 0.9 }),
    decayMs: numberOption("decayMs", options.decayMs ?? 10_000, { least: 1, most: 3_600_000, unit: "milliseconds" }),
  };
  const choices = derived((candidates) => new Choice(candidates, random, settings));
  let last: readonly Candidate[] = [];
  const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined =>
    candidates.length < 2 ? candidates[0] : choices(last = candidates).pick(context) as C | undefined;
  return Object.assign(pick, {
    explain: ({ startedMs }: Context): PickExplanation =>
      ({ score: (candidate) => (last.includes(candidate) ? choices(last).scoreOf(candidate, startedMs) : undefined) }),
  });
}

interface Settings {
  readonly remembered: number;
  readonly keptOf: number;
  readonly decayMs: number;
}

type Candidates = readonly Candidate[];

class Choice {
  readonly #candidates: Candidates;
  readonly #random: Random;
  readonly #settings: Settings;
  readonly #table: AliasTable;
  /** Those that answered last, in no order; the next to answer takes the place of the one that came first. */
  readonly #fresh: Candidate[] = [];
  #oldest = 0;
  /** Picked, and not heard of since. */
  readonly #awaited: Candidate[] = [];
  readonly #awaitedSince = new Float64Array(mostAwaited);
  #lookedMs = -Infinity;
  /** Means of what was told, by servers drawn without favour. */
  #inFlight = 0;
  #latencyMs = 0;
  /** And of our own attempts in flight. */
  #own = 0;

  constructor(candidates: Candidates, random: Random, settings: Settings) {
    this.#candidates = candidates;
    this.#random = random;
    this.#settings = settings;
    this.#table = aliasTable(candidates);
  }

  pick({ startedMs: nowMs, avoid }: Context): Candidate | undefined {
    if (nowMs !== this.#lookedMs) this.#look(nowMs);
    const { keptOf, remembered } = this.#settings;
    const candidates = this.#candidates;
    const n = candidates.length;
    const at = draw(this.#table, n, this.#random);
    let best = candidates[at] as Candidate;
    this.#sample(best);
    let least = this.#score(best, nowMs);
    // Few are compared all, from the one drawn on; of many another that is drawn, and those heard of last.
    const isFew = n <= remembered + 2;
    const others = isFew ? candidates : this.#fresh;
    for (let i = isFew ? 1 : -1; i < others.length; i++) {
      const other = isFew ? candidates[(at + i) % n] as Candidate
        : i < 0 ? candidates[drawOther(this.#table, n, this.#random, at)] as Candidate : others[i] as Candidate;
      if (other === best || other.address.weight <= 0) continue;
      const score = this.#score(other, nowMs);
      if (score < least * keptOf && (avoid.length === 0 || !avoid.includes(other))) {
        best = other;
        least = score;
      }
    }
    if (this.#awaited.length < mostAwaited) {
      this.#awaitedSince[this.#awaited.length] = nowMs;
      this.#awaited.push(best);
    }
    return best;
  }

  /** Takes in who has answered since it was picked. */
  #look(nowMs: number): void {
    this.#lookedMs = nowMs;
    const awaited = this.#awaited;
    const since = this.#awaitedSince;
    let kept = 0;
    for (let i = 0; i < awaited.length; i++) {
      const candidate = awaited[i] as Candidate;
      const sinceMs = since[i] as number;
      const { report, reportAtMs } = candidate.load;
      if (report !== undefined && reportAtMs >= sinceMs) {
        this.#heard(candidate);
      } else if (nowMs - sinceMs < awaitedForMs) {
        awaited[kept] = candidate;
        since[kept++] = sinceMs;
      }
    }
    awaited.length = kept;
  }

  /**
   * The means are of what those drawn by chance told last. Of those that answer they would be misleading: whoever is
   * busy with our calls would seem no worse than everybody, and nobody else would ever be tried.
   */
  #sample({ load }: Candidate): void {
    const { report } = load;
    this.#own += (load.inFlight - this.#own) * newest;
    if (report === undefined) return;
    const weight = this.#latencyMs === 0 ? 1 : newest;
    this.#inFlight += (report.inFlight - this.#inFlight) * weight;
    this.#latencyMs += ((report.latencyMs || load.latencyMs) - this.#latencyMs) * weight;
  }

  #heard(candidate: Candidate): void {
    const fresh = this.#fresh;
    if (fresh.includes(candidate)) return;
    if (fresh.length < this.#settings.remembered) fresh.push(candidate);
    else if (fresh.length > 0) {
      fresh[this.#oldest] = candidate;
      this.#oldest = (this.#oldest + 1) % fresh.length;
    }
  }

  scoreOf(candidate: Candidate, nowMs: number): number {
    return this.#score(candidate, nowMs);
  }

  /** What is expected of an endpoint; only relations between scores mean something. */
  #score({ address, load }: Candidate, nowMs: number): number {
    const { report } = load;
    const own = load.inFlight;
    let { latencyMs } = load;
    let inFlight = own;
    if (report !== undefined) {
      const ageMs = nowMs - load.reportAtMs;
      latencyMs = report.latencyMs || latencyMs || 1;
      inFlight = report.inFlight;
      if (ageMs > 0) {
        const calls = ageMs / latencyMs;
        const kept = fading(calls);
        inFlight = inFlight * kept + this.#inFlight * (1 - kept);
        const stale = Math.max(calls / latencyCalls, ageMs / this.#settings.decayMs);
        latencyMs += (this.#latencyMs - latencyMs) * (1 - fading(stale));
      }
      // Attempts that ended since then without a word from there were given up, by us or a deadline: that took long.
      if (load.peakEwmaAtMs > load.reportAtMs + untoldMs && load.peakEwmaMs > latencyMs) latencyMs = load.peakEwmaMs;
      // Attempts of ours that began since then and have not ended are there on top.
      if (own > 0) inFlight = Math.max(own, inFlight + Math.min(load.sinceReport, own));
    } else if (this.#latencyMs > 0) {
      inFlight = Math.max(own, this.#inFlight);
      if (latencyMs === 0) latencyMs = this.#latencyMs;
    }
    // Who has just failed is not the better for being empty.
    if (load.consecutiveFailures > 0 && inFlight < this.#own) inFlight = this.#own;
    const busy = 1 + inFlight * (this.#table.meanWeight / address.weight);
    let score = (latencyMs || 1) * busy * busy * busy;
    if (own > 0 && load.peakEwmaMs > 0) {
      const overdue = (nowMs - load.outstanding.oldestMs) / load.peakEwmaMs;
      if (overdue > 1) score *= overdue * overdue * overdue;
    }
    if (load.failureRate > 0.001) {
      const ageMs = Math.max(0, nowMs - load.peakEwmaAtMs);
      const success = Math.max(leastSuccess, 1 - load.failureRate * fading(ageMs / this.#settings.decayMs));
      score /= success * success * success;
    }
    return score;
  }
}

/** exp(-x), to the third order of its inverse: far cheaper, and as good. */
function fading(x: number): number {
  return 1 / (1 + x * (1 + x * (0.5 + x / 6)));
}
