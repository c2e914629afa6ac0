/** The folder of one run: the atlas, the database, and compiled code. */
import { rmSync } from "node:fs";

/** Removes it, also while a process that is about to end still puts something into it. */
export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
