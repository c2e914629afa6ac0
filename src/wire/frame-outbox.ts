/** A FrameOutbox is the Outbox of a native connection: its frames have the header of docs/protocol.md. */
import type { ByteStream, Clock } from "../core/runtime.ts";
import { frameHeaderBytes } from "./frame-reader.ts";
import { Outbox } from "./outbox.ts";

export class FrameOutbox extends Outbox {
  constructor(stream: ByteStream, clock: Clock) {
    super(stream, clock, frameHeaderBytes);
  }

  /** Completes the frame and plans its departure. */
  end(type: number, flags: number, id: number): void {
    if (this.isClosed) {
      this.abort();
      return;
    }
    const bytes = this.bytes;
    const at = this.frameStart;
    const length = this.position - at - frameHeaderBytes;
    bytes[at] = length;
    bytes[at + 1] = length >> 8;
    bytes[at + 2] = length >> 16;
    bytes[at + 3] = type | flags << 4;
    bytes[at + 4] = id;
    bytes[at + 5] = id >> 8;
    bytes[at + 6] = id >> 16;
    bytes[at + 7] = id >>> 24;
    this.completed(length);
  }
}
