/** SentHeads keeps the encoded form of heads that are sent again and again, found by their identity. */
import type { Clock } from "../../core/runtime.ts";
import type { Head } from "../message.ts";
import { latin1Bytes } from "./syntax.ts";
import type { SentHead } from "./write-head.ts";

/** Heads kept in the newer of two generations; what is not asked for again goes with the older. */
const maxHeads = 512;

export class SentHeads {
  readonly #encode: (head: Head) => SentHead;
  #newer = new Map<Head, SentHead>();
  #older = new Map<Head, SentHead>();
  #lastHead: Head | undefined = undefined;
  #last: SentHead | undefined = undefined;

  constructor(encode: (head: Head) => SentHead) {
    this.#encode = encode;
  }

  find(head: Head): SentHead {
    if (head === this.#lastHead) return this.#last as SentHead;
    let sent = this.#newer.get(head);
    if (sent === undefined) {
      sent = this.#older.get(head) ?? this.#encode(head);
      if (this.#newer.size >= maxHeads) {
        this.#older = this.#newer;
        this.#newer = new Map();
      }
      this.#newer.set(head, sent);
    }
    this.#lastHead = head;
    return this.#last = sent;
  }
}

/** The date of responses, formatted once a second for all connections of a server. */
export class DateLine {
  readonly #clock: Clock;
  #second = -1;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts the date into a head that has a place for it. */
  stamp(sent: SentHead): void {
    if (sent.dateAt === 0) return;
    const second = Math.floor(this.#clock.wallMs() / 1_000);
    if (second === sent.dateSecond) return;
    if (second !== this.#second) {
      this.#second = second;
      this.#bytes = latin1Bytes(new Date(second * 1_000).toUTCString());
    }
    sent.bytes.set(this.#bytes, sent.dateAt);
    sent.dateSecond = second;
  }
}
