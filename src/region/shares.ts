/**
 * Shares turns proportions into a sequence of choices without dice, so that traffic follows a share within one
 * call whatever the number of calls (error diffusion: everybody earns their share, the richest pays for the call).
 */

export class Shares {
  readonly shares: Float64Array;
  readonly #credits: Float64Array;
  /** The one choice that has everything, or -1. */
  readonly #only: number;

  /** `carriedOver` continues the sequence of earlier shares of the same choices. */
  constructor(shares: ArrayLike<number>, carriedOver?: Shares) {
    this.shares = Float64Array.from(shares);
    this.#only = this.shares.findIndex((share) => share > 1 - 1e-9);
    this.#credits = new Float64Array(shares.length);
    if (carriedOver === undefined) return;
    for (let i = 0; i < shares.length; i++) {
      if ((shares[i] as number) > 0) this.#credits[i] = carriedOver.#credits[i] ?? 0;
    }
  }

  /** The next choice, or -1 if nobody has a share. */
  next(): number {
    if (this.#only >= 0) return this.#only;
    const { shares } = this;
    const credits = this.#credits;
    let best = -1;
    let most = -Infinity;
    for (let i = 0; i < shares.length; i++) {
      const share = shares[i] as number;
      if (share <= 0) continue;
      const credit = (credits[i] = (credits[i] as number) + share);
      if (credit > most) {
        most = credit;
        best = i;
      }
    }
    if (best >= 0) credits[best] = most - 1;
    return best;
  }
}
