/** Heads by the length that they announce: a head that is sent again is not encoded again (SentHeads). */
import type { Head } from "../../http/message.ts";

/** Most lengths that heads are kept for; others are made each time. */
const maxKept = 256;

export class HeadsByLength {
  readonly #make: (length: number) => Head;
  readonly #kept = new Map<number, Head>();

  constructor(make: (length: number) => Head) {
    this.#make = make;
  }

  of(length: number): Head {
    let head = this.#kept.get(length);
    if (head === undefined) {
      head = this.#make(length);
      if (this.#kept.size < maxKept) this.#kept.set(length, head);
    }
    return head;
  }
}
