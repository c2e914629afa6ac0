/**
 * An alias table draws an index with probability proportional to its weight in O(1), whatever the weights.
 *
 * Walker's method in Vose's form (https://www.keithschwarz.com/darts-dice-coins/): built in O(n).
 */
import type { Candidate, Random } from "../core/index.ts";

export interface AliasTable {
  /** Probability of keeping the column drawn; undefined when all weights are equal (or all are 0). */
  readonly keep: Float64Array | undefined;
  /** The index taken otherwise. */
  readonly instead: Int32Array | undefined;
  /** Mean weight, by which a weight becomes relative; 1 when all are 0. */
  readonly meanWeight: number;
}

/** Builds the table of the candidates' own weights. Weights that are negative or not finite count as 0. */
export function aliasTable(candidates: readonly Candidate[]): AliasTable {
  const n = candidates.length;
  const first = candidates[0]?.address.weight ?? 1;
  let uniform = true;
  let total = 0;
  for (let i = 0; i < n; i++) {
    const weight = (candidates[i] as Candidate).address.weight;
    if (weight !== first) uniform = false;
    total += usable(weight);
  }
  if (uniform || total === 0) return { keep: undefined, instead: undefined, meanWeight: total === 0 ? 1 : first };
  return { ...fill(candidates, n / total), meanWeight: total / n };
}

/** Draws an index below `n`. */
export function draw(table: AliasTable, n: number, random: Random): number {
  const point = random.next() * n;
  const column = Math.floor(point);
  if (table.keep === undefined) return column;
  // The fraction of the same draw decides: it is independent of the column.
  return point - column < (table.keep[column] as number) ? column : ((table.instead as Int32Array)[column] as number);
}

/** A draw that differs from `taken`; by weight it may take a few tries, after which the same one is fine. */
export function drawOther(table: AliasTable, n: number, random: Random, taken: number): number {
  if (table.keep === undefined) {
    // Of two there is no choice left.
    if (n === 2) return 1 - taken;
    const other = Math.floor(random.next() * (n - 1));
    return other >= taken ? other + 1 : other;
  }
  for (let tries = 0; tries < 3; tries++) {
    const other = draw(table, n, random);
    if (other !== taken) return other;
  }
  return taken;
}

function fill(candidates: readonly Candidate[], scale: number): { keep: Float64Array; instead: Int32Array } {
  const n = candidates.length;
  const keep = new Float64Array(n);
  const instead = new Int32Array(n);
  // One array holds both stacks: columns with too little grow from the left, those with too much from the right.
  const stack = new Int32Array(n);
  let small = 0;
  let large = n;
  for (let i = 0; i < n; i++) {
    keep[i] = usable((candidates[i] as Candidate).address.weight) * scale;
    instead[i] = i;
    if ((keep[i] as number) < 1) stack[small++] = i;
    else stack[--large] = i;
  }
  while (small > 0 && large < n) {
    const poor = stack[--small] as number;
    const rich = stack[large] as number;
    instead[poor] = rich;
    keep[rich] = (keep[rich] as number) - (1 - (keep[poor] as number));
    if (keep[rich] < 1) {
      large++;
      stack[small++] = rich;
    }
  }
  // What is left differs from 1 by rounding only, unless it was given no weight at all.
  while (large < n) keep[stack[large++] as number] = 1;
  while (small > 0) {
    const left = stack[--small] as number;
    if (usable((candidates[left] as Candidate).address.weight) > 0) keep[left] = 1;
  }
  return { keep, instead };
}

function usable(weight: number): number {
  return weight > 0 && weight < Infinity ? weight : 0;
}
