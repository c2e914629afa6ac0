/** Following one process's admin service: its latest snapshot, or why there is none. */
import { RpcError, type Runtime, type Timer } from "../core/index.ts";
import type { Happening, Snapshot } from "./contract.ts";
import type { Part } from "./merge.ts";
import type { AdminSource } from "./merged.ts";

/** A snapshot that is older than so many intervals tells nothing of now. */
const staleIntervals = 3;
/** How long until one that failed is asked again. */
const againMs = 500;

export class Following {
  readonly source: AdminSource;
  readonly #runtime: Runtime;
  readonly #intervalMs: number;
  readonly #heard: (happening: Happening) => void;
  readonly #ending = new AbortController();
  #about: { readonly role: string; readonly region: string } | undefined = undefined;
  #snapshot: Snapshot | undefined = undefined;
  #atMs = -Infinity;
  #why: string | undefined = "it has not answered yet";
  #timer: Timer | undefined = undefined;

  constructor(runtime: Runtime, source: AdminSource, intervalMs: number, heard: (happening: Happening) => void) {
    this.#runtime = runtime;
    this.source = source;
    this.#intervalMs = intervalMs;
    this.#heard = heard;
    void this.#follow();
  }

  /** What it tells of now; undefined while it does not. */
  get part(): Part | undefined {
    if (this.#snapshot === undefined || this.#about === undefined || this.missing !== undefined) return undefined;
    return { name: this.source.name, ...this.#about, snapshot: this.#snapshot };
  }

  get missing(): { name: string; why: string } | undefined {
    const ageMs = this.#runtime.clock.now() - this.#atMs;
    const { name } = this.source;
    if (this.#why !== undefined) return { name, why: this.#why };
    if (ageMs <= staleIntervals * this.#intervalMs) return undefined;
    return { name, why: `it has told nothing for ${(ageMs / 1_000).toFixed(1)} s` };
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ending;
    const { calls } = this.source;
    try {
      const { role, region } = await calls.describe({}, { signal });
      this.#about = { role, region };
      for await (const snapshot of calls.watch({ intervalMs: this.#intervalMs }, { signal })) {
        this.#snapshot = snapshot;
        this.#atMs = this.#runtime.clock.now();
        this.#why = undefined;
        for (const happening of snapshot.happenings) this.#heard(happening);
      }
      this.#why = "it has ended its watch";
    } catch (error) {
      this.#why = RpcError.from(error).message;
    }
    if (signal.aborted) return;
    this.#timer = this.#runtime.clock.after(againMs, () => void this.#follow()).unref();
  }

  close(): void {
    this.#ending.abort();
    this.#timer?.cancel();
    this.source.close?.();
  }
}
