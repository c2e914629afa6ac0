/** Retry of calls that stream: an attempt may be repeated until the first item has reached the caller. */
import { type Awaitable, type Context, isPromise, mayHaveRun, RpcError, type Service } from "../core/index.ts";

/** What follows a failed attempt: another; nothing, and its error stands; or nothing, with this error in its place. */
export type Next = Context | RpcError | undefined;

/** Decides on what follows `failed`. `retriedKey` is the budget's key of the retry that has just failed, if any. */
export type Decide = (
  failed: Context, error: unknown, retriedKey: string | undefined,
) => Awaitable<Next>;

/** How a call's failures are accounted for, and who hears of its end. */
export interface StreamAccount {
  readonly keyOf: (error: unknown) => string;
  readonly ended: ((error: unknown) => void) | undefined;
}

/** Calls `next`, and again as `decide` allows, answering what the first attempt that gets anywhere answers. */
export function retriedStream(
  next: Service, request: unknown, context: Context, decide: Decide, account: StreamAccount,
): unknown {
  const call: Attempts = {
    next, request, context, decide, ...account, retriedKey: undefined, ran: false, begun: false, failure: undefined,
  };
  if (account.ended !== undefined) {
    call.context = context = context.with({ onAttemptEnded: (error) => attemptEnded(call, error) });
  }
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
  readonly keyOf: StreamAccount["keyOf"];
  readonly ended: StreamAccount["ended"];
  retriedKey: string | undefined;
  /** Whether an attempt before the present one may have run. */
  ran: boolean;
  /** Whether the first item is out, so that the present attempt is the last. */
  begun: boolean;
  /** How an attempt ended whose first item nobody has taken yet. */
  failure: RpcError | undefined;
}

/** The end of an attempt is the end of the call if it succeeded, or if nothing can follow it. */
function attemptEnded(call: Attempts, error: RpcError | undefined): void {
  if (error === undefined || call.begun) call.ended?.(error);
  else call.failure = error;
}

/** Repeats the call until an attempt answers, with whatever it answers. */
async function startAgain(call: Attempts, failure: unknown): Promise<unknown> {
  let error = failure;
  for (;;) {
    const further = await call.decide(call.context, error, call.retriedKey);
    if (further === undefined || RpcError.is(further)) {
      let last = further ?? error;
      if (call.ran && RpcError.is(last) && last.neverStarted) last = mayHaveRun(last);
      call.ended?.(last);
      throw last;
    }
    call.ran ||= !RpcError.is(error) || !error.neverStarted;
    call.context = further;
    call.retriedKey = call.keyOf(error);
    try {
      return await call.next(call.request, further);
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
  #first: Promise<unknown> | undefined;

  constructor(call: Attempts, items: AsyncIterable<unknown>) {
    this.#call = call;
    this.#items = items[Symbol.asyncIterator]();
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#call.begun) return this.#items.next();
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
        this.#call.begun = true;
        if (this.#call.failure !== undefined) this.#call.ended?.(this.#call.failure);
        return result;
      } catch (error) {
        this.#call.failure = undefined;
        const items = (await startAgain(this.#call, error)) as AsyncIterable<unknown>;
        this.#items = items[Symbol.asyncIterator]();
      }
    }
  }
}
