/** Hearing of the end of what a service answered: at once, by a promise, or after the last item of a stream. */
import { isPromise } from "../../core/service.ts";

export type Ended = (error: unknown) => void;

/** Hands an answer on, and calls `ended` once it is over: with undefined after success. */
export function ending(answer: unknown, ended: Ended): unknown {
  if (isPromise(answer)) {
    return answer.then((value) => {
      if (isItems(value)) return new Items(value, ended);
      ended(undefined);
      return value;
    }, (error: unknown) => {
      ended(error);
      throw error;
    });
  }
  if (isItems(answer)) return new Items(answer, ended);
  ended(undefined);
  return answer;
}

function isItems(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === "object" && answer !== null && Symbol.asyncIterator in answer;
}

class Items implements AsyncIterableIterator<unknown> {
  readonly #items: AsyncIterator<unknown>;
  readonly #ended: Ended;

  constructor(items: AsyncIterable<unknown>, ended: Ended) {
    this.#items = items[Symbol.asyncIterator]();
    this.#ended = ended;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#items.next().then((step) => {
      if (step.done === true) this.#ended(undefined);
      return step;
    }, (error: unknown) => {
      this.#ended(error);
      throw error;
    });
  }

  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    try {
      return await (this.#items.return?.(value) ?? { done: true, value });
    } finally {
      this.#ended(undefined);
    }
  }
}
