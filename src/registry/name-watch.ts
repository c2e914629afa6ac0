/** A NameWatch is one stream of a name's snapshots, shared by all who watch that name, and opened for ever anew. */
import { Alarm, type Timer } from "../core/alarm.ts";
import type { Watcher } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import { expected, RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Client } from "../contract/types.ts";
import type { RegistryContract } from "./contract.ts";
import { Snapshots } from "./snapshots.ts";

export interface NameWatchOptions {
  readonly client: Client<typeof RegistryContract>;
  readonly name: string;
  readonly keepaliveMs: number;
  readonly observer: Observer;
}

/** First and longest pause before the stream is opened again, in milliseconds. */
const pauseMs = { min: 50, max: 1_000, growth: 1.6 } as const;
/** So many signs of life may be missing before the registry is held to be dead. */
const missedSigns = 3;

export class NameWatch extends Alarm {
  override keepsAlive = false;
  readonly #runtime: Runtime;
  readonly #options: NameWatchOptions;
  readonly #watchers = new Set<{ readonly watcher: Watcher }>();
  readonly #snapshots: Snapshots;
  #last: readonly EndpointAddress[] | undefined = undefined;
  /** Why there is no stream, from its end to the next snapshot. */
  #failure: RpcError | undefined = undefined;
  #failures = 0;
  #stream: AbortController | undefined = undefined;
  #pause: { readonly timer: Timer; readonly end: () => void } | undefined = undefined;
  #closed = false;

  constructor(runtime: Runtime, options: NameWatchOptions) {
    super();
    this.#runtime = runtime;
    this.#options = options;
    this.#snapshots = new Snapshots((endpoints) => {
      this.#last = endpoints;
      this.#failure = undefined;
      this.#each((watcher) => watcher.snapshot(endpoints));
    });
    void this.#follow();
  }

  /** Tells `watcher` at once what is known, and from now on what changes. Returns how many watch. */
  add(watcher: Watcher): () => number {
    const entry = { watcher };
    this.#watchers.add(entry);
    if (this.#last !== undefined) watcher.snapshot(this.#last);
    if (this.#failure !== undefined) watcher.failed?.(this.#failure);
    return () => {
      this.#watchers.delete(entry);
      return this.#watchers.size;
    };
  }

  /** The registry can be reached (again): no reason to wait any longer. */
  hurry(): void {
    this.#pause?.end();
  }

  close(): void {
    this.#closed = true;
    this.#watchers.clear();
    this.#runtime.clock.clear(this);
    this.#stream?.abort(expected("cancelled", "nobody watches any more"));
    this.#pause?.end();
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      let error: RpcError;
      try {
        await this.#read();
        error = expected("unavailable", "the registry ended the stream");
      } catch (caught) {
        error = RpcError.from(caught);
      }
      this.#runtime.clock.clear(this);
      if (this.#closed) return;
      this.#snapshots.broken();
      this.#failed(error);
      await this.#wait();
    }
  }

  async #read(): Promise<void> {
    const { client, name, keepaliveMs } = this.#options;
    const stream = this.#stream = new AbortController();
    this.#listen();
    for await (const part of client.watch({ name, keepaliveMs, changes: true }, { signal: stream.signal })) {
      if (this.#closed) return;
      this.#listen();
      if (this.#snapshots.part(part)) this.#found();
    }
  }

  /** Sets the time by which something must have been heard. */
  #listen(): void {
    const { clock } = this.#runtime;
    clock.set(this, clock.now() + missedSigns * this.#options.keepaliveMs);
  }

  ring(): void {
    const silentMs = missedSigns * this.#options.keepaliveMs;
    // Late ourselves: what we missed may be waiting unread.
    if (this.#runtime.clock.now() - this.ringsAtMs > this.#options.keepaliveMs) this.#listen();
    else this.#stream?.abort(expected("unavailable", `the registry has said nothing for ${silentMs} ms`));
  }

  #failed(error: RpcError): void {
    if (this.#failure !== undefined) return;
    const { name, observer } = this.#options;
    this.#failure = expected("unavailable", `the registry cannot be watched: ${error.message}`, { cause: error });
    observer.event?.("registry.lost", { name, error: error.message, endpoints: this.#last?.length });
    const failure = this.#failure;
    this.#each((watcher) => watcher.failed?.(failure));
  }

  #found(): void {
    this.#failures = 0;
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    const { name, observer } = this.#options;
    observer.event?.("registry.found", { name, endpoints: this.#last?.length });
    // Watchers forget the failure with the next snapshot, even if it tells nothing new.
    const last = this.#last;
    if (last !== undefined) this.#each((watcher) => watcher.snapshot(last));
  }

  #each(tell: (watcher: Watcher) => void): void {
    for (const entry of [...this.#watchers]) {
      if (!this.#watchers.has(entry)) continue;
      try {
        tell(entry.watcher);
      } catch (error) {
        // One watcher's mistake must not keep the others from hearing.
        this.#options.observer.event?.("registry.watcher.failed",
          { name: this.#options.name, error: RpcError.from(error).message });
      }
    }
  }

  #wait(): Promise<void> {
    const { clock, random } = this.#runtime;
    const boundMs = Math.min(pauseMs.max, pauseMs.min * pauseMs.growth ** this.#failures++);
    return new Promise((resolve) => {
      const end = (): void => {
        this.#pause?.timer.cancel();
        this.#pause = undefined;
        resolve();
      };
      // Between half and all of it: those who lost one registry together must not come back together.
      this.#pause = { end, timer: clock.after(boundMs * (0.5 + 0.5 * random.next()), end).unref() };
    });
  }
}
