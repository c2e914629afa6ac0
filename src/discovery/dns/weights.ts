/** Weights of service records as shares: those of RFC 2782, which gives 0 a very small chance rather than none. */

interface Weighted {
  readonly priority: number;
  readonly weight: number;
}

/**
 * The weight of each record. RFC 2782 chooses among the records of one priority by a random number from 0 to the sum
 * W of their weights, both included, where those of weight 0 come first: together they have one chance in W + 1. Where
 * all are 0 nobody is preferred.
 */
export function serviceWeights(services: readonly Weighted[]): number[] {
  const groups = new Map<number, { zeros: number; sum: number }>();
  for (const { priority, weight } of services) {
    const group = groups.get(priority) ?? { zeros: 0, sum: 0 };
    groups.set(priority, group);
    if (weight === 0) group.zeros++;
    group.sum += weight;
  }
  return services.map(({ priority, weight }) => {
    const { zeros, sum } = groups.get(priority) ?? { zeros: 0, sum: 0 };
    if (sum === 0) return 1;
    return weight === 0 ? 1 / zeros : weight;
  });
}
