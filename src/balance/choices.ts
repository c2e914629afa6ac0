/**
 * The power of two choices: draw a few candidates by weight, and take the one that is better off.
 *
 * Mitzenmacher's result: with d = 2 the longest queue grows as log log n instead of log n. The cost of a pick
 * does not depend on the number of candidates.
 */
import {
  type Candidate, type Load, numberOption, type Picker, type PickExplanation, type Random, type Runtime,
} from "../core/index.ts";
import { aliasTable, draw, drawOther } from "./alias.ts";
import { derived } from "./derived.ts";

export interface ChoicesOptions {
  /** How many candidates are compared. Default 2; more herd around stale figures. */
  readonly choices?: number;
}

/**
 * Whether `other` is strictly better than `best`; at a tie the first drawn stays, which keeps idle traffic
 * proportional to weight. `meanWeight` makes weights relative.
 */
export interface Prefers {
  (other: Candidate, best: Candidate, meanWeight: number): boolean;
  /** The figure that it compares, for those who ask why; less is better. */
  readonly score?: ((candidate: Candidate, meanWeight: number) => number) | undefined;
}

/** Fewest attempts in flight for its weight, of `choices` drawn by weight. Finagle's and Linkerd's default. */
export function leastRequests(random: Random, options: ChoicesOptions = {}): Picker {
  return powerOfChoices(random, options, scored(
    (other, best) => other.load.inFlight * best.address.weight < best.load.inFlight * other.address.weight,
    ({ load, address }) => load.inFlight / address.weight,
  ));
}

export interface PeakEwmaOptions extends ChoicesOptions {
  /** Time constant by which a latency that is not confirmed fades, in milliseconds. Default 10,000. */
  readonly decayMs?: number;
}

/**
 * Least `peak-sensitive latency * (in flight + 1)`, of `choices` drawn by weight: reacts to one slow answer at
 * once and forgives slowly. A candidate nobody has measured yet is compared by its attempts in flight alone,
 * so it neither starves nor is flooded. Finagle's Balancers.p2cPeakEwma.
 */
export function peakEwma(runtime: Pick<Runtime, "clock" | "random">, options: PeakEwmaOptions = {}): Picker {
  const { clock } = runtime;
  const decayMs = decayOption(options);
  return powerOfChoices(runtime.random, options, scored((other, best, meanWeight) => {
    const otherBusy = 1 + (other.load.inFlight * meanWeight) / other.address.weight;
    const bestBusy = 1 + (best.load.inFlight * meanWeight) / best.address.weight;
    if (other.load.peakEwmaMs === 0 || best.load.peakEwmaMs === 0) return otherBusy < bestBusy;
    const now = clock.now();
    const otherCost = other.load.peakEwmaMs * faded(now - other.load.peakEwmaAtMs, decayMs);
    return otherCost * otherBusy < best.load.peakEwmaMs * faded(now - best.load.peakEwmaAtMs, decayMs) * bestBusy;
  }, ({ load, address }, meanWeight) => {
    const costMs = load.peakEwmaMs === 0 ? 1 : load.peakEwmaMs * faded(clock.now() - load.peakEwmaAtMs, decayMs);
    return costMs * (1 + (load.inFlight * meanWeight) / address.weight);
  }));
}

export interface ErrorAwareOptions extends PeakEwmaOptions {
  /** How hard failures count: the score is divided by (success rate) to this power. Default 3. */
  readonly power?: number;
}

/**
 * {@link peakEwma} with every score divided by a power of the success rate, so that a server that fails fast
 * never gains share (the sinkhole). A failure rate fades with time, so that a recovered server is tried again.
 */
export function errorAware(runtime: Pick<Runtime, "clock" | "random">, options: ErrorAwareOptions = {}): Picker {
  const { clock } = runtime;
  const decayMs = decayOption(options);
  const power = numberOption("power", options.power ?? 3, { least: 0, most: 100 });
  return powerOfChoices(runtime.random, options, scored((other, best, meanWeight) => {
    const now = clock.now();
    const measured = other.load.peakEwmaMs > 0 && best.load.peakEwmaMs > 0;
    return errorAwareScore(other, meanWeight, now, measured, decayMs, power) <
      errorAwareScore(best, meanWeight, now, measured, decayMs, power);
  }, (candidate, meanWeight) =>
    errorAwareScore(candidate, meanWeight, clock.now(), candidate.load.peakEwmaMs > 0, decayMs, power)));
}

function scored(prefers: Prefers, score: NonNullable<Prefers["score"]>): Prefers {
  return Object.assign(prefers, { score });
}

/** Of two draws by weight, whichever `prefers` says: the base of a load-aware picker of one's own. */
export function powerOfChoices(random: Random, options: ChoicesOptions, prefers: Prefers): Picker {
  const choices = numberOption("choices", options.choices ?? 2, { least: 1, most: 10_000, whole: true });
  const tables = derived(aliasTable);
  /** Those drawn last, for those who ask why: two writes a pick. */
  let [firstDrawn, lastDrawn, meanWeight]: [Candidate | undefined, Candidate | undefined, number] =
    [undefined, undefined, 1];
  const pick = <C extends Candidate>(candidates: readonly C[]): C | undefined => {
    const n = candidates.length;
    if (n < 2) return firstDrawn = lastDrawn = candidates[0];
    const table = tables(candidates);
    let at = draw(table, n, random);
    let best = candidates[at];
    firstDrawn = best;
    ({ meanWeight } = table);
    for (let drawn = 1; drawn < choices; drawn++) {
      const otherAt = drawOther(table, n, random, at);
      const other = candidates[otherAt];
      if (other === undefined || best === undefined || otherAt === at) continue;
      lastDrawn = other;
      if (prefers(other, best, table.meanWeight)) {
        best = other;
        at = otherAt;
      }
    }
    return best;
  };
  const { score } = prefers;
  return Object.assign(pick, {
    explain: (): PickExplanation => ({
      // Of more than two the ones between are not remembered.
      compared: choices > 2 ? undefined : [firstDrawn, lastDrawn].filter((one) => one !== undefined),
      ...(score === undefined ? undefined : { score: (candidate: Candidate) => score(candidate, meanWeight) }),
    }),
  });
}

function decayOption({ decayMs }: PeakEwmaOptions): number {
  return numberOption("decayMs", decayMs ?? 10_000, { least: 1, unit: "milliseconds" });
}

function errorAwareScore(
  candidate: Candidate, meanWeight: number, now: number, measured: boolean, decayMs: number, power: number,
): number {
  const load: Load = candidate.load;
  const fade = faded(now - load.peakEwmaAtMs, decayMs);
  const success = Math.max(0.01, 1 - load.failureRate * fade);
  const busy = 1 + (load.inFlight * meanWeight) / candidate.address.weight;
  const cost = measured ? load.peakEwmaMs * fade : 1;
  return (cost * busy) / success ** power;
}

/** exp(-age / decay); linear below 0.04, where it is right to a thousandth and ten times cheaper. */
function faded(ageMs: number, decayMs: number): number {
  const age = ageMs / decayMs;
  return age < 0.04 ? 1 - age : Math.exp(-age);
}

