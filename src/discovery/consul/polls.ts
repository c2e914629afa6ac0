/** Polls counts the questions that Consul holds back, so that they stay below what it takes of one address. */
export class Polls {
  readonly #most: number;
  #held = 0;
  /** Names that are asked for again and again instead. */
  #beyond = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether one more may be held back; if so, `release` follows. */
  take(): boolean {
    if (this.#held >= this.#most) return false;
    this.#held++;
    return true;
  }

  release(): void {
    this.#held--;
  }

  enterBeyond(): void {
    this.#beyond++;
  }

  leaveBeyond(): void {
    this.#beyond--;
  }

  /** The pause between two questions of one such name: all of them together ask 100 times a second at most. */
  get pauseMs(): number {
    return Math.max(1_000, this.#beyond * 10);
  }
}
