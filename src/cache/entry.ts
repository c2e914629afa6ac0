/** An entry is an answer as a cache keeps it: a value or an error, since when, for how long, and what it is about. */
import { type Code, type ErrorDetail, type Metadata, RpcError } from "../core/index.ts";
import { hasTags, revive, tagging } from "../codec/json-tags.ts";
import { rewrite } from "../codec/rewrite.ts";

export interface Entry {
  /** The whole key, where the one it is stored by is only its hash. */
  readonly key?: string | undefined;
  /** When the call that gave it began, and until when it is fresh, and may be used stale: by the wall clock. */
  readonly atMs: number;
  readonly freshMs: number;
  readonly staleMs: number;
  readonly errorMs: number;
  /** Whether callers with credentials may have it too. */
  readonly isPublic?: boolean | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly header?: Metadata | undefined;
  readonly trailer?: Metadata | undefined;
  readonly value?: unknown;
  readonly error?: KeptError | undefined;
}

export interface KeptError {
  readonly code: Code;
  readonly message: string;
  readonly reason?: string | undefined;
  readonly data?: unknown;
  readonly details?: readonly ErrorDetail[] | undefined;
}

/** Throws for a value that cannot be written down: an instance of a class without fields, a function. */
export function writeEntry(entry: Entry): string {
  return JSON.stringify(rewrite({
    ...entry, header: entry.header && { ...entry.header }, trailer: entry.trailer && { ...entry.trailer },
  }, tagging));
}

/** Reads an entry; each reader gets values of its own. Undefined for what is none, or is another key's. */
export function readEntry(text: string | undefined, key: string, storeKey: string): Entry | undefined {
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    const entry = (hasTags(text) ? revive(parsed) : parsed) as Partial<Entry> | null;
    if (typeof entry?.atMs !== "number" || typeof entry.freshMs !== "number") return undefined;
    if (storeKey !== key && entry.key !== key) return undefined;
    return entry as Entry;
  } catch {
    return undefined;
  }
}

export function keptError({ code, message, reason, data, details }: RpcError): KeptError {
  return { code, message, reason, data, details };
}

export function thrownError({ code, message, ...options }: KeptError): RpcError {
  return new RpcError(code, message, { ...options, remote: true, phase: "server", retryable: false });
}
