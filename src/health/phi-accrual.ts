/**
 * phi-accrual suspects a peer by how improbable its present silence is, given the intervals at which it was heard.
 *
 * Hayashibara, Défago, Yared, Katayama: "The phi accrual failure detector" (SRDS 2004), in the form that Akka and
 * Cassandra run: `phi(t) = -log10(P(a later arrival))`, intervals taken as normal, with a least deviation and a pause
 * that is always forgiven. phi 8 is one mistake in 10^8 silences, were they normal.
 */
import type { Silence, Suspicion } from "./suspicion.ts";

export interface PhiAccrualOptions {
  /** phi from which on a peer is suspect. Default 8 (Akka's and Cassandra's). */
  readonly threshold?: number;
  /** Least standard deviation, so that a very regular peer is not suspected at once, in milliseconds. Default 20. */
  readonly minDeviationMs?: number;
  /** A pause beyond the mean that is always forgiven (garbage collection), in milliseconds. Default 100. */
  readonly acceptablePauseMs?: number;
  /** The interval assumed before the first, with a quarter of it as deviation, in milliseconds. Default 100. */
  readonly firstIntervalMs?: number;
  /** How many intervals are remembered, 8 bytes each. Default 100. */
  readonly window?: number;
  /** Suspects nobody sooner, nor later, than after so much silence, in milliseconds. Defaults 150 and 3,000. */
  readonly leastMs?: number;
  readonly mostMs?: number;
}

/** The estimator of one peer. */
export interface PhiEstimator extends Silence {
  readonly meanMs: number;
  readonly deviationMs: number;
  /** phi of a silence. */
  phi(silentMs: number): number;
}

export interface PhiAccrual extends Suspicion {
  readonly watch: () => PhiEstimator;
}

/** A rule of suspicion that learns each connection's habits: `suspicion: phiAccrual({ threshold: 8 })`. */
export function phiAccrual(options: PhiAccrualOptions = {}): PhiAccrual {
  const { threshold = 8, minDeviationMs = 20, acceptablePauseMs = 100, firstIntervalMs = 100 } = options;
  const { leastMs = 150, mostMs = 3_000 } = options;
  const window = Math.max(2, Math.floor(options.window ?? 100));
  const z = quantileOf(threshold);

  function watch(): PhiEstimator {
    const sample = new Window(window);
    // Akka's beginning: two intervals whose mean and deviation are those assumed.
    sample.add(firstIntervalMs * 0.75);
    sample.add(firstIntervalMs * 1.25);
    const deviationMs = (): number => Math.max(minDeviationMs, sample.deviation);
    const phi = (silentMs: number): number =>
      phiOf((silentMs - sample.mean - acceptablePauseMs) / deviationMs());
    return {
      heard: (intervalMs) => sample.add(Math.max(0, intervalMs)),
      limitMs: () => Math.min(mostMs, Math.max(leastMs, sample.mean + acceptablePauseMs + z * deviationMs())),
      level: phi,
      phi,
      get meanMs() {
        return sample.mean;
      },
      get deviationMs() {
        return deviationMs();
      },
    };
  }
  return { name: `phi ${threshold}`, watch };
}

/** `-log10` of the probability that a standard normal value exceeds `z`. Monotone; finite for every finite `z`. */
export function phiOf(z: number): number {
  if (z < 5) return -Math.log10(upperTail(z));
  // Beyond it the probability leaves what floating point can hold: Mills' ratio, in logarithms.
  const ratio = 1 / (z + 1 / (z + 2 / (z + 3 / (z + 4 / (z + 5 / z)))));
  return (z * z / 2 + Math.log(2 * Math.PI) / 2 - Math.log(ratio)) / Math.LN10;
}

/** The inverse of {@link phiOf}: by how many deviations a silence must exceed the mean. */
function quantileOf(phi: number): number {
  let low = -8;
  let high = 8 + Math.sqrt(2 * Math.LN10 * Math.max(0, phi));
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (phiOf(middle) < phi) low = middle;
    else high = middle;
  }
  return high;
}

/** P(Z > z), by the series of the distribution function about 0. */
function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z);
  // It converges for every z, and fast below 5.
  let term = z;
  let sum = z;
  for (let i = 1; i < 200 && Math.abs(term) > 1e-18; i++) {
    term *= (z * z) / (2 * i + 1);
    sum += term;
  }
  return Math.max(1e-300, 0.5 - (Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI)) * sum);
}

/** Mean and deviation of the last values: O(1) a value, summed anew once a round so that no rounding accumulates. */
class Window {
  readonly #values: Float64Array;
  #count = 0;
  #at = 0;
  #sum = 0;
  #squares = 0;

  constructor(size: number) {
    this.#values = new Float64Array(size);
  }

  get mean(): number {
    return this.#sum / this.#count;
  }

  get deviation(): number {
    return Math.sqrt(Math.max(0, this.#squares / this.#count - this.mean ** 2));
  }

  add(value: number): void {
    const values = this.#values;
    const old = values[this.#at] as number;
    values[this.#at] = value;
    this.#at = (this.#at + 1) % values.length;
    this.#sum += value - old;
    this.#squares += value * value - old * old;
    if (this.#count < values.length) this.#count++;
    if (this.#at === 0) this.#sumAnew();
  }

  #sumAnew(): void {
    this.#sum = this.#squares = 0;
    for (const value of this.#values) {
      this.#sum += value;
      this.#squares += value * value;
    }
  }
}
