/**
 * An envelope is a message in a body behind a byte of flags and four of length, most significant first: the framing
 * that gRPC, gRPC-Web and Connect's streams share.
 */
import { RpcError } from "../core/error.ts";
import { allocateBytes } from "../wire/text.ts";

export const envelopeHeaderBytes = 5;

/** The flag of a compressed message; all other bits are the dialect's. */
export const compressedFlag = 1;

/** The length that the header at `at` tells. */
export function envelopeLength(bytes: Uint8Array, at: number): number {
  return (((bytes[at + 1] as number) << 24 | (bytes[at + 2] as number) << 16 | (bytes[at + 3] as number) << 8) |
    (bytes[at + 4] as number)) >>> 0;
}

/** Writes a header at `at`, where there must be room. */
export function writeEnvelopeHeader(bytes: Uint8Array, at: number, flags: number, length: number): void {
  bytes[at] = flags;
  bytes[at + 1] = length >>> 24;
  bytes[at + 2] = length >>> 16;
  bytes[at + 3] = length >>> 8;
  bytes[at + 4] = length;
}

/** What is kept of unfinished messages over all calls of a connection, and may be. */
export interface Budget {
  unfinishedBytes: number;
  readonly maxUnfinishedBytes: number;
}

/** Bytes gathered as they come, of a message whose end has not. */
export class Gathering {
  readonly #maxBytes: number;
  readonly #budget: Budget | undefined;
  bytes: Uint8Array = nothing;
  length = 0;

  /** Beyond `maxBytes`, or beyond what the budget has left, `add` throws `resource_exhausted`. */
  constructor(maxBytes: number, budget: Budget | undefined) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  /** Copied together as it grows: a view of each part would keep the whole read that it came in. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    const length = this.length + size;
    if (length > this.#maxBytes) throw messageTooLarge(length, this.#maxBytes);
    const budget = this.#budget;
    if (budget !== undefined) {
      if (budget.unfinishedBytes + size > budget.maxUnfinishedBytes) {
        throw new RpcError("resource_exhausted", `more than ${budget.maxUnfinishedBytes} bytes of unfinished ` +
          "messages on one connection (maxUnfinishedBytes)", { phase: "decode", retryable: true });
      }
      budget.unfinishedBytes += size;
    }
    if (length > this.bytes.length) {
      const larger = allocateBytes(Math.min(this.#maxBytes, Math.max(length, 2 * this.bytes.length, 256)));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.length);
    this.length = length;
  }

  /** Forgets what was gathered. */
  drop(): void {
    if (this.#budget !== undefined) this.#budget.unfinishedBytes -= this.length;
    this.bytes = nothing;
    this.length = 0;
  }
}

const nothing = new Uint8Array(0);

export interface EnvelopeSink {
  /** One envelope, whose payload is `bytes[start, end)`. Returning false stops the reader for good. */
  envelope(flags: number, bytes: Uint8Array, start: number, end: number): boolean;
}

/**
 * Cuts a body, however it was split, into envelopes. Whole ones are handed over in place; only one that straddles two
 * pieces is copied together.
 */
export class EnvelopeReader {
  readonly #sink: EnvelopeSink;
  readonly #maxMessageBytes: number;
  readonly #held: Gathering;
  #stopped = false;

  constructor(sink: EnvelopeSink, maxMessageBytes: number, budget: Budget | undefined) {
    this.#sink = sink;
    this.#maxMessageBytes = maxMessageBytes;
    this.#held = new Gathering(maxMessageBytes + envelopeHeaderBytes, budget);
  }

  /** Bytes kept of an envelope that has begun and not ended. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** Throws `resource_exhausted` for a message above the limit as soon as its length is known. */
  push(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (this.#held.length > 0) {
      at = this.#fill(bytes, at, end);
      if (at < 0 || this.#stopped) return;
    }
    while (at + envelopeHeaderBytes <= end) {
      const next = at + envelopeHeaderBytes + this.#lengthAt(bytes, at);
      if (next > end) break;
      if (!this.#sink.envelope(bytes[at] as number, bytes, at + envelopeHeaderBytes, next)) {
        this.#stopped = true;
        return;
      }
      at = next;
    }
    if (at < end) this.#held.add(bytes, at, end);
  }

  /** Forgets an envelope that will not be completed, and takes no more. */
  stop(): void {
    this.#stopped = true;
    this.#held.drop();
  }

  /** Completes the held envelope; returns the offset of what follows it, or -1 if more is needed. */
  #fill(bytes: Uint8Array, start: number, end: number): number {
    const held = this.#held;
    let at = start;
    if (held.length < envelopeHeaderBytes) {
      const taken = Math.min(envelopeHeaderBytes - held.length, end - at);
      held.add(bytes, at, at + taken);
      at += taken;
      if (held.length < envelopeHeaderBytes) return -1;
    }
    const size = envelopeHeaderBytes + this.#lengthAt(held.bytes, 0);
    const taken = Math.min(size - held.length, end - at);
    held.add(bytes, at, at + taken);
    at += taken;
    if (held.length < size) return -1;
    const whole = held.bytes;
    held.drop();
    if (!this.#sink.envelope(whole[0] as number, whole, envelopeHeaderBytes, size)) this.#stopped = true;
    return at;
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    const length = envelopeLength(bytes, at);
    if (length <= this.#maxMessageBytes) return length;
    if (((bytes[at] as number) & noFlags) !== 0) throw notAnEnvelope(bytes, at);
    throw messageTooLarge(length, this.#maxMessageBytes);
  }
}

/** Bits that are flags in no dialect: a header that has one, and a length beyond all bounds, is none. */
const noFlags = 0x7c;

/** A bare message, or text, sent as if it were enveloped. */
function notAnEnvelope(bytes: Uint8Array, at: number): RpcError {
  const shown = Array.from(bytes.subarray(at, at + envelopeHeaderBytes), (byte) => byte.toString(16).padStart(2, "0"));
  return new RpcError("internal", `the body has ${shown.join(" ")} where an envelope's header (a byte of flags, four ` +
    "of length) is expected before each message", { phase: "decode", retryable: false });
}

/** What a message above the limit ends its call with. */
export function messageTooLarge(bytes: number, maxBytes: number): RpcError {
  return new RpcError("resource_exhausted", `a message of ${bytes} bytes exceeds maxMessageBytes ${maxBytes}`,
    { phase: "decode", retryable: false });
}
