/**
 * A contest is one call with several attempts out at once: the first good answer is the call's, and the others are
 * cancelled, at their servers too.
 *
 * The first attempt runs under the call's own context, so that a call that is never hedged pays for nothing. When
 * another attempt wins, that context is cancelled, the first attempt therefore fails, and whoever hears of its failure
 * asks the contest, which hands over the answer that won.
 */
import {
  type Contenders, type Context, expected, isPromise, type Metadata, overtakenReason, RpcError, type Service,
} from "../core/index.ts";

/** What a contest asks of the layer that holds it. */
export interface ContestOwner {
  readonly next: Service;
  nowMs(): number;
  /** Whether the call goes on although an attempt ended with this error (`nonFatalStatusCodes` of gRFC A6). */
  isNonFatal(error: unknown): boolean;
  /** May another attempt follow at once, now that one failed? Takes what it costs, if so. */
  mayFollow(contest: Contest, error: unknown): boolean;
  /** Calls again when `waitMs` has passed: a server asked for so much patience. */
  followLater(contest: Contest, waitMs: number): void;
  /** An attempt other than the first failed too. */
  forkFailed(contest: Contest, error: unknown): void;
  /** There was nobody to send one to: what it was to cost is given back. */
  notSent(contest: Contest): void;
  /** An attempt other than the first answered first. */
  won(contest: Contest): void;
}

type Outcome =
  | { readonly kind: "open" }
  | { readonly kind: "answered"; readonly value: unknown }
  | { readonly kind: "failed"; readonly error: unknown };

export class Contest implements Contenders {
  readonly request: unknown;
  readonly context: Context;
  readonly #owner: ContestOwner;
  readonly #forks: Context[] = [];
  /** Attempts made, the first included, and those of them that are out. */
  attempts = 1;
  #out = 1;
  #outcome: Outcome = { kind: "open" };
  #error: unknown = undefined;
  /** Set while the first attempt has failed and others are waited for. */
  #waiting: { resolve(value: unknown): void; reject(error: unknown): void } | undefined = undefined;
  /** A server has said that nothing more may follow (push-back). */
  stopped = false;
  /** An attempt that waits for the time a server asked for counts as out. */
  #due = false;

  constructor(owner: ContestOwner, request: unknown, context: Context) {
    this.#owner = owner;
    this.request = request;
    this.context = context;
    context.contenders = this;
  }

  get isOver(): boolean {
    return this.#outcome.kind !== "open" || this.context.cancelReason !== undefined;
  }

  /** Hears of the first attempt's success where nobody else does. */
  watch(first: Promise<unknown>): void {
    first.then(() => this.firstAnswered(), () => undefined);
  }

  /** The first attempt answered: the others are called off. */
  firstAnswered(): void {
    if (this.#outcome.kind !== "open") return;
    this.#outcome = { kind: "answered", value: undefined };
    this.#cancelForks();
  }

  /** Sends one more attempt, elsewhere. */
  send(): void {
    this.#due = false;
    if (this.isOver) return;
    const { context } = this;
    const kept: [kind: "header" | "trailer", metadata: Metadata][] = [];
    const fork = context.fork({
      attempt: context.attempt + this.attempts, hedged: true, startedMs: this.#owner.nowMs(), avoid: this.tried(),
      // Only the metadata of the answer that wins is the call's.
      onMetadata: context.onMetadata && ((kind, metadata) => void kept.push([kind, metadata])),
    });
    this.attempts++;
    this.#out++;
    this.#forks.push(fork);
    let answer: unknown;
    try {
      answer = this.#owner.next(this.request, fork);
    } catch (error) {
      this.#forkFailed(fork, error);
      return;
    }
    const won = (value: unknown): void => {
      if (this.isOver) return;
      for (const [kind, metadata] of kept) context.onMetadata?.(kind, metadata);
      this.#forkWon(fork, value);
    };
    if (isPromise(answer)) answer.then(won, (error: unknown) => this.#forkFailed(fork, error));
    else won(answer);
  }

  tried(): unknown[] {
    const tried = [...this.context.avoid];
    for (const one of [this.context, ...this.#forks]) if (one.picked !== undefined) tried.push(one.picked);
    return tried;
  }

  #forkWon(fork: Context, value: unknown): void {
    this.#outcome = { kind: "answered", value };
    this.#owner.won(this);
    this.#cancelForks(fork);
    if (this.#waiting !== undefined) this.#waiting.resolve(value);
    else this.context.cancel(overtaken());
  }

  #forkFailed(fork: Context, error: unknown): void {
    this.#out--;
    // An attempt that found no other endpoint was none, and says nothing about the call.
    if (RpcError.is(error) && error.neverStarted && error.phase === "pick") {
      this.attempts--;
      this.#forks.splice(this.#forks.indexOf(fork), 1);
      this.#owner.notSent(this);
      if (this.isOver) return;
      this.stopped = true;
    } else {
      if (this.isOver) return;
      this.#error = error;
      if (!this.#owner.isNonFatal(error)) {
        this.#end(error);
        return;
      }
      this.#owner.forkFailed(this, error);
    }
    this.#goOn(error);
  }

  /** The first attempt failed. Called by whoever would otherwise repeat or fail the call. */
  failed(error: unknown): Promise<unknown> {
    const outcome = this.#outcome;
    if (outcome.kind === "answered") return Promise.resolve(outcome.value);
    if (outcome.kind === "failed") return Promise.reject(outcome.error);
    this.#out--;
    this.#error = error;
    if (this.context.cancelReason !== undefined || !this.#owner.isNonFatal(error)) {
      this.#outcome = { kind: "failed", error };
      this.#cancelForks();
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      // The caller's own cancellation has cancelled the forks, whose ends are then not waited for.
      this.context.onCancel({ cancelled: reject });
      this.#goOn(error);
    });
  }

  /** After a failure that is not fatal the next attempt follows at once, or when the server wants it (gRFC A6). */
  #goOn(error: unknown): void {
    const afterMs = RpcError.is(error) ? error.retryAfterMs : undefined;
    // Push-back that is negative or cannot be read means: no more.
    if (afterMs !== undefined && !(afterMs >= 0)) this.stopped = true;
    if (!this.stopped && !this.#due && this.#owner.mayFollow(this, error)) {
      if (afterMs === undefined || afterMs === 0) {
        this.send();
      } else {
        this.#due = true;
        this.#owner.followLater(this, afterMs);
      }
    }
    if (this.#out === 0 && !this.#due) this.#end(this.#error ?? error);
  }

  /** The call ends with `error`: the first attempt, if it is out still, is cancelled with it. */
  #end(error: unknown): void {
    if (this.#outcome.kind !== "open") return;
    this.#outcome = { kind: "failed", error };
    this.#cancelForks();
    if (this.#waiting !== undefined) this.#waiting.reject(error);
    else this.context.cancel(beaten());
  }

  #cancelForks(but?: Context): void {
    for (const fork of this.#forks) if (fork !== but) fork.cancel(beaten());
  }
}

/** Of a first attempt: one that began later was answered sooner, which speaks against where it went. */
function overtaken(): RpcError {
  return expected("cancelled", "a later attempt of the call was answered first", { reason: overtakenReason });
}

function beaten(): RpcError {
  return expected("cancelled", "another attempt of the call ended first");
}
