/** Reading and writing the files that commands name. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { RpcError } from "../core/index.ts";

/** Most bytes of one file that is read. */
const maxBytes = 32 << 20;

/** The text of a file; undefined if there is none. Throws `invalid_argument` for one that cannot be read. */
export function readTextIfThere(path: string): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > maxBytes) {
      throw new RpcError("invalid_argument", `${path} has ${size} bytes; at most ${maxBytes} are read`);
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (RpcError.is(error)) throw error;
    throw new RpcError("invalid_argument", `${path} cannot be read: ${error instanceof Error ? error.message : code}`);
  }
}

/** Writes to a file, whose folders are made, or to standard output. */
export function writeText(path: string | undefined, text: string): void {
  if (path === undefined) process.stdout.write(text);
  else writeBytes(path, text);
}

/** Writes a file, whose folders are made. */
export function writeBytes(path: string, bytes: Uint8Array | string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  } catch (error) {
    throw new RpcError("invalid_argument",
      `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A resolver of `.proto` paths in folders, the first of which wins. */
export function resolverOf(folders: readonly string[]): (path: string) => string | undefined {
  return (path) => {
    for (const folder of folders) {
      const full = resolve(folder, path);
      // An import names files below a folder, never beside it.
      if (!full.startsWith(resolve(folder) + sep)) continue;
      const text = readTextIfThere(full);
      if (text !== undefined) return text;
    }
    return undefined;
  };
}

/** The path of a file as imports name it: relative to the first folder that it lies in. */
export function importPath(file: string, folders: readonly string[]): string {
  const full = resolve(file);
  for (const folder of folders) {
    const path = relative(folder, full);
    if (path !== "" && !path.startsWith("..") && resolve(folder, path) === full) return path.split(sep).join("/");
  }
  throw new RpcError("invalid_argument", `${file} lies in none of the folders ${folders.join(", ")} (-I)`);
}

/** Joins a folder and the path of an exported file. */
export function below(folder: string, path: string): string {
  return join(folder, ...path.split("/"));
}
