/**
 * A SnapshotCache keeps the last good set of each name in a text that outlives the process, so that whoever starts
 * while the engine is away still knows whom to call.
 */
import type { Timer } from "../core/alarm.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { TextStore } from "../core/text-store.ts";
import { type CachedSet, decodeCache, encodeCache } from "./cache-format.ts";

export interface SnapshotCacheOptions {
  /** Changes are written together, at most so often, in milliseconds. Default 1,000. */
  readonly writeMs?: number | undefined;
  /** How often it is noted that nothing changed, by which the age of a set is known. Default 600,000. */
  readonly refreshMs?: number | undefined;
  /** Largest text that is read or written. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Most names kept; of more, those told last. Default 10,000. */
  readonly maxNames?: number | undefined;
  /** Hears `discovery.cache.damaged` (what is read and ignored) and `discovery.cache.failed` (a write, once). */
  readonly observer?: Observer | undefined;
}

export interface SnapshotCache extends AsyncDisposable {
  /** Reads the text, once; resolves also when it is missing or damaged. */
  load(): Promise<void>;
  /** What is kept of a name. */
  get(name: string): CachedSet | undefined;
  /** Keeps a set from now on. */
  keep(name: string, endpoints: readonly EndpointAddress[]): void;
  /** Says whether the source of a name is well, so that what it told last is as good as new. */
  setWell(name: string, isWell: boolean): void;
  /** Resolves once everything kept so far is written, or the write failed. */
  flush(): Promise<void>;
  /** Writes what is kept, and ends. */
  close(): Promise<void>;
}

/**
 * Makes a cache on a store, such as `createFileStore(path)`. Give the same cache to all clients of a process, and each
 * process a store of its own.
 */
export function snapshotCache(
  runtime: Pick<Runtime, "clock">, store: TextStore, options: SnapshotCacheOptions = {},
): SnapshotCache {
  return new StoredCache(runtime, store, options);
}

interface Settings {
  readonly writeMs: number;
  readonly refreshMs: number;
  readonly maxBytes: number;
  readonly maxNames: number;
  readonly observer: Observer;
}

class StoredCache implements SnapshotCache {
  readonly #clock: Runtime["clock"];
  readonly #store: TextStore;
  readonly #settings: Settings;
  /** In the order in which they were last kept. */
  readonly #sets = new Map<string, CachedSet>();
  readonly #well = new Set<string>();
  #loading: Promise<void> | undefined = undefined;
  #later: Timer | undefined = undefined;
  #refreshing: Timer | undefined = undefined;
  #writing: Promise<void> = Promise.resolve();
  #hasFailed = false;
  #closed = false;

  constructor({ clock }: Pick<Runtime, "clock">, store: TextStore, options: SnapshotCacheOptions) {
    this.#clock = clock;
    this.#store = store;
    this.#settings = {
      writeMs: options.writeMs ?? 1_000, refreshMs: options.refreshMs ?? 600_000,
      maxBytes: options.maxBytes ?? 67_108_864, maxNames: options.maxNames ?? 10_000, observer: options.observer ?? {},
    };
  }

  load(): Promise<void> {
    return this.#loading ??= this.#load();
  }

  async #load(): Promise<void> {
    const { maxBytes, maxNames, observer } = this.#settings;
    try {
      const text = await this.#store.read(maxBytes);
      if (text === undefined) return;
      const sets = decodeCache(text, maxNames);
      for (const [name, set] of sets) if (!this.#sets.has(name)) this.#sets.set(name, set);
    } catch (error) {
      const { message } = RpcError.from(error);
      observer.event?.("discovery.cache.damaged", {
        path: this.#store.path, error: message, advice: "it is ignored, and replaced by the next set that is told",
      });
    }
  }

  get(name: string): CachedSet | undefined {
    return this.#sets.get(name);
  }

  keep(name: string, endpoints: readonly EndpointAddress[]): void {
    this.#sets.delete(name);
    this.#sets.set(name, { endpoints, atWallMs: this.#clock.wallMs() });
    for (const oldest of this.#sets.keys()) {
      if (this.#sets.size <= this.#settings.maxNames) break;
      this.#sets.delete(oldest);
    }
    if (!this.#closed) this.#later ??= this.#clock.after(this.#settings.writeMs, () => this.#write()).unref();
  }

  setWell(name: string, isWell: boolean): void {
    if (isWell) this.#well.add(name);
    else this.#well.delete(name);
    if (this.#well.size > 0 && !this.#closed) this.#refreshing ??= this.#refreshLater();
  }

  #refreshLater(): Timer {
    return this.#clock.after(this.#settings.refreshMs, () => {
      this.#refreshing = undefined;
      if (this.#well.size === 0 || this.#closed) return;
      this.#write();
      this.#refreshing = this.#refreshLater();
    }).unref();
  }

  #write(): void {
    this.#later?.cancel();
    this.#later = undefined;
    this.#writing = this.#writing.then(() => this.#writeNow());
  }

  async #writeNow(): Promise<void> {
    const nowMs = this.#clock.wallMs();
    for (const name of this.#well) {
      const set = this.#sets.get(name);
      if (set !== undefined) this.#sets.set(name, { ...set, atWallMs: nowMs });
    }
    try {
      // What an earlier life kept of other names is kept on, so it must have been read.
      await this.load();
      await this.#store.write(encodeCache(this.#sets, this.#settings.maxBytes));
      this.#hasFailed = false;
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#settings.observer.event?.("discovery.cache.failed",
        { path: this.#store.path, error: RpcError.from(error).message });
    }
  }

  flush(): Promise<void> {
    if (this.#later !== undefined) this.#write();
    return this.#writing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#refreshing?.cancel();
    // Also when nothing changed: until now it was true.
    if (this.#well.size > 0) this.#write();
    await this.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
