/** A ThriftOutbox is the Outbox of a Thrift connection: messages have four bytes of length before them, or nothing. */
import type { ByteStream, Clock } from "../../core/runtime.ts";
import { Outbox } from "../../wire/outbox.ts";
import { putInt32 } from "./message.ts";

export class ThriftOutbox extends Outbox {
  readonly #isFramed: boolean;

  constructor(stream: ByteStream, clock: Clock, isFramed: boolean) {
    super(stream, clock, isFramed ? 4 : 0);
    this.#isFramed = isFramed;
  }

  /** Completes the message and plans its departure. */
  end(): void {
    if (this.isClosed) {
      this.abort();
      return;
    }
    const length = this.payloadBytes;
    if (this.#isFramed) putInt32(this.bytes, this.frameStart, length);
    this.completed(length);
  }
}
