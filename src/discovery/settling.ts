/**
 * Settling is the time after an engine was lost in which nobody is taken out on its word: leases ran out while it stood
 * still, and one whose data are gone knows nobody, until those who live have entered themselves again.
 *
 * Newcomers are told at once. Whom the engine listed since it came back may leave at once. The others stay until the
 * time is over, which a server that died meanwhile does too: its callers find that out by themselves.
 */
import type { EndpointAddress } from "../core/endpoint.ts";
import type { Clock } from "../core/runtime.ts";
import type { EngineView } from "./engine.ts";

/** A follower's view that lets nobody go for `settleMs` after each return; `settleMs` of 0 does nothing. */
export type Settle = (view: EngineView, signal: AbortSignal) => EngineView;

export function settling(clock: Clock, settleMs: number): Settle {
  // A name's follower has one signal for life: what is known of it is forgotten with it.
  const known = new WeakMap<AbortSignal, SettlingView>();
  return (view, signal) => {
    if (settleMs <= 0) return view;
    const before = known.get(signal);
    if (before === undefined) {
      const first = new SettlingView(clock, view, signal);
      known.set(signal, first);
      return first;
    }
    before.returned(settleMs);
    return before;
  };
}

class SettlingView implements EngineView {
  readonly #clock: Clock;
  readonly #view: EngineView;
  readonly #signal: AbortSignal;
  /** What was told last, and what the engine itself said last. */
  #told: readonly EndpointAddress[] = [];
  #said: readonly EndpointAddress[] | undefined = undefined;
  /** Of those told before the loss, who was not listed since, by id. */
  #kept = new Map<string, EndpointAddress>();
  #timer: { cancel(): void } | undefined = undefined;
  #settleMs = 0;

  constructor(clock: Clock, view: EngineView, signal: AbortSignal) {
    this.#clock = clock;
    this.#view = view;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#timer?.cancel());
  }

  returned(settleMs: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#kept = new Map(this.#told.map((one) => [one.id, one]));
    this.#said = undefined;
    this.#settleMs = settleMs;
  }

  told(endpoints: readonly EndpointAddress[]): void {
    this.#said = endpoints;
    // Time runs from the first word of the engine that is back: while it is away, nobody can come back to it.
    if (this.#kept.size > 0) this.#timer ??= this.#clock.after(this.#settleMs, () => this.#settled()).unref();
    for (const { id } of endpoints) this.#kept.delete(id);
    this.#told = this.#kept.size === 0 ? endpoints : [...endpoints, ...this.#kept.values()];
    this.#view.told(this.#told);
  }

  #settled(): void {
    if (this.#kept.size === 0 || this.#said === undefined || this.#signal.aborted) return;
    this.#kept.clear();
    this.#told = this.#said;
    this.#view.told(this.#told);
  }

  skipped(entry: string, why: string): void {
    this.#view.skipped(entry, why);
  }
}
