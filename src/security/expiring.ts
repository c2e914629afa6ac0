/** Ends the answer of a stream when the time of what proved its caller's identity is over. */
import { type Clock, type Context, isPromise, type RpcError, type Timer } from "../core/index.ts";

export interface Expiry {
  /** In milliseconds since 1970. */
  readonly atWallMs: number;
  /** What the stream ends with. */
  readonly ended: RpcError;
}

/** Longest that a timer is set for: the wall's clock may be put right meanwhile. */
const maxTimerMs = 3_600_000;

/** `answer`: items, or the promise of the one answer to a stream of requests. To the handler it is a cancellation. */
export function expiring(clock: Clock, answer: unknown, context: Context, expiry: Expiry): unknown {
  if (isPromise(answer)) return limited(clock, answer, context, expiry);
  if (typeof answer !== "object" || answer === null || !(Symbol.asyncIterator in answer)) return answer;
  return new ExpiringItems(clock, answer as AsyncIterable<unknown>, context, expiry);
}

class Watch {
  isOver = false;
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, { atWallMs }: Expiry, passed: () => void) {
    const wait = (): void => {
      const leftMs = atWallMs - clock.wallMs();
      this.#timer = clock.after(Math.max(0, Math.min(leftMs, maxTimerMs)), () => {
        if (this.isOver) return;
        if (clock.wallMs() < atWallMs) return wait();
        this.isOver = true;
        passed();
      }).unref();
    };
    wait();
  }

  stop(): void {
    this.isOver = true;
    this.#timer?.cancel();
  }
}

function limited(clock: Clock, answer: Promise<unknown>, context: Context, expiry: Expiry): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const watch = new Watch(clock, expiry, () => {
      context.cancel(expiry.ended);
      reject(expiry.ended);
    });
    answer.then((value) => {
      watch.stop();
      resolve(value);
    }, (error: unknown) => {
      watch.stop();
      reject(error);
    });
  });
}

class ExpiringItems implements AsyncIterableIterator<unknown> {
  readonly #items: AsyncIterator<unknown>;
  readonly #watch: Watch;
  readonly #expiry: Expiry;
  #hasExpired = false;
  /** Who waits for the next item. */
  #fail: ((error: RpcError) => void) | undefined = undefined;

  constructor(clock: Clock, items: AsyncIterable<unknown>, context: Context, expiry: Expiry) {
    this.#items = items[Symbol.asyncIterator]();
    this.#expiry = expiry;
    this.#watch = new Watch(clock, expiry, () => {
      this.#hasExpired = true;
      context.cancel(expiry.ended);
      this.#fail?.(expiry.ended);
      void Promise.resolve(this.#items.return?.()).catch(() => undefined);
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#hasExpired) return Promise.reject(this.#expiry.ended);
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#items.next().then((step) => {
        this.#fail = undefined;
        if (step.done === true) this.#watch.stop();
        resolve(step);
      }, (error: unknown) => {
        this.#fail = undefined;
        this.#watch.stop();
        reject(this.#hasExpired ? this.#expiry.ended : error as Error);
      });
    });
  }

  return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#watch.stop();
    return this.#items.return?.(value) ?? Promise.resolve({ done: true, value });
  }
}
