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
export type Looked = (
  line: HedgeLine, owner: ContestOwner, request: unknown, context: Context, answer: Promise<unknown>,
) => void;

/** Fields of one entry in the ring: owner, request, context, answer. */
const fields = 4;
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
  #ring: unknown[] = [];
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
    return (this.#ring[this.#first * fields + 2] as Context).startedMs + this.delayMs;
  }

  /** Adds a call that began just now; false when there is no room. */
  add(owner: ContestOwner, request: unknown, context: Context, answer: Promise<unknown>): boolean {
    // Calls end mostly in the order of their beginning: two are let go of for each that comes, while they are young, so
    // that what nobody needs is not carried on until its delay.
    if (this.#dropEnded()) this.#dropEnded();
    let room = this.#ring.length / fields;
    if (this.size === room) {
      if (room >= this.#maxPending) return false;
      this.#grow();
      room = this.#ring.length / fields;
    }
    const at = ((this.#first + this.size) & (room - 1)) * fields;
    this.size++;
    const ring = this.#ring;
    ring[at] = owner;
    ring[at + 1] = request;
    ring[at + 2] = context;
    ring[at + 3] = answer;
    return true;
  }

  /** Takes out who has come to the delay, in order. */
  takeDue(nowMs: number, looked: Looked): void {
    while (this.size > 0) {
      const ring = this.#ring;
      const at = this.#first * fields;
      const context = ring[at + 2] as Context;
      if (context.startedMs + this.delayMs > nowMs) return;
      const owner = ring[at] as ContestOwner;
      const request = ring[at + 1];
      const answer = ring[at + 3] as Promise<unknown>;
      this.#takeFirst(ring, at);
      looked(this, owner, request, context, answer);
    }
  }

  /** Lets go of the first if it has ended. */
  #dropEnded(): boolean {
    if (this.size === 0) return false;
    const ring = this.#ring;
    const at = this.#first * fields;
    if (!(ring[at + 2] as Context).attemptEnded) return false;
    this.#takeFirst(ring, at);
    return true;
  }

  #takeFirst(ring: unknown[], at: number): void {
    ring[at] = ring[at + 1] = ring[at + 2] = ring[at + 3] = undefined;
    this.#first = (this.#first + 1) & (ring.length / fields - 1);
    this.size--;
  }

  #grow(): void {
    const old = this.#ring;
    const room = old.length / fields;
    const grown: unknown[] = Array.from({ length: Math.max(leastRoom, room * 2) * fields }, () => undefined);
    for (let i = 0; i < this.size; i++) {
      const from = ((this.#first + i) & (room - 1)) * fields;
      for (let field = 0; field < fields; field++) grown[i * fields + field] = old[from + field];
    }
    this.#ring = grown;
    this.#first = 0;
  }
}
