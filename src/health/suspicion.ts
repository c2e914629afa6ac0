/** Suspicion is the rule by which a connection's silence becomes too long: fixed, or by what it is used to. */

/** The rule for one connection: what it remembers of it, in O(1) a sample. */
export interface Silence {
  /** A sign of life came `intervalMs` after the one before, over a silence in which it was asked for. */
  heard(intervalMs: number): void;
  /** The silence, in milliseconds, beyond which the peer is suspect. */
  limitMs(): number;
  /** How suspicious a silence is, on the rule's own scale; for tables and logs. */
  level(silentMs: number): number;
}

/** Makes the rule for each connection. Pure but for what it was told. */
export interface Suspicion {
  readonly name: string;
  readonly watch: () => Silence;
}

/** Silence of `limitMs` is too long, whatever went before. */
export function fixedSuspicion(limitMs: number): Suspicion {
  const silence: Silence = {
    heard: () => undefined,
    limitMs: () => limitMs,
    level: (silentMs) => silentMs / limitMs,
  };
  return { name: "fixed", watch: () => silence };
}
