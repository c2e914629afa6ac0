/** A Following keeps an engine's follower of one name alive, and tells what it says in one order, each id once. */
import type { EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Answer } from "./audience.ts";
import type { Engine, EngineView } from "./engine.ts";
import { type PauseBounds, Pauses } from "./pauses.ts";
import { Settling } from "./settling.ts";

export interface FollowingSettings {
  readonly observer: Observer;
  readonly maxEndpoints: number;
  readonly settleMs: number;
  readonly pauseMs: PauseBounds;
}

/** Most entries that are remembered as left out, so that each is said once. */
const maxSkippedRemembered = 1_000;

export class Following implements EngineView {
  readonly #engine: Engine;
  readonly #name: string;
  readonly #settings: FollowingSettings;
  readonly #tell: (answer: Answer) => void;
  readonly #pauses: Pauses;
  readonly #settling: Settling;
  readonly #end = new AbortController();
  /** What was left out before the set now told, and since it. */
  #skippedBefore = new Set<string>();
  #skipped = new Set<string>();
  /** What the engine itself said last, and what was told. */
  #said: readonly EndpointAddress[] = [];
  last: readonly EndpointAddress[] | undefined = undefined;
  /** Why the engine is lost; undefined while it is not. */
  failure: RpcError | undefined = undefined;

  constructor(
    runtime: Runtime, engine: Engine, name: string, settings: FollowingSettings, tell: (answer: Answer) => void,
  ) {
    this.#engine = engine;
    this.#name = name;
    this.#settings = settings;
    this.#tell = tell;
    this.#pauses = new Pauses(runtime, settings.pauseMs);
    this.#settling = new Settling(runtime.clock, settings.settleMs, () => this.#tellSet(this.#said));
  }

  start(): void {
    void this.#follow();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      try {
        await this.#engine.follow(this.#name, this, signal);
        if (!signal.aborted) this.#lost(new RpcError("unavailable", `${this.#engine.name} ended the watch`));
      } catch (error) {
        if (!signal.aborted) this.#lost(RpcError.from(error, "unavailable"));
      }
      if (!signal.aborted) await this.#pauses.next();
    }
  }

  told(endpoints: readonly EndpointAddress[]): void {
    if (this.#end.signal.aborted) return;
    const { maxEndpoints, observer } = this.#settings;
    if (endpoints.length > maxEndpoints) {
      this.#lost(new RpcError("resource_exhausted", `${this.#engine.name} lists ${endpoints.length} endpoints of ` +
        `"${this.#name}", more than ${maxEndpoints} (maxEndpoints)`, { phase: "resolve" }));
      return;
    }
    this.#said = this.#inOrder(endpoints);
    this.#skippedBefore = this.#skipped;
    this.#skipped = new Set();
    this.#pauses.reset();
    if (this.failure !== undefined) {
      this.failure = undefined;
      observer.event?.("discovery.found", { engine: this.#engine.name, name: this.#name });
    }
    this.#tellSet(this.#said);
  }

  #tellSet(said: readonly EndpointAddress[]): void {
    const all = this.#settling.withKept(said);
    this.last = all === said ? said : [...all].sort(byId);
    this.#tell({ state: "known", endpoints: this.last });
  }

  #inOrder(endpoints: readonly EndpointAddress[]): readonly EndpointAddress[] {
    const first = new Map<string, EndpointAddress>();
    for (const one of endpoints) {
      if (!first.has(one.id)) first.set(one.id, one);
      else this.skipped(one.id, "listed twice: an endpoint is known by its id, which is its address by default");
    }
    return [...first.values()].sort(byId);
  }

  skipped(entry: string, why: string): void {
    const key = `${entry} ${why}`;
    const isNew = !this.#skippedBefore.has(key) && !this.#skipped.has(key);
    if (this.#skipped.size < maxSkippedRemembered) this.#skipped.add(key);
    if (!isNew || this.#skipped.size >= maxSkippedRemembered) return;
    this.#settings.observer.event?.("discovery.skipped",
      { engine: this.#engine.name, name: this.#name, entry: entry.slice(0, 256), why });
  }

  #lost(error: RpcError): void {
    const isNew = this.failure === undefined;
    if (isNew && this.last !== undefined) this.#settling.lost(this.last);
    this.failure = error;
    if (isNew) {
      this.#settings.observer.event?.("discovery.lost",
        { engine: this.#engine.name, name: this.#name, error: error.message });
    }
    this.#tell({ state: "failed", error });
  }

  close(): void {
    this.#end.abort();
    this.#pauses.skip();
    this.#settling.end();
  }
}

function byId(a: EndpointAddress, b: EndpointAddress): number {
  return a.id < b.id ? -1 : 1;
}
