/** Messages in bodies: encoding, compression and framing on the way out, and the reverse on the way in. */
import { RpcError } from "../core/error.ts";
import type { Coder } from "../contract/codec.ts";
import type { Exchange } from "../http/message.ts";
import type { Compression } from "../wire/compression.ts";
import { toBase64 } from "../wire/base64.ts";
import { allocateBytes, writeText } from "../wire/text.ts";
import { Writer } from "../wire/writer.ts";
import type { Framing, Reply } from "./dialect.ts";
import { compressedFlag, envelopeHeaderBytes, messageTooLarge, writeEnvelopeHeader } from "./envelope.ts";

const leastBytes = 16_384;
/** Memory that a large message left behind is not kept. */
const mostKeptBytes = 262_144;

/**
 * Where messages are encoded before anything of their call is sent: a message that cannot be encoded then leaves no
 * trace, and its size and compression are known when its head is made. Copying it out costs less than a small call's
 * other parts. One for the process: it holds a message only from `encodeMessage` to the next turn of its caller.
 */
const scratch = new Writer(leastBytes);
let isEncoding = false;

/** A message encoded and ready to be sent, valid until the next is encoded. */
export interface Encoded {
  /** `bytes[0, length)` is the framed message; behind five bytes of header if it is enveloped. */
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly compressed: boolean;
}

interface MutableEncoded extends Encoded {
  bytes: Uint8Array;
  length: number;
  compressed: boolean;
}

/** One object for all: nobody keeps it. */
const encoded: MutableEncoded = { bytes: scratch.bytes, length: 0, compressed: false };

/** Encodes a message. Throws an RpcError of phase `encode` for a value of the wrong type. */
export function encodeMessage(
  coder: Coder, value: unknown, framing: Framing, compression: Compression | undefined, aboveBytes: number,
): Encoded {
  if (isEncoding) {
    throw new RpcError("internal", "a call was made from a getter or toJSON of a value being encoded",
      { phase: "encode" });
  }
  const headerBytes = headerBytesOf(framing);
  if (scratch.bytes.length > mostKeptBytes) scratch.bytes = allocateBytes(leastBytes);
  scratch.position = headerBytes;
  isEncoding = true;
  try {
    coder.encode(value, scratch);
  } catch (error) {
    const failure = RpcError.from(error, "internal");
    failure.phase ??= "encode";
    throw failure;
  } finally {
    isEncoding = false;
  }
  let compressed = false;
  if (compression !== undefined && scratch.position - headerBytes >= aboveBytes) {
    compressed = compress(compression, headerBytes, aboveBytes === 0);
  }
  if (headerBytes > 0) {
    const length = scratch.position - headerBytes;
    if (length > 0xffff_ffff) throw messageTooLarge(length, 0xffff_ffff);
    writeEnvelopeHeader(scratch.bytes, 0, compressed ? compressedFlag : 0, length);
  }
  encoded.bytes = scratch.bytes;
  encoded.length = scratch.position;
  encoded.compressed = compressed;
  return encoded;
}

/** With `always`, also where it makes the message no smaller. */
function compress(compression: Compression, from: number, always: boolean): boolean {
  const size = scratch.position - from;
  const smaller = compression.compress(scratch.bytes.subarray(from, scratch.position));
  if (smaller.length >= size && !always) return false;
  scratch.position = from;
  scratch.writeBytes(smaller);
  return true;
}

/** The bytes that stand before each message. */
export function headerBytesOf(framing: Framing): number {
  return framing === "enveloped" || framing === "enveloped-base64" ? envelopeHeaderBytes : 0;
}

/** Sends `bytes[0, length)` as a piece of the body. */
export function sendPiece(
  exchange: Exchange, framing: Framing, bytes: Uint8Array, length: number, last: boolean,
): void {
  const writer = exchange.begin();
  if (framing === "enveloped-base64") {
    // Each piece is padded on its own, as readers of this framing must expect.
    const text = toBase64(bytes.subarray(0, length));
    writer.ensure(text.length * 3);
    writer.position += writeText(writer.bytes, writer.position, text);
  } else {
    writer.ensure(length);
    copy(bytes, length, writer.bytes, writer.position);
    writer.position += length;
  }
  exchange.end(last);
}

/** Sends a whole response. */
export function sendReply(exchange: Exchange, { head, body, trailers }: Reply): void {
  exchange.head(head, body === undefined && trailers === undefined);
  if (body !== undefined) {
    exchange.begin().writeBytes(body);
    exchange.end(trailers === undefined);
  }
  if (trailers !== undefined) exchange.trailers(trailers);
}

/** Below this a loop beats the native call. */
const shortCopy = 64;

function copy(from: Uint8Array, length: number, to: Uint8Array, at: number): void {
  if (length > shortCopy) {
    to.set(from.subarray(0, length), at);
    return;
  }
  for (let i = 0; i < length; i++) to[at + i] = from[i] as number;
}

/** Decodes a message received. `compression` is what the head named; `undefined` where it named none. */
export function decodeMessage(
  coder: Coder, bytes: Uint8Array, start: number, end: number, compressed: boolean,
  compression: Compression | undefined, maxMessageBytes: number,
): unknown {
  if (!compressed) return coder.decode(bytes, start, end);
  const whole = plainPayload(compressedFlag, bytes, start, end, compression, maxMessageBytes);
  return coder.decode(whole, 0, whole.length);
}

/** The payload of an envelope as it was before it was compressed, if its flags say that it was. */
export function plainPayload(
  flags: number, bytes: Uint8Array, start: number, end: number, compression: Compression | undefined,
  maxMessageBytes: number,
): Uint8Array {
  const payload = bytes.subarray(start, end);
  if ((flags & compressedFlag) === 0) return payload;
  if (compression === undefined) {
    throw new RpcError("internal", "a message is compressed, but the head names no compression", { phase: "decode" });
  }
  // An empty message that claims to be compressed is an empty message.
  return start === end ? payload : compression.decompress(payload, maxMessageBytes);
}

/** A copy to be kept while the call waits; a Buffer's `slice` would only view what the next message overwrites. */
export function keepEncoded({ bytes, length, compressed }: Encoded): Encoded {
  return { bytes: new Uint8Array(bytes.subarray(0, length)), length, compressed };
}

/** The compression of a name; undefined for one that is not configured. */
export function compressionNamed(
  compressions: readonly Compression[], name: string | undefined,
): Compression | undefined {
  return name === undefined ? undefined : compressions.find((one) => one.name === name);
}
