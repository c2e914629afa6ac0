/**
 * Records are what a session remembers of its calls, so that a request that comes again is answered as it was and never
 * run twice: a bounded window, below which every number counts as one that may have run.
 */
import type { UnaryCall } from "../unary-calls.ts";

export interface CallRecord {
  readonly number: number;
  readonly receivedMs: number;
  readonly isOneway: boolean;
  /** While its handler is at work. */
  call: UnaryCall | undefined;
  /** Whether its handler has ended. */
  isDone: boolean;
  /** What it was answered, from the flags on; undefined for a one-way call that was accepted. */
  answer: Uint8Array | undefined;
}

/** Bytes of answers that all sessions of a server keep. */
export interface Memory {
  bytes: number;
  readonly maxBytes: number;
}

/** What is known of a call's number. */
export type Known = CallRecord | "new" | "forgotten" | "over";

export class Records {
  readonly #memory: Memory;
  readonly #most: number;
  /** In the order in which they came. */
  readonly #records = new Map<number, CallRecord>();
  /** Up to here, calls that are not here are over or forgotten. */
  #forgotten = 0;
  /** Below this the client waits for nothing. */
  #floor = 0;

  constructor(memory: Memory, most: number) {
    this.#memory = memory;
    this.#most = most;
  }

  get size(): number {
    return this.#records.size;
  }

  find(number: number): Known {
    const record = this.#records.get(number);
    if (number < this.#floor) return "over";
    return record ?? (number <= this.#forgotten ? "forgotten" : "new");
  }

  /** Remembers a call that begins, in the place of the oldest that has ended. */
  add(record: CallRecord): void {
    if (this.#records.size >= this.#most) this.#forgetOldest();
    this.#records.set(record.number, record);
  }

  /** A call has ended: its answer is kept for those who ask again. */
  ended(record: CallRecord, answer: Uint8Array | undefined): void {
    record.isDone = true;
    record.call = undefined;
    // Nobody will ask, and whoever still asks is not answered.
    if (!this.#records.has(record.number)) return;
    if (record.number < this.#floor) {
      this.#records.delete(record.number);
      return;
    }
    if (answer === undefined) return;
    record.answer = answer;
    this.#memory.bytes += answer.length;
    while (this.#memory.bytes > this.#memory.maxBytes && this.#forgetOldest());
  }

  /** The client waits for no call below `floor`, and sends none of them again. */
  raise(floor: number): void {
    if (floor <= this.#floor) return;
    this.#floor = floor;
    this.#forgotten = Math.max(this.#forgotten, floor - 1);
    for (const record of this.#records.values()) {
      if (record.number >= floor) break;
      if (record.isDone) this.#drop(record);
    }
  }

  /** The session is over. */
  clear(): void {
    for (const record of this.#records.values()) this.#drop(record);
  }

  /** Whether there was one that could be forgotten: calls at work are bounded by their own number. */
  #forgetOldest(): boolean {
    for (const record of this.#records.values()) {
      if (!record.isDone) continue;
      this.#drop(record);
      this.#forgotten = Math.max(this.#forgotten, record.number);
      return true;
    }
    return false;
  }

  #drop(record: CallRecord): void {
    this.#records.delete(record.number);
    this.#memory.bytes -= record.answer?.length ?? 0;
    record.answer = undefined;
  }
}
