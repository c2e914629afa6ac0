// Chance and the network: when packets are lost and how long they take, from a seed.
import { createSeededRandom } from "../../src/runtime/sim/random.ts";

/** One way: at least this, and this much more on average. */
const leastLatencyMs = 0.3;
const meanJitterMs = 0.2;

export class Chance {
  /** Uniform in [0, 1). */
  readonly next: () => number;
  readonly #logKept: number;
  readonly #isLossless: boolean;
  #untilLoss: number;

  constructor(seed: string, loss: number) {
    const random = createSeededRandom(seed);
    this.next = () => random.next();
    this.#isLossless = loss === 0;
    this.#logKept = Math.log1p(-loss);
    this.#untilLoss = this.#gap();
  }

  /** How many more packets arrive before the next that does not. */
  get untilLoss(): number {
    return this.#untilLoss;
  }

  /** Whether this packet is lost. */
  lost(): boolean {
    if (this.#untilLoss-- > 0) return false;
    this.#untilLoss = this.#gap();
    return true;
  }

  /** Sends so many packets that all arrive. */
  pass(packets: number): void {
    this.#untilLoss -= packets;
  }

  /** Losses by themselves: the next gap becomes this one's. */
  #gap(): number {
    return this.#isLossless ? Infinity : Math.floor(Math.log(1 - this.next()) / this.#logKept);
  }

  latencyMs(): number {
    return leastLatencyMs - meanJitterMs * Math.log(1 - this.next());
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  /** Below n. */
  index(n: number): number {
    return Math.floor(this.next() * n);
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** The sum of so many exponential times (Marsaglia and Tsang, 2000). */
  gamma(count: number, mean: number): number {
    if (count < 8) {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += this.exponential(mean);
      return sum;
    }
    const d = count - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v * mean;
    }
  }
}
