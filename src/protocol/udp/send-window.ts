/**
 * A SendWindow says how many datagrams may be on their way to a server at once, and how long to wait for a sign of it:
 * round trips as RFC 6298 measures them, slow start and congestion avoidance as RFC 5681 has them, counted in
 * datagrams, as RFC 8085, section 3.1, asks of those who send over UDP.
 */

/** RFC 6928. */
const initialDatagrams = 10;
const mostDatagrams = 512;
/** Without a measurement: RFC 8085, section 3.1.1. */
const initialTimeoutMs = 1_000;
/** A server may be silent about a call that it works on for so long; it says so then (RFC 9002, max_ack_delay). */
export const ackDelayMs = 20;
/** The time that either side's clock and queue may add. */
const grainMs = 10;
const leastTimeoutMs = 50;
const mostTimeoutMs = 10_000;
/** So many losses in a row, with nothing heard between them, mean that the path is worse than crowded. */
const persistentLosses = 3;

export class SendWindow {
  /** Datagrams that may be on their way. */
  datagrams = initialDatagrams;
  #threshold = Infinity;
  #smoothedMs = 0;
  #variationMs = 0;
  #reducedMs = -Infinity;
  #lossesInRow = 0;

  /** The smoothed round trip; 0 while there is none. */
  get roundTripMs(): number {
    return this.#smoothedMs;
  }

  /** How long to wait for a sign before a datagram is held to be lost; twice as long each further time. */
  timeoutMs(earlier: number): number {
    const onceMs = this.#smoothedMs === 0
      ? initialTimeoutMs
      : Math.max(leastTimeoutMs, this.#smoothedMs + Math.max(4 * this.#variationMs, grainMs) + ackDelayMs);
    return Math.min(onceMs * 2 ** earlier, mostTimeoutMs);
  }

  /** A datagram that was sent once was answered after so long (Karn: of one sent twice nobody knows). */
  measured(roundTripMs: number): void {
    const tookMs = Math.max(roundTripMs, 0.001);
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = tookMs;
      this.#variationMs = tookMs / 2;
      return;
    }
    this.#variationMs += (Math.abs(this.#smoothedMs - tookMs) - this.#variationMs) / 4;
    this.#smoothedMs += (tookMs - this.#smoothedMs) / 8;
  }

  /** A datagram was answered. `isFull`: the window was in use; one that is not says nothing about the path. */
  arrived(isFull: boolean): void {
    this.#lossesInRow = 0;
    if (!isFull) return;
    this.datagrams += this.datagrams < this.#threshold ? 1 : 1 / this.datagrams;
    if (this.datagrams > mostDatagrams) this.datagrams = mostDatagrams;
  }

  /** A datagram of `sentMs` got no sign in time. Losses of one round trip count once. */
  lost(sentMs: number, nowMs: number): void {
    this.#lossesInRow++;
    if (sentMs > this.#reducedMs) {
      this.#reducedMs = nowMs;
      this.#threshold = Math.max(2, this.datagrams / 2);
      this.datagrams = this.#threshold;
    }
    if (this.#lossesInRow >= persistentLosses) this.datagrams = 1;
  }
}
