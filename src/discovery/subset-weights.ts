/**
 * `inclusionWeights` corrects the weights of a sample for the chance with which each was drawn.
 *
 * Who is heavy is drawn by more clients already; were its weight then used among their few as well, it would count
 * twice. So a member is told with weight / (chance of having been drawn), by which shares come out as without a subset
 * (the estimator of Horvitz and Thompson 1952). In a draw of k by the smallest exponential variates the chance is
 * 1 - exp(-weight * t) with t such that the chances add up to k (Rosén 1997, order sampling).
 */
import { type EndpointAddress, endpointAddress } from "../core/endpoint.ts";

/** The members of a draw from `all`, with the weights under which they are to be told. */
export function inclusionWeights(
  all: readonly EndpointAddress[], members: readonly EndpointAddress[],
): readonly EndpointAddress[] {
  if (members.length === all.length) return members;
  const counts = new Map<number, number>();
  for (const { weight } of all) if (weight > 0) counts.set(weight, (counts.get(weight) ?? 0) + 1);
  // All alike, as nearly always: nothing to correct, and no weight that changes with the size of the set.
  if (counts.size <= 1) return members;
  let total = 0;
  for (const count of counts.values()) total += count;
  const mean = Math.min(1, members.length / total);
  if (mean === 1) return members;
  const time = drawTime(counts, members.length);
  return members.map((one) => {
    if (!(one.weight > 0)) return one;
    const chance = -Math.expm1(-one.weight * time);
    // Two digits: or each server that comes or goes would change the weight of everybody.
    return endpointAddress({ ...one, weight: Number((one.weight * mean / chance).toPrecision(2)) });
  });
}

/** The t at which the expected number drawn is `size`: by Newton's method, which rises to it from 0. */
function drawTime(counts: ReadonlyMap<number, number>, size: number): number {
  let time = 0;
  for (let round = 0; round < 50; round++) {
    let missing = size;
    let slope = 0;
    for (const [weight, count] of counts) {
      const left = Math.exp(-weight * time);
      missing -= count * (1 - left);
      slope += count * weight * left;
    }
    if (!(slope > 0) || missing <= size * 1e-6) break;
    time += missing / slope;
  }
  return time;
}
