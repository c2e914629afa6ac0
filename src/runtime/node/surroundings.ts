/** What a process finds around it: its environment, and files by where they lie. */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** The environment variables of this process, as they are now. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** The first of these paths at which there is a file. */
export function firstThere(paths: readonly string[]): string | undefined {
  return paths.find((path) => existsSync(path));
}

/** A path that a file names, from the folder in which that file lies. */
export function besideFile(file: string, path: string): string {
  return resolve(dirname(resolve(file)), path);
}
