/** A cache in the memory of one process: the least recently used leaves first, bounded by entries and by bytes. */
import { type Clock, numberOption } from "../core/index.ts";
import type { CacheStore } from "./store.ts";

export interface MemoryCacheOptions {
  /** Most entries. Default 10,000. */
  readonly maxEntries?: number | undefined;
  /** Most bytes of keys and texts together, at two bytes a character. Default 32 MiB. */
  readonly maxBytes?: number | undefined;
}

export interface MemoryCacheStore extends CacheStore {
  get(keys: readonly string[]): readonly (string | undefined)[];
  set(key: string, text: string, ttlMs: number): void;
  delete(key: string): void;
  readonly figures: { readonly entries: number; readonly bytes: number };
}

interface Entry {
  readonly text: string;
  readonly expiresMs: number;
  readonly bytes: number;
}

/** What an entry takes beside its characters, about. */
const entryBytes = 120;

/** Makes a store. Throws `invalid_argument` for bounds that cannot be. */
export function memoryCacheStore(
  { clock }: { readonly clock: Clock }, options: MemoryCacheOptions = {},
): MemoryCacheStore {
  const maxEntries = numberOption("maxEntries", options.maxEntries ?? 10_000, { least: 1, whole: true });
  const maxBytes = numberOption("maxBytes", options.maxBytes ?? 32 << 20, { least: 1_024, whole: true, unit: "bytes" });
  /** A Map keeps the order of insertion; what is read is inserted anew. */
  const entries = new Map<string, Entry>();
  let bytes = 0;

  function drop(key: string, entry: Entry): void {
    entries.delete(key);
    bytes -= entry.bytes;
  }

  function read(key: string): string | undefined {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresMs <= clock.now()) {
      drop(key, entry);
      return undefined;
    }
    entries.delete(key);
    entries.set(key, entry);
    return entry.text;
  }

  return {
    name: "memory", isShared: false,
    get figures() {
      return { entries: entries.size, bytes };
    },
    get: (keys) => (keys.length === 1 ? [read(keys[0] as string)] : keys.map(read)),
    set(key, text, ttlMs) {
      const before = entries.get(key);
      if (before !== undefined) drop(key, before);
      const size = 2 * (key.length + text.length) + entryBytes;
      // It would push out everything else and not stay itself.
      if (size > maxBytes) return;
      entries.set(key, { text, expiresMs: clock.now() + ttlMs, bytes: size });
      bytes += size;
      for (const [oldest, entry] of entries) {
        if (entries.size <= maxEntries && bytes <= maxBytes) break;
        drop(oldest, entry);
      }
    },
    delete(key) {
      const entry = entries.get(key);
      if (entry !== undefined) drop(key, entry);
    },
  };
}
