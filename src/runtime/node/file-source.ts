/**
 * `createFileSource` watches and reads one file of the disk.
 *
 * The directory is watched rather than the file, because editors and deployments replace files by renaming;
 * and the file is looked at every so often besides, because network disks and symbolic links (a Kubernetes
 * ConfigMap) send no events. A change is told once the file has been left alone for a moment, so that one that
 * is still being written is not read by halves.
 */
import { type FSWatcher, statSync, watch } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { RpcError } from "../../core/error.ts";
import type { FileSource } from "../../core/file-source.ts";
import { systemCode } from "./error.ts";

export interface FileSourceOptions {
  /** How often the file is looked at without an event. Default 1,000. */
  readonly pollMs?: number;
  /** How long it must have been left alone. Default 50. */
  readonly settleMs?: number;
}

/** The file need not exist yet. Watching it does not keep the process alive. */
export function createFileSource(path: string, options: FileSourceOptions = {}): FileSource {
  const settings = { pollMs: options.pollMs ?? 1_000, settleMs: options.settleMs ?? 50 };
  return {
    path,
    read: (maxBytes) => readFile(path, maxBytes),
    watch(changed) {
      const watching = new FileWatch(resolve(path), settings, changed);
      return () => watching.close();
    },
  };
}

/** A file that is written without pause is told after so many looks. */
const maxLooks = 20;

class FileWatch {
  readonly #path: string;
  readonly #settings: Required<FileSourceOptions>;
  readonly #changed: () => void;
  readonly #poll: NodeJS.Timeout;
  #events: FSWatcher | undefined = undefined;
  #settling: NodeJS.Timeout | undefined = undefined;
  /** The state told last, and the one seen last. */
  #told: string;
  #seen: string;
  #looks = 0;

  constructor(path: string, settings: Required<FileSourceOptions>, changed: () => void) {
    this.#path = path;
    this.#settings = settings;
    this.#changed = changed;
    this.#told = this.#seen = stateOf(path);
    this.#poll = setInterval(() => {
      this.#events ??= this.#listen();
      this.#look();
    }, settings.pollMs).unref();
    this.#events = this.#listen();
  }

  close(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
    this.#events?.close();
    this.#events = undefined;
  }

  /** Undefined while there is no directory to watch: the poll tries again. */
  #listen(): FSWatcher | undefined {
    try {
      const events = watch(dirname(this.#path), { persistent: false }, () => this.#look());
      events.on("error", () => {
        events.close();
        if (this.#events === events) this.#events = undefined;
      });
      return events;
    } catch {
      return undefined;
    }
  }

  #look(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#compare();
    }, this.#settings.settleMs).unref();
  }

  #compare(): void {
    const state = stateOf(this.#path);
    if (state === this.#told) {
      this.#looks = 0;
    } else if (state === this.#seen || ++this.#looks >= maxLooks) {
      this.#looks = 0;
      this.#told = state;
      this.#changed();
    } else {
      this.#look();
    }
    this.#seen = state;
  }
}

/** What changes whenever the file does. */
function stateOf(path: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return systemCode(error);
  }
}

async function readFile(path: string, maxBytes: number): Promise<string> {
  let bytes: Uint8Array;
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size > maxBytes) throw tooLarge(path, size, maxBytes);
      bytes = await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readError(path, error);
  }
  if (bytes.length > maxBytes) throw tooLarge(path, bytes.length, maxBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RpcError("invalid_argument", `${path} is not UTF-8 text`, { phase: "resolve", cause });
  }
}

function tooLarge(path: string, size: number, maxBytes: number): RpcError {
  return new RpcError("resource_exhausted", `${path} has ${size} bytes, more than the ${maxBytes} allowed`,
    { phase: "resolve" });
}

function readError(path: string, cause: unknown): RpcError {
  if (RpcError.is(cause)) return cause;
  const code = systemCode(cause);
  if (code === "ENOENT") return new RpcError("not_found", `there is no file ${path}`, { phase: "resolve", cause });
  const why = code === "EACCES" ? "permission was denied" : code === "EISDIR" ? "it is a directory" : String(cause);
  return new RpcError("failed_precondition", `cannot read ${path}: ${why}`, { phase: "resolve", cause });
}
