/** Retry of calls that stream: an attempt may be repeated until the first item has reached the caller. */
import { type Awaitable, type Context, isPromise, type Service } from "../core/index.ts";

/**
 * Decides on the attempt after `failed`: its context, or undefined for no. `retriedKey` is the budget's key of
 * the retry that has just failed, if it was one.
 */
export type Decide = (
  failed: Context, error: unknown, retriedKey: string | undefined,
) => Awaitable<Context | undefined>;

/** Calls `next`, and again as `decide` allows, answering what the first attempt that gets anywhere answers. */
export function retriedStream(
  next: Service, request: unknown, context: Context, decide: Decide, keyOf: (error: unknown) => string,
): unknown {
  const call: Attempts = { next, request, context, decide, keyOf, retriedKey: undefined };
  let answer: unknown;
  try {
    answer = next(request, context);
  } catch (error) {
    return startAgain(call, error).then((value) => wrapped(call, value));
  }
  if (isPromise(answer)) {
    return answer.then(undefined, (error: unknown) => startAgain(call, error)).then((value) => wrapped(call, value));
  }
  return wrapped(call, answer);
}

/** Whether a value is a stream. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/** The caller's stream, knowing whether anybody began to read it. */
export function watched(items: AsyncIterable<unknown>): AsyncIterable<unknown> & { touched: boolean } {
  const seen = {
    touched: false,
    [Symbol.asyncIterator]: () => {
      seen.touched = true;
      return items[Symbol.asyncIterator]();
    },
  };
  return seen;
}

interface Attempts {
  readonly next: Service;
  readonly request: unknown;
  context: Context;
  readonly decide: Decide;
  readonly keyOf: (error: unknown) => string;
  retriedKey: string | undefined;
}

/** Repeats the call until an attempt answers, with whatever it answers. */
async function startAgain(call: Attempts, failure: unknown): Promise<unknown> {
  let error = failure;
  for (;;) {
    const context = await call.decide(call.context, error, call.retriedKey);
    if (context === undefined) throw error;
    call.context = context;
    call.retriedKey = call.keyOf(error);
    try {
      return await call.next(call.request, context);
    } catch (another) {
      error = another;
    }
  }
}

/** A streaming answer whose beginning may still be repeated; any other answer as it is. */
function wrapped(call: Attempts, answer: unknown): unknown {
  return isAsyncIterable(answer) ? { [Symbol.asyncIterator]: () => new RetriedItems(call, answer) } : answer;
}

/** Hands the inner promises through once the first item is out, so that a long stream costs nothing more. */
class RetriedItems implements AsyncIterator<unknown> {
  readonly #call: Attempts;
  #items: AsyncIterator<unknown>;
  #begun = false;
  #first: Promise<unknown> | undefined;

  constructor(call: Attempts, items: AsyncIterable<unknown>) {
    this.#call = call;
    this.#items = items[Symbol.asyncIterator]();
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#begun) return this.#items.next();
    // A reader may ask for several items at once: those behind the first wait until it has arrived.
    if (this.#first !== undefined) return this.#first.then(() => this.#items.next());
    const first = this.#firstItem();
    this.#first = first.catch(() => undefined);
    return first;
  }

  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    await this.#items.return?.(value);
    return { done: true, value };
  }

  async #firstItem(): Promise<IteratorResult<unknown>> {
    for (;;) {
      try {
        const result = await this.#items.next();
        this.#begun = true;
        return result;
      } catch (error) {
        const items = (await startAgain(this.#call, error)) as AsyncIterable<unknown>;
        this.#items = items[Symbol.asyncIterator]();
      }
    }
  }
}
