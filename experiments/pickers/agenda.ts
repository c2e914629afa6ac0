// What happens later in a small world: a heap by time, and by order of coming where times are equal.

export interface Happening {
  happen(): void;
}

export class Agenda {
  nowMs = 0;
  events = 0;
  /** What pickers, and whoever else wants the time, are given. */
  readonly clock = { now: (): number => this.nowMs };
  #atMs = new Float64Array(1 << 12);
  #order = new Float64Array(1 << 12);
  readonly #what: (Happening | undefined)[] = [];
  #size = 0;
  #added = 0;

  add(atMs: number, happening: Happening): void {
    if (this.#size === this.#atMs.length) this.#grow();
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#atMs[parent] as number) <= atMs) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#put(at, atMs, this.#added++, happening);
  }

  run(untilMs: number): void {
    while (this.#size > 0 && (this.#atMs[0] as number) <= untilMs) {
      this.nowMs = this.#atMs[0] as number;
      const happening = this.#what[0] as Happening;
      this.#removeFirst();
      this.events++;
      happening.happen();
    }
    this.nowMs = untilMs;
  }

  #removeFirst(): void {
    const last = --this.#size;
    const [atMs, order, what] = [this.#atMs[last] as number, this.#order[last] as number, this.#what[last]];
    this.#what[last] = undefined;
    if (last === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && !this.#before(child, this.#atMs[child + 1] as number, this.#order[child + 1] as number)) {
        child++;
      }
      if (!this.#before(child, atMs, order)) break;
      this.#move(child, at);
      at = child;
    }
    this.#put(at, atMs, order, what as Happening);
  }

  #before(at: number, atMs: number, order: number): boolean {
    const mineMs = this.#atMs[at] as number;
    return mineMs < atMs || mineMs === atMs && (this.#order[at] as number) < order;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#atMs[from] as number, this.#order[from] as number, this.#what[from] as Happening);
  }

  #put(at: number, atMs: number, order: number, what: Happening): void {
    this.#atMs[at] = atMs;
    this.#order[at] = order;
    this.#what[at] = what;
  }

  #grow(): void {
    const [atMs, order] = [this.#atMs, this.#order];
    this.#atMs = new Float64Array(atMs.length * 2);
    this.#atMs.set(atMs);
    this.#order = new Float64Array(order.length * 2);
    this.#order.set(order);
  }
}
