/**
 * A sequential test weighs yes-or-no observations as they come, and says as soon as it is sure that they happen more
 * often than they should.
 *
 * Page's cumulative sum ("Continuous inspection schemes", Biometrika 1954) over Wald's likelihood ratio: the quickest
 * detection of a change for a given rate of false alarms. Unlike a share over a window it is not diluted by the good
 * time before the change, and needs no least number of observations: few that are plain weigh as much as many that
 * are not.
 */

export interface Rates {
  /** The share of yes that is still in order, above 0. */
  readonly innocent: number;
  /** The share that is tested for: higher, below 1. */
  readonly guilty: number;
}

/** Shares from which on nothing can be told apart any more. */
const hopeless = 0.9;

/**
 * Adds `yes` and `no` observations to a sum of evidence, in nats. It never falls below 0. Whoever really is at or below
 * `innocent` exceeds a sum of `h` with a probability of at most e^-h for each time the sum begins at 0 (Ville).
 */
export function weigh(evidence: number, yes: number, no: number, { innocent, guilty }: Rates): number {
  const more = yes * Math.log(guilty / innocent) + no * Math.log((1 - guilty) / (1 - innocent));
  return Math.max(0, evidence + more);
}

/**
 * The rates to judge one by, from what its peers had: `yes` of `all`, a part of which is recent. Up to half as much
 * again as they, and `gap` more, and what their number leaves uncertain, is in order; four times that is guilty, and
 * sixteen times plainly so. Undefined when the peers say too little, or are so bad themselves that nobody stands out.
 */
export function ratesBeside(
  peers: { readonly yes: number; readonly all: number }, recent: { readonly yes: number; readonly all: number },
  gap: number,
): (Rates & { readonly plain: number }) | undefined {
  if (peers.all < leastPeerObservations) return undefined;
  // What struck all of them just now is in the recent part first.
  const now = recent.all >= 5 ? recent.yes / recent.all : 0;
  const share = Math.max(peers.yes / peers.all, now);
  const doubt = 2 * Math.sqrt((share * (1 - share)) / peers.all) + 1 / peers.all;
  const innocent = Math.max(share * 1.5, share + gap) + doubt;
  if (innocent >= hopeless) return undefined;
  const most = (1 + innocent) / 2;
  return { innocent, guilty: Math.min(innocent * 4, most), plain: Math.min(innocent * 16, most) };
}

/** Fewer observations of the peers than this say nothing about what is usual. */
const leastPeerObservations = 10;

/** How many in a row happen by chance once in 10^9 times, if each has this probability. */
export function rowBeyondChance(probability: number): number {
  if (probability <= 0) return 1;
  return probability >= 1 ? Infinity : Math.ceil(chanceNats / -Math.log(probability));
}

/** ln 10^9. */
const chanceNats = 20.7;
