/** A StreamDuplex is a ByteStream as Node's own protocols want it: a Duplex. */
import { Duplex } from "node:stream";
import type { ByteSink, ByteStream } from "../../core/runtime.ts";

export class StreamDuplex extends Duplex {
  #stream: ByteStream | undefined = undefined;
  #goOn: (() => void) | undefined = undefined;
  #isClosed = false;
  readonly #opened: (() => void) | undefined;
  readonly #closed: (error: Error | undefined) => void;

  /** What hears the stream below. */
  readonly sink: ByteSink = {
    opened: () => this.#opened?.(),
    received: (bytes) => {
      if (!this.push(bytes)) this.#stream?.pause();
    },
    drained: () => this.#drained(),
    closed: (error) => this.#closedBelow(error),
  };

  /** `closed` is called once, last, when the stream below is closed. */
  constructor(closed: (error: Error | undefined) => void, opened?: () => void) {
    super({ allowHalfOpen: false });
    this.#closed = closed;
    this.#opened = opened;
    // Whoever owns the protocol on top hears of errors there.
    this.on("error", () => undefined);
  }

  over(stream: ByteStream): this {
    this.#stream = stream;
    return this;
  }

  #drained(): void {
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }

  #closedBelow(error: Error | undefined): void {
    this.#isClosed = true;
    this.push(null);
    this.#drained();
    this.destroy();
    this.#closed(error);
  }

  override _read(): void {
    if (!this.#isClosed) this.#stream?.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (this.#isClosed || this.#stream?.write(chunk) !== false) done();
    else this.#goOn = done;
  }

  override _final(done: () => void): void {
    if (!this.#isClosed) this.#stream?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isClosed) this.#stream?.destroy();
    this.#drained();
    done(error);
  }
}
