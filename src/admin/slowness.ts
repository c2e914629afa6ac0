/** Slowness knows of each method above which time a call is among the slowest in a hundred, by its calls lately. */
import type { MethodInfo } from "../core/index.ts";
import { createHistogram, type Histogram } from "../telemetry/index.ts";

/** One call in so many is learnt from. */
const learnEvery = 8;
/** Fewest calls learnt from before anything is called slow, and after how many the threshold is reckoned anew. */
const [leastLearnt, refreshEvery] = [100, 64];
/** After so many the method begins anew, so that a threshold follows the present. */
const mostLearnt = 2_048;
/** Most methods; the rest are never slow. */
const maxMethods = 1_000;
const maxOrdinal = 65_536;

interface Learnt {
  readonly histogram: Histogram;
  sinceRefresh: number;
}

export class Slowness {
  /** By ordinal, in milliseconds; Infinity while it is not known. */
  readonly #above: number[] = [];
  readonly #learnt = new Map<number, Learnt>();
  #untilLearn = learnEvery;

  /** Whether a call that took so long is slow; learns from it. */
  isSlow(method: MethodInfo, latencyMs: number): boolean {
    // How long a stream lasts is its users' affair.
    if (method.kind !== "unary") return false;
    const isSlow = latencyMs > (this.#above[method.ordinal] ?? Infinity);
    if (--this.#untilLearn <= 0) this.#learn(method.ordinal, latencyMs);
    return isSlow;
  }

  /** The time above which calls of a method are slow, in milliseconds; Infinity while it is not known. */
  aboveMs({ ordinal }: MethodInfo): number {
    return this.#above[ordinal] ?? Infinity;
  }

  #learn(ordinal: number, latencyMs: number): void {
    this.#untilLearn = learnEvery;
    let learnt = this.#learnt.get(ordinal);
    if (learnt === undefined) {
      if (this.#learnt.size >= maxMethods || ordinal >= maxOrdinal) return;
      this.#learnt.set(ordinal, learnt = { histogram: createHistogram({ precisionBits: 3 }), sinceRefresh: 0 });
      // Filled, since an array with gaps is a dictionary.
      while (this.#above.length <= ordinal) this.#above.push(Infinity);
    }
    const { histogram } = learnt;
    histogram.record(latencyMs);
    if (++learnt.sinceRefresh < refreshEvery || histogram.count < leastLearnt) return;
    learnt.sinceRefresh = 0;
    this.#above[ordinal] = histogram.quantile(0.99);
    if (histogram.count >= mostLearnt) histogram.reset();
  }
}
