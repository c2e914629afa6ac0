/**
 * `createFileStore` keeps one text in a file: written beside it, forced to the disk, and renamed over it, so that
 * whoever reads finds the old text or the new one and never a part.
 */
import { randomUUID } from "node:crypto";
import { open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RpcError } from "../../core/error.ts";
import type { TextStore } from "../../core/text-store.ts";
import { systemCode } from "./error.ts";
import { createFileSource } from "./file-source.ts";

/** The directory must exist; the file need not. It is readable to its owner only. */
export function createFileStore(path: string): TextStore {
  const source = createFileSource(path);
  let last: Promise<unknown> = Promise.resolve();
  let isTidy = false;
  return {
    path,
    async read(maxBytes) {
      try {
        return await source.read(maxBytes);
      } catch (error) {
        if (RpcError.is(error) && error.code === "not_found") return undefined;
        throw error;
      }
    },
    write(text) {
      // One after the other: of two renames the later must be of the later text.
      const written = last.then(async () => {
        await replace(path, text);
        if (!isTidy) await removeLeftovers(path);
        isTidy = true;
      });
      last = written.catch(() => undefined);
      return written;
    },
  };
}

const temporary = /\.[0-9a-f-]{36}\.tmp$/;

async function replace(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(beside, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await unlink(beside).catch(() => undefined);
    throw writeError(path, error);
  }
  await syncDirectory(dirname(path));
}

/** Or the renaming itself may be lost with the power. Where directories cannot be forced, it is as good as it gets. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch {
    // The text itself is on the disk.
  }
}

/** A file that is still being written is younger than this, in milliseconds. */
const leftoverMs = 60_000;

/** Removes what processes left that were killed while they wrote. */
async function removeLeftovers(path: string): Promise<void> {
  try {
    const start = `${basename(path)}.`;
    for (const entry of await readdir(dirname(path))) {
      if (!entry.startsWith(start) || !temporary.test(entry)) continue;
      const leftover = join(dirname(path), entry);
      if (Date.now() - (await stat(leftover)).mtimeMs > leftoverMs) await unlink(leftover);
    }
  } catch {
    // Untidy, not wrong.
  }
}

const writeReasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; make room, or choose a place on another one",
  EDQUOT: "the disk quota is used up; make room, or choose a place on another disk",
  EROFS: "the disk is read-only; choose a place that can be written",
  EACCES: "permission was denied; the directory must be writable, since the file is replaced by renaming",
  EPERM: "permission was denied; the directory must be writable, since the file is replaced by renaming",
  ENOENT: "its directory does not exist; make it first",
  ENOTDIR: "its directory is a file",
  EISDIR: "it is a directory; name a file in it",
  EMFILE: "this process has too many open files; raise its limit (ulimit -n)",
};

/** What a failed write means, and what to do about it. */
export function writeError(path: string, cause: unknown): RpcError {
  const code = systemCode(cause);
  const reason = writeReasons[code];
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new RpcError(isFull ? "resource_exhausted" : "failed_precondition",
    `cannot write ${path}: ${reason === undefined ? String(cause) : `${reason} (${code})`}`, { cause });
}
