/**
 * A StreamTable finds open streams by id: a ring of slots indexed by the id's low bits, and a Map for the few whose
 * slot another one still has. A peer chooses the ids, so the ring grows with the number of streams, never with ids.
 */

export interface Numbered {
  readonly id: number;
}

export class StreamTable<Stream extends Numbered> {
  #slots: (Stream | undefined)[] = new Array<Stream | undefined>(16).fill(undefined);
  readonly #others = new Map<number, Stream>();
  size = 0;

  add(stream: Stream): void {
    if (this.size * 2 >= this.#slots.length) this.#grow();
    this.size++;
    this.#put(stream);
  }

  #put(stream: Stream): void {
    const slot = stream.id >>> 1 & this.#slots.length - 1;
    if (this.#slots[slot] === undefined) this.#slots[slot] = stream;
    else this.#others.set(stream.id, stream);
  }

  get(id: number): Stream | undefined {
    const stream = this.#slots[id >>> 1 & this.#slots.length - 1];
    if (stream !== undefined && stream.id === id) return stream;
    return this.#others.size === 0 ? undefined : this.#others.get(id);
  }

  remove(id: number): void {
    const slot = id >>> 1 & this.#slots.length - 1;
    if (this.#slots[slot]?.id === id) this.#slots[slot] = undefined;
    else if (!this.#others.delete(id)) return;
    this.size--;
  }

  /** All of them, in the order of their ids. */
  all(): Stream[] {
    const found = this.#slots.filter((stream): stream is Stream & {} => stream !== undefined);
    return [...found, ...this.#others.values()].sort((a, b) => a.id - b.id);
  }

  #grow(): void {
    const all = this.all();
    this.#slots = new Array<Stream | undefined>(this.#slots.length * 2).fill(undefined);
    this.#others.clear();
    for (const stream of all) this.#put(stream);
  }
}
