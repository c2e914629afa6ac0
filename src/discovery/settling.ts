/**
 * Settling is the time after an engine was lost in which nobody is taken out on its word: leases ran out while it stood
 * still, and one whose data are gone knows nobody, until those who live have entered themselves again.
 *
 * Newcomers are told at once, and may leave at once. Those known before stay until the time is over, also if they were
 * listed since: an engine that restarts may list first what it remembers, then what it has heard. So does a server that
 * died meanwhile: its callers find that out by themselves.
 */
import type { EndpointAddress } from "../core/endpoint.ts";
import type { Clock } from "../core/runtime.ts";

export class Settling {
  readonly #clock: Clock;
  readonly #settleMs: number;
  readonly #settled: () => void;
  /** Those known before the loss, by id. */
  readonly #kept = new Map<string, EndpointAddress>();
  /** How many of them the engine did not list when it was heard last. */
  #missing = 0;
  #timer: { cancel(): void } | undefined = undefined;

  /** `settled` is called when somebody who was kept is kept no longer. `settleMs` of 0 keeps nobody. */
  constructor(clock: Clock, settleMs: number, settled: () => void) {
    this.#clock = clock;
    this.#settleMs = settleMs;
    this.#settled = settled;
  }

  /** The engine is lost; `known` is what was told last. */
  lost(known: readonly EndpointAddress[]): void {
    this.end();
    if (this.#settleMs > 0) for (const one of known) this.#kept.set(one.id, one);
  }

  /** What to tell when the engine says that these are all. */
  withKept(said: readonly EndpointAddress[]): readonly EndpointAddress[] {
    if (this.#kept.size === 0) return said;
    const kept = new Map(this.#kept);
    for (const { id } of said) kept.delete(id);
    this.#missing = kept.size;
    // Time runs from the first word of the engine that is back: while it is away, nobody can come back to it.
    this.#timer ??= this.#clock.after(this.#settleMs, () => {
      this.end();
      if (this.#missing > 0) this.#settled();
    }).unref();
    return kept.size === 0 ? said : [...said, ...kept.values()];
  }

  /** Keeps nobody any more. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#kept.clear();
  }
}
