/**
 * Follows one name: watches the list of its entries and the data of each, and tells the set when anything changed.
 *
 * A watch of ZooKeeper fires once. What fired is noted first and read again afterwards with a new watch, so that
 * nothing that happens in between is lost; what happens during a read is noted too, and read in the next round. A lost
 * connection ends it: whoever follows again reads everything, which no order of events can confuse.
 */
import { RpcError } from "../../core/error.ts";
import type { EndpointAddress } from "../../core/endpoint.ts";
import type { Runtime } from "../../core/runtime.ts";
import { readText } from "../../wire/text.ts";
import type { EngineView } from "../engine.ts";
import { readEntry } from "../entry.ts";
import type { Link } from "./link.ts";
import { readChildren, readData, readStatOf, sync } from "./nodes.ts";

export interface FollowSettings {
  /** So long after a change, more changes are waited for, in milliseconds. */
  readonly coalesceMs: number;
  /** Most entries of one name. */
  readonly maxEndpoints: number;
}

interface Child {
  readonly endpoint: EndpointAddress | undefined;
  readonly stop: () => void;
}

/** Entries of one name that are asked for at once. */
const parallelReads = 64;

/** Follows the name at `path` until `signal` aborts or the link is lost, of which it rejects. */
export async function followPath(
  { clock }: Runtime, link: Link, path: string, view: EngineView, signal: AbortSignal, settings: FollowSettings,
): Promise<void> {
  const follower = new Follower(link, path, view, settings.maxEndpoints);
  const ended = AbortSignal.any([signal, link.lost]);
  try {
    await sync(link, path);
    while (!ended.aborted) {
      const isListed = await follower.read();
      if (ended.aborted) break;
      if (isListed) follower.tell();
      await follower.changed(ended);
      if (ended.aborted) break;
      await new Promise<void>((resolve) => {
        clock.after(settings.coalesceMs, resolve);
      });
    }
    if (!signal.aborted) throw RpcError.from(link.lost.reason);
  } finally {
    follower.stop();
  }
}

class Follower {
  readonly #link: Link;
  readonly #path: string;
  readonly #view: EngineView;
  readonly #maxEndpoints: number;
  readonly #children = new Map<string, Child>();
  /** Children whose data changed since they were read. */
  readonly #stale = new Set<string>();
  #isListStale = true;
  #why = new Map<string, string>();
  #wake: (() => void) | undefined = undefined;
  readonly #stopListening: () => void;

  constructor(link: Link, path: string, view: EngineView, maxEndpoints: number) {
    this.#link = link;
    this.#path = path;
    this.#view = view;
    this.#maxEndpoints = maxEndpoints;
    this.#stopListening = link.listen(path, () => {
      this.#isListStale = true;
      this.#wake?.();
    });
  }

  /** Brings what is known up to date; false if there is nothing to tell yet, so that another round is due. */
  async read(): Promise<boolean> {
    if (this.#isListStale && !await this.#readList()) return false;
    const stale = [...this.#stale];
    this.#stale.clear();
    let next = 0;
    const readers = Array.from({ length: Math.min(parallelReads, stale.length) }, async () => {
      for (let i = next++; i < stale.length; i = next++) await this.#readChild(stale[i] as string);
    });
    await Promise.all(readers);
    return true;
  }

  async #readList(): Promise<boolean> {
    this.#isListStale = false;
    const names = await readChildren(this.#link, this.#path);
    // A name that nobody has entered has no node: a watch tells when it comes. It may have come just now.
    if (names === undefined && await readStatOf(this.#link, this.#path, true) !== undefined) {
      this.#isListStale = true;
      return false;
    }
    const listed = new Set(names);
    if (listed.size > this.#maxEndpoints) {
      throw new RpcError("resource_exhausted", `ZooKeeper lists ${listed.size} entries at ${this.#path}, more than ` +
        `${this.#maxEndpoints} (maxEndpoints)`, { phase: "resolve" });
    }
    for (const [name, child] of this.#children) if (!listed.has(name)) this.#drop(name, child);
    for (const name of listed) if (!this.#children.has(name)) this.#stale.add(name);
    return true;
  }

  #drop(name: string, child: Child): void {
    child.stop();
    this.#children.delete(name);
    this.#stale.delete(name);
    this.#why.delete(name);
  }

  async #readChild(name: string): Promise<void> {
    const path = `${this.#path}/${name}`;
    const known = this.#children.get(name);
    const stop = known?.stop ?? this.#link.listen(path, () => {
      this.#stale.add(name);
      this.#wake?.();
    });
    // Listened to before the answer is there: its watch may fire right behind it.
    this.#children.set(name, { endpoint: known?.endpoint, stop });
    let data: Uint8Array | undefined;
    try {
      data = await readData(this.#link, path);
    } catch (error) {
      if (!RpcError.is(error) || error.code !== "permission_denied") throw error;
      this.#set(name, { endpoint: undefined, stop }, error.message);
      return;
    }
    if (data === undefined) {
      // Gone since the list was read, of which its watch tells too.
      const child = this.#children.get(name);
      if (child !== undefined) this.#drop(name, child);
      return;
    }
    try {
      this.#set(name, { endpoint: readEntry(readText(data, 0, data.length)), stop }, undefined);
    } catch (error) {
      this.#set(name, { endpoint: undefined, stop }, RpcError.from(error).message);
    }
  }

  #set(name: string, child: Child, why: string | undefined): void {
    this.#children.set(name, child);
    if (why === undefined) this.#why.delete(name);
    else this.#why.set(name, why);
  }

  tell(): void {
    for (const [name, why] of this.#why) this.#view.skipped(name, why);
    const names = [...this.#children.keys()].sort();
    this.#view.told(names.flatMap((name) => this.#children.get(name)?.endpoint ?? []));
  }

  /** Waits until something fired, or for the end. */
  changed(ended: AbortSignal): Promise<void> {
    if (this.#isListStale || this.#stale.size > 0 || ended.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake = undefined;
        ended.removeEventListener("abort", done);
        resolve();
      };
      this.#wake = done;
      ended.addEventListener("abort", done);
    });
  }

  /** Takes back the watches, which ZooKeeper would else keep for as long as the connection lasts. */
  stop(): void {
    this.#stopListening();
    this.#link.forget(this.#path);
    for (const [name, { stop }] of this.#children) {
      stop();
      this.#link.forget(`${this.#path}/${name}`);
    }
    this.#children.clear();
  }
}
