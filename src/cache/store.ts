/** A CacheStore keeps texts under keys for a while: in this process, or in an engine that several share. */
import type { Awaitable } from "../core/index.ts";

export interface CacheStore {
  /** For messages and events, e.g. `memcached 127.0.0.1:11211`. */
  readonly name: string;
  /** Whether other processes read it too, whose clocks differ from ours. */
  readonly isShared: boolean;
  /** What is kept under each key, in their order; undefined for what is not. Rejects if the store cannot be asked. */
  get(keys: readonly string[]): Awaitable<readonly (string | undefined)[]>;
  /** Keeps `text` for `ttlMs`, or for less, as the store sees fit; at least 1. */
  set(key: string, text: string, ttlMs: number): Awaitable<void>;
  delete(key: string): Awaitable<void>;
  /** The stores that this one spreads keys over, each of which may be away by itself. */
  readonly nodes?: readonly CacheStore[];
  /** Which of `nodes` has a key. */
  nodeOf?(key: string): number;
}

/** Keys are at most so long, of printable characters without spaces: what every engine takes. */
export const maxKeyChars = 200;
