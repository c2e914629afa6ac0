/**
 * A CallTrace is what a call leaves behind of its way: where it waited, which attempts it made, and why they went where
 * they went. It exists only for calls of which there is something to say; all attempts of a call share one.
 */
import type { RpcError } from "./error.ts";

/** A stretch of a call's time that was no attempt: waiting for discovery, for a connection. Clock milliseconds. */
export interface TracedPhase {
  readonly name: "resolve" | "connect" | "queue" | "fault";
  readonly startedMs: number;
  readonly endedMs: number;
}

/** An attempt that ended. Clock milliseconds. */
export interface TracedAttempt {
  readonly number: number;
  readonly hedged: boolean;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly endpoint: string;
  readonly region: string;
  readonly error: RpcError | undefined;
}

/** Most phases, attempts and picks that one call keeps. */
export const traceLimits = { maxPhases: 32, maxAttempts: 16, maxPicks: 16 } as const;

export class CallTrace {
  /** When the call began, whose attempts may be contexts of their own. */
  readonly startedMs: number;
  /** The name of the routing rule that decided, if one did. */
  rule = "";
  readonly phases: TracedPhase[] = [];
  readonly attempts: TracedAttempt[] = [];
  /** What was noted at picks, by whoever keeps records. */
  readonly picks: unknown[] = [];
  /** What the last reply or error said beside itself. */
  trailer: Readonly<Record<string, string>> | undefined = undefined;

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }

  phase(name: TracedPhase["name"], startedMs: number, endedMs: number): void {
    if (this.phases.length < traceLimits.maxPhases && endedMs > startedMs) {
      this.phases.push({ name, startedMs, endedMs });
    }
  }

  /** The time of all phases of a name that lie after `sinceMs`. */
  spentMs(name: TracedPhase["name"]): number {
    let sum = 0;
    for (const phase of this.phases) if (phase.name === name) sum += phase.endedMs - phase.startedMs;
    return sum;
  }
}

/** Metadata by which a caller asks for the decision record of its call, with any value. */
export const whyMetadata = "meridian-why";
/** The trailer that names the record that is kept. */
export const decisionTrailer = "meridian-decision";
/**
 * The trailer by which a server with `timing` says how long it was at work on a call that asks why, in milliseconds.
 */
export const serverTimeTrailer = "meridian-server-ms";
