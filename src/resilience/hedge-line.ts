/** A hedge line is the calls of one method in the order of their beginning, until each comes to its delay. */
import type { Context, MethodInfo } from "../core/index.ts";
import type { Contest, ContestOwner } from "./contest.ts";

/** A call that may get a further attempt at `dueMs`. */
export type Late = {
  readonly dueMs: number;
  readonly context: Context;
  readonly request: unknown;
  /** Whether what the attempt costs has been taken already. */
  readonly paid: boolean;
} & (
  | { readonly contest: Contest; readonly owner: undefined; readonly answer?: undefined }
  | { readonly contest: undefined; readonly owner: ContestOwner; readonly answer: Promise<unknown> }
);

/** Hears of a call that has come to its delay. */
export type Looked = (line: HedgeLine, context: Context) => void;

/**
 * Contexts come in pieces of an array, each made when the last is full: a store in an array that has grown old has to
 * be remembered by the collector and costs more than one in a young one.
 */
interface Piece {
  readonly calls: (Context | undefined)[];
  next: Piece | undefined;
}

const pieceLength = 64;
/** After so many calls (a power of two) those at the front that have ended are let go of. */
const dropEach = 8;

export class HedgeLine {
  readonly method: MethodInfo;
  readonly #maxPending: number;
  /** After so long a call is late; Infinity while too little is known. */
  delayMs = Infinity;
  /** After so long it hangs. */
  hangMs = Infinity;
  medianMs = 0;
  refreshedAtMs = -Infinity;
  /** The delay that an event told of last, and when. */
  toldMs = 0;
  toldAtMs = -Infinity;
  size = 0;
  /** Contexts alone, which keep what else is needed. */
  #first: Piece = emptyPiece();
  #last = this.#first;
  /** Where the first call is in the first piece, and where the next goes in the last. */
  #firstAt = 0;
  #nextAt = 0;
  #calls = 0;

  constructor(method: MethodInfo, maxPending: number) {
    this.method = method;
    this.#maxPending = maxPending;
  }

  /** While the delay is unknown: true now and then, so that not every call asks the statistics. */
  isWorthALook(): boolean {
    return (this.#calls++ & 15) === 0;
  }

  /** When the first call comes to its delay. */
  get dueMs(): number {
    return (this.#first.calls[this.#firstAt] as Context).startedMs + this.delayMs;
  }

  /** Adds a call that began just now; false when there is no room. */
  add(owner: ContestOwner, request: unknown, context: Context, answer: Promise<unknown>): boolean {
    // Calls end mostly in the order of their beginning: what nobody needs is let go of while it is young, instead of
    // being carried on until its delay.
    if ((this.#nextAt & (dropEach - 1)) === 0 || this.size >= this.#maxPending) {
      this.#dropEnded();
      if (this.size >= this.#maxPending) return false;
      if (this.#nextAt === pieceLength) this.#addPiece();
    }
    context.hedger = owner;
    context.request = request;
    context.answer = answer;
    this.#last.calls[this.#nextAt++] = context;
    this.size++;
    return true;
  }

  /** Takes out who has come to the delay, in order. */
  takeDue(nowMs: number, looked: Looked): void {
    while (this.size > 0) {
      const context = this.#first.calls[this.#firstAt] as Context;
      if (context.startedMs + this.delayMs > nowMs) return;
      this.#takeFirst();
      if (!context.attemptEnded) looked(this, context);
    }
  }

  #dropEnded(): void {
    while (this.size > 0 && (this.#first.calls[this.#firstAt] as Context).attemptEnded) this.#takeFirst();
  }

  #takeFirst(): void {
    this.size--;
    this.#first.calls[this.#firstAt] = undefined;
    if (++this.#firstAt < pieceLength) return;
    if (this.#first.next === undefined) this.#addPiece();
    this.#first = this.#first.next as Piece;
    this.#firstAt = 0;
  }

  #addPiece(): void {
    this.#last = this.#last.next = emptyPiece();
    this.#nextAt = 0;
  }
}

function emptyPiece(): Piece {
  return { calls: new Array<Context | undefined>(pieceLength), next: undefined };
}
