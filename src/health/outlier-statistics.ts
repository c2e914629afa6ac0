/** Who of a set stands out for the worse: the two statistical tests of Envoy and gRFC A50. */

export interface Tally {
  readonly succeeded: number;
  readonly failed: number;
}

export interface SuccessRateOptions {
  /** How many standard deviations below the mean stand out. Default 1.9. */
  readonly deviations?: number;
  /** Fewest members with enough attempts for the test to mean anything. Default 5. */
  readonly minMembers?: number;
  /** Fewest attempts of a member within the interval. Default 100. */
  readonly minAttempts?: number;
  /** A success rate closer to the mean than this never stands out, however even the others are. Default 0.02. */
  readonly minGap?: number;
}

export interface FailureShareOptions {
  /** Share of failures that stands out. Default 0.85. */
  readonly share?: number;
  /** Default 5. */
  readonly minMembers?: number;
  /** Default 50. */
  readonly minAttempts?: number;
}

/** Indexes of the tallies whose success rate is below `mean - deviations * sigma`. */
export function successRateOutliers(tallies: readonly Tally[], options: SuccessRateOptions = {}): number[] {
  const { deviations = 1.9, minMembers = 5, minAttempts = 100, minGap = 0.02 } = options;
  const judged = enough(tallies, minAttempts);
  if (judged.length === 0 || judged.length < minMembers) return [];
  const rates = judged.map((i) => (tallies[i] as Tally).succeeded / attemptsOf(tallies[i] as Tally));
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const sigma = Math.sqrt(rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length);
  // Without the gap, 99.9 % among four times 100 % would stand out.
  const threshold = Math.min(mean - deviations * sigma, mean - minGap);
  return judged.filter((_, at) => (rates[at] as number) < threshold);
}

/** Indexes of the tallies of which a large share failed. */
export function failureShareOutliers(tallies: readonly Tally[], options: FailureShareOptions = {}): number[] {
  const { share = 0.85, minMembers = 5, minAttempts = 50 } = options;
  const judged = enough(tallies, minAttempts);
  if (judged.length < minMembers) return [];
  return judged.filter((i) => (tallies[i] as Tally).failed / attemptsOf(tallies[i] as Tally) >= share);
}

function enough(tallies: readonly Tally[], minAttempts: number): number[] {
  return tallies.flatMap((tally, i) => (attemptsOf(tally) >= Math.max(1, minAttempts) ? [i] : []));
}

function attemptsOf(tally: Tally): number {
  return tally.succeeded + tally.failed;
}
