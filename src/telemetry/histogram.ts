/**
 * A Histogram counts durations in buckets of growing width, so that a quantile is right to within a few per
 * cent of itself over nine orders of magnitude, whatever the shape.
 *
 * The bucket of a value is read from its bits as a double: the exponent and the first bits of the fraction
 * (the idea of Prometheus' native and OpenTelemetry's exponential histograms, and of HdrHistogram). Buckets
 * exclude their lower and include their upper bound, as Prometheus has it.
 */
import { RpcError } from "../core/error.ts";

export interface HistogramOptions {
  /**
   * Buckets for each doubling, as a power of two, 0 to 7. Default 5: 32 buckets, quantiles to within 1.6 %, in
   * 8 KiB. With 2 it is 12.5 % in 1 KiB.
   */
  readonly precisionBits?: number;
}

/** A duration, and the trace of the call that took so long. */
export interface Exemplar {
  readonly ms: number;
  readonly traceId: string;
}

/** The power of two of the first exemplar. */
export const leastExemplarPower = -2;

/** A histogram as data. */
export interface HistogramJson {
  readonly precisionBits: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  /** Bucket numbers and their counts by turns; empty buckets are left out. */
  readonly buckets: readonly number[];
}

/** 2^-10, about a microsecond, and 2^22, an hour and ten minutes; in milliseconds. What lies outside is clamped. */
const leastExponent = -10;
const mostExponent = 22;
const least = 2 ** leastExponent;
const most = 2 ** mostExponent;
const perMs = 2 ** -leastExponent;
/** Up to here a duration, counted in the least, is a whole number of 31 bits: half an hour. */
const mostExact = 2 ** (31 + leastExponent);

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const highWord = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;
const lowWord = 1 - highWord;

export class Histogram {
  /** How many values were recorded, and their sum in milliseconds. */
  count = 0;
  sum = 0;
  /** The extremes in milliseconds; 0 while empty. */
  min = 0;
  max = 0;
  readonly precisionBits: number;
  /** For each power of two of a millisecond from 2^-2 on, the last duration up to it that a recorded trace had. */
  exemplars: (Exemplar | undefined)[] | undefined = undefined;
  readonly #buckets: Float64Array;
  readonly #perDoubling: number;
  readonly #exactAbove: number;
  readonly #shift: number;
  /** What the high word of the lower bound shifts to, so that the first bucket is number 0. */
  readonly #origin: number;

  constructor(precisionBits: number) {
    if (!Number.isInteger(precisionBits) || precisionBits < 0 || precisionBits > 7) {
      throw new RpcError("invalid_argument", `precisionBits is ${precisionBits}, expected a whole number of 0 to 7`);
    }
    this.precisionBits = precisionBits;
    this.#perDoubling = 1 << precisionBits;
    this.#exactAbove = least * this.#perDoubling;
    this.#shift = 20 - precisionBits;
    this.#origin = (1023 + leastExponent) << precisionBits;
    this.#buckets = new Float64Array((mostExponent - leastExponent) << precisionBits);
  }

  /** Counts a duration. NaN is no duration and is not counted. */
  record(ms: number): void {
    if (ms !== ms) return;
    if (this.count === 0) this.min = this.max = ms;
    else if (ms < this.min) this.min = ms;
    else if (ms > this.max) this.max = ms;
    this.count++;
    this.sum += ms;
    let index = 0;
    if (ms >= most) {
      index = this.#buckets.length - 1;
    } else if (ms > this.#exactAbove && ms <= mostExact) {
      // Between them all bounds are whole numbers of the least: of those the highest bits alone are needed, which are
      // had without a way through memory. Rounded up and one less, so that a bound belongs to the bucket below it.
      const whole = (Math.ceil(ms * perMs) - 1) | 0;
      const exponent = 31 - Math.clz32(whole);
      index = (exponent << this.precisionBits) + (whole >> (exponent - this.precisionBits)) - this.#perDoubling;
    } else if (ms > least) {
      double[0] = ms;
      // One step down, so that a bound belongs to the bucket below it.
      const high = words[lowWord] === 0 ? (words[highWord] as number) - 1 : (words[highWord] as number);
      index = (high >>> this.#shift) - this.#origin;
    }
    (this.#buckets[index] as number)++;
  }

  /** Names the trace that a duration belongs to: where somebody sees many such, he finds one of them. */
  exemplify(ms: number, traceId: string): void {
    const power = Math.min(mostExponent, Math.max(leastExemplarPower, Math.ceil(Math.log2(ms))));
    (this.exemplars ??= [])[power - leastExemplarPower] = { ms, traceId };
  }

  /** The value that a share `q` (0 to 1) does not exceed, in milliseconds; 0 while empty. Nearest rank. */
  quantile(q: number): number {
    if (this.count === 0) return 0;
    const rank = Math.min(this.count, Math.max(1, Math.ceil(q * this.count)));
    if (rank === this.count) return this.max;
    let seen = 0;
    for (let i = 0; i < this.#buckets.length; i++) {
      seen += this.#buckets[i] as number;
      if (seen < rank) continue;
      const middle = (this.#lower(i) + this.#lower(i + 1)) / 2;
      return Math.min(this.max, Math.max(this.min, middle));
    }
    return this.max;
  }

  /** Arithmetic mean in milliseconds; 0 while empty. */
  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }

  /** Adds what another histogram of the same precision counted. */
  merge(other: Histogram): void {
    if (other.precisionBits !== this.precisionBits) {
      throw new RpcError("invalid_argument",
        `cannot merge histograms of ${this.precisionBits} and ${other.precisionBits} precisionBits`);
    }
    if (other.count === 0) return;
    this.min = this.count === 0 ? other.min : Math.min(this.min, other.min);
    this.max = this.count === 0 ? other.max : Math.max(this.max, other.max);
    this.count += other.count;
    this.sum += other.sum;
    for (let i = 0; i < this.#buckets.length; i++) {
      this.#buckets[i] = (this.#buckets[i] as number) + (other.#buckets[i] as number);
    }
  }

  /** Forgets everything. */
  reset(): void {
    this.count = this.sum = this.min = this.max = 0;
    this.exemplars = undefined;
    this.#buckets.fill(0);
  }

  /**
   * How many values were at most each power of two from `2^from` to `2^to` milliseconds. Exact, since powers of
   * two are bounds at every precision.
   */
  countsByPowerOfTwo(from: number, to: number): number[] {
    const counts: number[] = [];
    let index = 0;
    let seen = 0;
    for (let power = from; power <= to; power++) {
      const end = Math.min(this.#buckets.length, (power - leastExponent) << this.precisionBits);
      for (; index < end; index++) seen += this.#buckets[index] as number;
      counts.push(seen);
    }
    return counts;
  }

  toJSON(): HistogramJson {
    const buckets: number[] = [];
    for (let i = 0; i < this.#buckets.length; i++) {
      const count = this.#buckets[i] as number;
      if (count > 0) buckets.push(i, count);
    }
    const { precisionBits, count, sum, min, max } = this;
    return { precisionBits, count, sum, min, max, buckets };
  }

  /** The histogram that `toJSON` was called on. Throws `invalid_argument` for anything else. */
  static from(json: HistogramJson): Histogram {
    const histogram = new Histogram(json.precisionBits);
    let count = 0;
    for (let i = 0; i < json.buckets.length; i += 2) {
      const [index, inBucket] = [json.buckets[i] as number, json.buckets[i + 1] as number];
      if (!(index in histogram.#buckets) || !(inBucket >= 0)) throw notHistogram(`bucket ${index} of ${inBucket}`);
      histogram.#buckets[index] = inBucket;
      count += inBucket;
    }
    if (count !== json.count) throw notHistogram(`${json.count} values, ${count} in buckets`);
    if (![json.sum, json.min, json.max].every(Number.isFinite)) throw notHistogram("sum, min or max is no number");
    Object.assign(histogram, { count, sum: json.sum, min: json.min, max: json.max });
    return histogram;
  }

  /** The lower bound of a bucket, read back from its number. */
  #lower(index: number): number {
    words[highWord] = (index + this.#origin) << this.#shift;
    words[lowWord] = 0;
    return double[0] as number;
  }
}

/** An empty histogram of milliseconds. */
export function createHistogram(options: HistogramOptions = {}): Histogram {
  return new Histogram(options.precisionBits ?? 5);
}

function notHistogram(why: string): RpcError {
  return new RpcError("invalid_argument", `this is no histogram: ${why}`);
}
