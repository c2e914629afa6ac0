/** A body reader cuts the body of a message stream, whatever its framing and however it was split, into messages. */
import { RpcError } from "../core/error.ts";
import { Base64Body } from "./base64-body.ts";
import type { Framing } from "./dialect.ts";
import { LineReader } from "./line-reader.ts";
import { type Budget, EnvelopeReader, type EnvelopeSink, Gathering } from "./envelope.ts";

export class BodyReader {
  readonly #sink: EnvelopeSink;
  readonly #envelopes: EnvelopeReader | undefined;
  readonly #base64: Base64Body | undefined;
  readonly #bare: Gathering | undefined;
  readonly #lines: LineReader | undefined;

  /** Messages go to `sink`; a bare body is one envelope with the flags 0. */
  constructor(sink: EnvelopeSink, framing: Framing, maxMessageBytes: number, budget: Budget | undefined) {
    this.#sink = sink;
    this.#bare = framing === "bare" ? new Gathering(maxMessageBytes, budget) : undefined;
    const isEnveloped = framing === "enveloped" || framing === "enveloped-base64";
    this.#envelopes = isEnveloped ? new EnvelopeReader(sink, maxMessageBytes, budget) : undefined;
    this.#lines = isEnveloped || framing === "bare" ? undefined
      : new LineReader(sink, framing, maxMessageBytes, budget);
    this.#base64 = framing === "enveloped-base64" ? new Base64Body() : undefined;
  }

  /** Bytes kept of a message that has begun and not ended. */
  get heldBytes(): number {
    return this.#bare?.length ?? this.#envelopes?.heldBytes ?? this.#lines?.heldBytes ?? 0;
  }

  /** Of server-sent events: the bytes that the message now told of came in. */
  get eventBytes(): number {
    return this.#lines?.eventBytes ?? 0;
  }

  /**
   * Returns how many of the bytes are of messages and their headers: in base64 fewer than all, but for those that say
   * nothing before others come. Throws an RpcError for what is too large.
   */
  push(bytes: Uint8Array, start: number, end: number): number {
    if (this.#lines !== undefined) return this.#lines.push(bytes, start, end);
    if (this.#envelopes === undefined) {
      this.#bare?.add(bytes, start, end);
      return end - start;
    }
    if (this.#base64 === undefined) {
      this.#envelopes.push(bytes, start, end);
      return end - start;
    }
    const pendingBefore = this.#base64.pending;
    const decoded = this.#base64.push(bytes, start, end);
    this.#envelopes.push(decoded, 0, decoded.length);
    return decoded.length + this.#base64.pending - pendingBefore;
  }

  /** The body has ended. Throws `invalid_argument` if that was within a message. */
  end(): void {
    const bare = this.#bare;
    if (bare !== undefined) {
      const { bytes, length } = bare;
      bare.drop();
      this.#sink.envelope(0, bytes, 0, length);
    } else if (this.#lines !== undefined) {
      this.#lines.end();
    } else if (this.heldBytes > 0 || this.#base64?.complete === false) {
      throw new RpcError("invalid_argument", "the body ended within a message", { phase: "decode" });
    }
  }

  /** Forgets what will not be completed. */
  stop(): void {
    this.#bare?.drop();
    this.#envelopes?.stop();
    this.#lines?.stop();
  }
}
