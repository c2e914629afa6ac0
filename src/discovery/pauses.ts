/** Pauses are the waits between tries: growing, spread by chance, and ended early by whoever knows better. */
import type { Runtime } from "../core/runtime.ts";

export interface PauseBounds {
  /** The first and the longest, in milliseconds. */
  readonly min: number;
  readonly max: number;
}

const growth = 1.6;

export class Pauses {
  readonly #runtime: Pick<Runtime, "clock" | "random">;
  readonly #bounds: PauseBounds;
  #tries = 0;
  #end: (() => void) | undefined = undefined;

  constructor(runtime: Pick<Runtime, "clock" | "random">, bounds: PauseBounds) {
    this.#runtime = runtime;
    this.#bounds = bounds;
  }

  /** The next wait: half of its bound is chance, so that those who lost an engine together do not return together. */
  next(): Promise<void> {
    const { clock, random } = this.#runtime;
    const boundMs = Math.min(this.#bounds.max, this.#bounds.min * growth ** Math.min(this.#tries++, 64));
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#end = undefined;
        resolve();
      };
      const timer = clock.after(boundMs * (0.5 + 0.5 * random.next()), end).unref();
      this.#end = end;
    });
  }

  /** Ends the wait under way, if there is one. */
  skip(): void {
    this.#end?.();
  }

  /** It went well: the next wait is the first again. */
  reset(): void {
    this.#tries = 0;
  }
}
