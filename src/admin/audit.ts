/**
 * The audit is who changed what, or tried to, and why: the last lines in a ring, and each, as it is written, elsewhere.
 */
import type { Runtime } from "../core/index.ts";
import type { AuditLine } from "./contract.ts";

/** What somebody did, or tried to. */
export type AuditEntry = Omit<AuditLine, "sequence" | "atMs">;

export interface AuditOptions {
  /** Lines kept. Default 1,000. */
  readonly maxLines?: number | undefined;
  /** Is given each line as JSON, without a line break: `appendLines(file)` of `meridian-rpc/runtime/node`. */
  readonly write?: ((line: string) => void) | undefined;
}

export interface Audit {
  add(entry: AuditEntry): AuditLine;
  /** Newest first. */
  list(limit?: number): readonly AuditLine[];
}

const maxTextChars = 1_000;

export function createAudit({ clock }: Pick<Runtime, "clock">, options: AuditOptions = {}): Audit {
  const { maxLines = 1_000, write } = options;
  const lines: AuditLine[] = [];
  let last = 0n;
  return {
    add(entry) {
      const line: AuditLine = {
        sequence: ++last, atMs: clock.wallMs(), who: cut(entry.who), from: cut(entry.from), action: cut(entry.action),
        target: cut(entry.target), reason: cut(entry.reason), allowed: entry.allowed, outcome: cut(entry.outcome),
      };
      lines.push(line);
      if (lines.length > maxLines) lines.shift();
      write?.(JSON.stringify({ ...line, sequence: String(line.sequence), at: new Date(line.atMs).toISOString() }));
      return line;
    },
    list: (limit = 100) => lines.slice(-Math.max(1, limit)).toReversed(),
  };
}

/** What others wrote is theirs to choose: no line is longer than it need be. */
function cut(text: string): string {
  return text.slice(0, maxTextChars);
}
