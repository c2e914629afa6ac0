/**
 * A Checker reads what a run left behind and says whether a promise was kept.
 *
 * Checkers know nothing of the code under test: they get what callers, servers and wires saw, as plain records, and
 * compare. What a history cannot tell (an outcome that nobody learnt) is allowed either way, never guessed.
 */

/** One call as its caller saw it. Times are milliseconds of the simulation. */
export interface CallRecord {
  /** Its own, in the whole run. */
  readonly id: string;
  readonly method: string;
  /** Who called: one session. */
  readonly caller: string;
  /** The caller's region. Default "". */
  readonly region?: string | undefined;
  /** When the schedule wanted it sent: what latency counts from. */
  readonly dueMs: number;
  /** When it ended; Infinity if it never did. */
  readonly endedMs: number;
  /** Absolute; Infinity for none. */
  readonly deadlineMs: number;
  readonly outcome: CallOutcome;
  /** What identifies its effect, for a call that has one. */
  readonly key?: string | undefined;
  /** What it answered, as text to compare. */
  readonly answer?: string | undefined;
  /** Which server answered, and where that stands. */
  readonly servedBy?: string | undefined;
  readonly servedIn?: string | undefined;
  /** The code of its error. */
  readonly code?: string | undefined;
}

/**
 * - `acknowledged`: its caller was told that it happened;
 * - `refused`: its caller was told that it certainly did not happen;
 * - `unknown`: neither; it may have happened, may happen yet, or never.
 */
export type CallOutcome = "acknowledged" | "refused" | "unknown";

/** Something that a server did, once, and that stays. */
export interface EffectRecord {
  readonly key: string;
  readonly atMs: number;
  /** Which server did it. */
  readonly at?: string | undefined;
  /** What it gave to be answered, as text to compare. */
  readonly answer?: string | undefined;
}

/** What a checker found. */
export interface Verdict {
  readonly checker: string;
  readonly held: boolean;
  /** How often the promise was broken. */
  readonly count: number;
  /** The first few of them in words. */
  readonly violations: readonly string[];
  /** What it measured, for reports. */
  readonly figures: Readonly<Record<string, number>>;
}

/** Violations that a verdict tells in words. */
const maxTold = 10;

/** Collects violations: counts all of them, keeps the first few. */
export interface Complaints {
  readonly count: number;
  add(what: () => string): void;
  verdict(figures?: Readonly<Record<string, number>>): Verdict;
}

/** Begins the complaints of a checker; for checkers of your own too. */
export function complaints(checker: string): Complaints {
  const told: string[] = [];
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(what) {
      if (count++ < maxTold) told.push(what());
    },
    verdict: (figures = {}) => ({ checker, held: count === 0, count, violations: told, figures }),
  };
}

/** The verdicts in words, the broken ones first: for an error's message. Empty if all held. */
export function broken(verdicts: readonly Verdict[]): string {
  return verdicts.filter(({ held }) => !held).map(({ checker, count, violations }) =>
    [`${checker}: ${count} ${count === 1 ? "violation" : "violations"}`, ...violations.map((one) => `  ${one}`),
      ...(count > violations.length ? [`  and ${count - violations.length} more`] : [])].join("\n")).join("\n");
}
