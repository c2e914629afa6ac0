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

const leastRoom = 64;

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
  /** Contexts alone, which keep what else is needed: a store in an old array costs more than one in a young object. */
  #ring: (Context | undefined)[] = [];
  #first = 0;
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
    return (this.#ring[this.#first] as Context).startedMs + this.delayMs;
  }

  /** Adds a call that began just now; false when there is no room. */
  add(owner: ContestOwner, request: unknown, context: Context, answer: Promise<unknown>): boolean {
    // Calls end mostly in the order of their beginning: two are let go of for each that comes, while they are young, so
    // that what nobody needs is not carried on until its delay.
    if (this.#dropEnded()) this.#dropEnded();
    if (this.size === this.#ring.length) {
      if (this.size >= this.#maxPending) return false;
      this.#grow();
    }
    context.hedger = owner;
    context.request = request;
    context.answer = answer;
    const ring = this.#ring;
    ring[(this.#first + this.size) & (ring.length - 1)] = context;
    this.size++;
    return true;
  }

  /** Takes out who has come to the delay, in order. */
  takeDue(nowMs: number, looked: Looked): void {
    while (this.size > 0) {
      const context = this.#ring[this.#first] as Context;
      if (context.startedMs + this.delayMs > nowMs) return;
      this.#takeFirst();
      if (!context.attemptEnded) looked(this, context);
    }
  }

  /** Lets go of the first if it has ended. */
  #dropEnded(): boolean {
    if (this.size === 0 || !(this.#ring[this.#first] as Context).attemptEnded) return false;
    this.#takeFirst();
    return true;
  }

  #takeFirst(): void {
    const ring = this.#ring;
    ring[this.#first] = undefined;
    this.#first = (this.#first + 1) & (ring.length - 1);
    this.size--;
  }

  #grow(): void {
    const old = this.#ring;
    const grown: (Context | undefined)[] =
      Array.from({ length: Math.max(leastRoom, old.length * 2) }, () => undefined);
    for (let i = 0; i < this.size; i++) grown[i] = old[(this.#first + i) & (old.length - 1)];
    this.#ring = grown;
    this.#first = 0;
  }
}
