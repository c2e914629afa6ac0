// What an experiment is, and the rows that it gives.

import type { Chart } from "../../src/sim/plot.ts";

/** One figure. With `--json` each is a line. */
export interface Row {
  readonly experiment: string;
  /** The set-up, e.g. `10000 endpoints, 1000 clients`. */
  readonly case: string;
  /** What was tried: ours, or what it is held against. */
  readonly policy: string;
  /** How many seeds the value is the mean of, and half the width of its 95 % confidence interval. */
  readonly seeds: number;
  readonly value: number;
  readonly ci95: number;
  readonly unit: string;
  /** What others published for the same, if anybody did. */
  readonly published: string | null;
  /** Ours, in words; null for a figure that is only told. */
  readonly goal: string | null;
  readonly met: boolean | null;
}

export interface RunOptions {
  /** The seeds to run, at least one. */
  readonly seeds: readonly number[];
  /** Simulated hours per seed, where the experiment has so many of its own. */
  readonly hours?: number;
  /** Processes to run it on, and a file that keeps where it stands, for those that run many seeds one by one. */
  readonly jobs?: number;
  readonly state?: string;
  /** Says how far it is; not for standard output, which is the rows'. */
  progress(text: string): void;
}

/** What a file of experiments/ exports as `experiment`. */
export interface Experiment {
  readonly about: string;
  /** How many seeds are run unless told otherwise. */
  readonly seeds: number;
  /** Whether it takes `jobs` and `state`: its seeds are spread over processes, and it can be stopped and resumed. */
  readonly resumes?: boolean;
  /** Memory that it needs, in MiB, if that is more than Node takes by itself. */
  readonly heapMb?: number;
  run(options: RunOptions): AsyncIterable<Row>;
  /**
   * Charts of its rows, by a name each (`""` for the only one): `node experiments/record.ts` draws them into
   * docs/plots and shows them below its table.
   */
  plots?(rows: readonly Row[]): Readonly<Record<string, Chart | readonly Chart[]>>;
}

/** Mean and half the width of the 95 % confidence interval, by Student's t. */
export function meanOf(values: readonly number[]): { readonly value: number; readonly ci95: number } {
  const n = values.length;
  const value = values.reduce((sum, one) => sum + one, 0) / n;
  if (n < 2) return { value, ci95: 0 };
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (n - 1);
  return { value, ci95: (studentT[Math.min(n - 1, studentT.length) - 1] ?? 2) * Math.sqrt(variance / n) };
}

/** For 1, 2, … degrees of freedom, 97.5 %. */
const studentT = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13];

/** The exponent b of y = a · x^b that fits best: by least squares of the logarithms. 1 is linear growth. */
export function growthOf(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(Math.max(y, 1e-9))] as const);
  const meanX = logs.reduce((sum, [x]) => sum + x, 0) / logs.length;
  const meanY = logs.reduce((sum, [, y]) => sum + y, 0) / logs.length;
  const covariance = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

/** The p-quantile, p from 0 to 1. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? NaN;
}
