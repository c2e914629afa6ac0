/**
 * Service times are what calls of each method take, as it was observed: when there is room, and at the very least.
 *
 * What is expected is the least mean of some calls in a row over the last half minute: means, since single calls
 * differ; the least, since load only ever makes them longer; half a minute, since a release may change them. While
 * calls wait because of the load nothing is forgotten, or waiting would become what is expected.
 */

/** What is known of one method. */
export interface MethodTimes {
  /** What calls take when there is room, in milliseconds; 0 while that is unknown. */
  readonly expectedMs: number;
  /** What nine calls in ten take at least, in milliseconds; 0 while that is unknown. */
  readonly quickMs: number;
  /** Takes in a call that succeeded. `isPressed`: calls wait because of the load. */
  ended(latencyMs: number, nowMs: number, isPressed: boolean): void;
  /** Takes in a call that ended while others waited. */
  endedUnderLoad(latencyMs: number, nowMs: number): void;
  /** What three in four of those took at least that ended under load lately, in milliseconds; 0 while nobody knows. */
  underLoadMs(nowMs: number): number;
}

export interface ServiceTimes {
  /** Of a method by its ordinal. Undefined where there are too many to be told apart. */
  of(ordinal: number): MethodTimes | undefined;
}

/** Calls whose mean is taken; of fewer at first, so that something is known soon. */
const meanOf = 48;
const firstMeanOf = 16;
const generationMs = 15_000;
/** Most methods told apart, of those that the process knows; further ones have no expectation. */
const maxMethods = 100_000;
/** Calls after which the quick tenth is known. */
const quickAfter = 50;
/** So many calls that ended under load are remembered, for so long; and the place of the quarter among them. */
const remembered = 16;
const rememberedMs = 1_000;
const quarter = remembered / 4;

/** Makes an empty record. */
export function serviceTimes(): ServiceTimes {
  /** Ordinals count all methods of the process: a few of them are this server's. */
  const methods: (Times | undefined)[] = [];
  return {
    of: (ordinal) => {
      const times = methods[ordinal];
      if (times !== undefined || ordinal >= maxMethods) return times;
      while (methods.length < ordinal) methods.push(undefined);
      return methods[ordinal] = new Times();
    },
  };
}

class Times implements MethodTimes {
  expectedMs = 0;
  /** Least mean of this generation and of the one before. */
  #leastMs = Infinity;
  #previousLeastMs = Infinity;
  #generationMs = -Infinity;
  /** A tenth of the calls takes less. */
  #quickMs = 0;
  #calls = 0;
  #sumMs = 0;
  #seen = 0;
  /** Of the last that ended under load, in turn; made when the first does. */
  #underLoad: Float64Array | undefined = undefined;
  #turn = 0;
  #underLoadMs = -Infinity;

  get quickMs(): number {
    return this.#seen < quickAfter ? 0 : this.#quickMs;
  }

  ended(latencyMs: number, nowMs: number, isPressed: boolean): void {
    if (this.#seen++ === 0) {
      this.#generationMs = nowMs;
      this.#quickMs = latencyMs;
    }
    // Stochastic approximation of the tenth percentile: nine steps up weigh as much as one down.
    const step = this.#quickMs * 0.02 + 1e-4;
    const quickMs = this.#quickMs + (latencyMs < this.#quickMs ? -0.9 : 0.1) * step;
    this.#quickMs = quickMs < 0 ? 0 : quickMs;
    this.#sumMs += latencyMs;
    if (++this.#calls >= (this.#seen <= firstMeanOf ? firstMeanOf : meanOf)) this.#meant(nowMs, isPressed);
  }

  endedUnderLoad(latencyMs: number, nowMs: number): void {
    if (nowMs - this.#underLoadMs > rememberedMs) this.#turn = 0;
    this.#underLoadMs = nowMs;
    this.#underLoad ??= new Float64Array(remembered);
    this.#underLoad[this.#turn++ % remembered] = latencyMs;
  }

  underLoadMs(nowMs: number): number {
    if (this.#turn < remembered || nowMs - this.#underLoadMs > rememberedMs) return 0;
    return (this.#underLoad as Float64Array).toSorted()[quarter] as number;
  }

  #meant(nowMs: number, isPressed: boolean): void {
    const meanMs = this.#sumMs / this.#calls;
    this.#calls = this.#sumMs = 0;
    if (nowMs - this.#generationMs > generationMs && !isPressed) {
      this.#previousLeastMs = this.#leastMs;
      this.#leastMs = meanMs;
      this.#generationMs = nowMs;
    } else if (meanMs < this.#leastMs) {
      this.#leastMs = meanMs;
    }
    this.expectedMs = Math.max(1e-3, Math.min(this.#leastMs, this.#previousLeastMs));
  }
}
