/** `checkSessions` asks what one caller may expect of data held in several places: never to see it go back in time. */
import { complaints, type Verdict } from "./checkers.ts";

/** A caller read or wrote a version of an object. Versions of one object are numbers that grow with each write. */
export interface SessionOperation {
  readonly session: string;
  readonly object: string;
  readonly kind: "read" | "write";
  /** What was read, or what the acknowledged write made. */
  readonly version: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

/**
 * Two of the guarantees of Terry and others ("Session guarantees for weakly consistent replicated data", 1994).
 * *Monotonic reads*: a read never shows less than an earlier read of the session showed. *Read your writes*: nor less
 * than an earlier write of the session made. Earlier is what had ended before the read began; concurrent operations
 * say nothing of each other. Give acknowledged operations only.
 */
export function checkSessions(operations: readonly SessionOperation[]): Verdict {
  const found = complaints("sessions");
  const figures = { reads: 0, monotonicReadsBroken: 0, readYourWritesBroken: 0 };
  for (const its of grouped(operations).values()) {
    const byEnd = its.toSorted((a, b) => a.endedMs - b.endedMs);
    const reads = its.filter(({ kind }) => kind === "read").sort((a, b) => a.startedMs - b.startedMs);
    let [read, written]: (SessionOperation | undefined)[] = [undefined, undefined];
    let ended = 0;
    for (const one of reads) {
      for (let other = byEnd[ended]; other !== undefined && other.endedMs <= one.startedMs; other = byEnd[++ended]) {
        if (other.kind === "read") read = later(read, other);
        else written = later(written, other);
      }
      figures.reads++;
      if (read !== undefined && read !== one && read.version > one.version) {
        const before = read;
        figures.monotonicReadsBroken++;
        found.add(() => `${told(one)}, after it had read ${before.version} by ${before.endedMs.toFixed(1)} ms`);
      }
      if (written !== undefined && written.version > one.version) {
        const before = written;
        figures.readYourWritesBroken++;
        found.add(() => `${told(one)}, after it had written ${before.version} by ${before.endedMs.toFixed(1)} ms`);
      }
    }
  }
  return found.verdict(figures);
}

function grouped(operations: readonly SessionOperation[]): Map<string, SessionOperation[]> {
  const groups = new Map<string, SessionOperation[]>();
  for (const one of operations) {
    const key = JSON.stringify([one.session, one.object]);
    const its = groups.get(key);
    if (its === undefined) groups.set(key, [one]);
    else its.push(one);
  }
  return groups;
}

function later(a: SessionOperation | undefined, b: SessionOperation): SessionOperation {
  return a === undefined || b.version > a.version ? b : a;
}

function told({ session, object, version, startedMs }: SessionOperation): string {
  return `${session} read version ${version} of ${object} at ${startedMs.toFixed(1)} ms`;
}
