/** Appends lines to a file that others rotate away: the audit log. */
import { closeSync, openSync, statSync, writeSync, fstatSync } from "node:fs";

export interface AppendFile {
  /** Writes the line at once, with its end. Throws where that fails: whoever logs must know. */
  write(line: string): void;
  close(): void;
}

/** How often it is looked whether the file was moved away, in milliseconds. */
const lookMs = 1_000;

/**
 * Opens `path` for lines, readable by its owner alone if it is made now. Each line is written before `write` returns,
 * so that none is lost with the process; after the file was moved (logrotate) a new one is made.
 */
export function appendFile(path: string): AppendFile {
  let descriptor = openSync(path, "a", 0o600);
  let lookedMs = performance.now();
  const follow = (): void => {
    lookedMs = performance.now();
    const { ino } = fstatSync(descriptor);
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.ino === ino) return;
    const next = openSync(path, "a", 0o600);
    closeSync(descriptor);
    descriptor = next;
  };
  return {
    write(line) {
      if (performance.now() - lookedMs >= lookMs) follow();
      writeSync(descriptor, `${line}\n`);
    },
    close: () => closeSync(descriptor),
  };
}
