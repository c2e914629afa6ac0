/** Messages in frames: compression, the split of a large one over several frames, and its assembly. */
import { RpcError } from "../../core/error.ts";
import type { Coder } from "../../contract/codec.ts";
import type { Channel } from "./channel.ts";
import { Flag } from "./frame-types.ts";

/**
 * Encodes `value` into the frame begun in the outbox and ends the frame. Returns the rest of a message that
 * is larger than the peer's frames. Whatever goes wrong, the frame is taken back and an RpcError thrown.
 */
export function sendMessage(
  channel: Channel, type: number, flags: number, id: number, coder: Coder, value: unknown,
): Uint8Array | undefined {
  const outbox = channel.outbox;
  const before = outbox.payloadBytes;
  try {
    coder.encode(value, outbox);
    checkSize(outbox.payloadBytes - before, channel);
    if (channel.compression !== undefined && outbox.payloadBytes - before >= channel.settings.compressAboveBytes) {
      flags |= compress(channel, outbox.payloadBytes - before);
    }
  } catch (error) {
    outbox.abort();
    const failure = RpcError.from(error, "internal");
    failure.phase ??= "encode";
    throw failure;
  }
  const most = channel.peer?.maxFrameBytes ?? 0;
  if (outbox.payloadBytes <= most) {
    outbox.end(type, flags, id);
    return undefined;
  }
  const excess = outbox.payloadBytes - most;
  const rest = outbox.bytes.slice(outbox.position - excess, outbox.position);
  outbox.position -= excess;
  outbox.end(type, flags | Flag.more, id);
  return rest;
}

function checkSize(size: number, channel: Channel): void {
  const most = channel.peer?.maxMessageBytes ?? 0;
  if (size > most) {
    throw new RpcError("resource_exhausted", `a message of ${size} bytes exceeds the peer's maxMessageBytes ${most}`,
      { phase: "encode", retryable: false });
  }
}

function compress(channel: Channel, size: number): number {
  const outbox = channel.outbox;
  const from = outbox.position - size;
  const smaller = channel.compression?.compress(outbox.bytes.subarray(from, outbox.position));
  if (smaller === undefined || smaller.length >= size) return 0;
  outbox.position = from;
  outbox.writeBytes(smaller);
  return Flag.compressed;
}

/** The frames of one message that have come, while others are still missing. */
export class Assembly {
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  readonly flags: number;

  constructor(flags: number) {
    this.flags = flags;
  }

  add(part: Uint8Array, maxMessageBytes: number): void {
    this.#bytes += part.length;
    if (this.#bytes > maxMessageBytes) {
      throw new RpcError("resource_exhausted", `a message of more than maxMessageBytes ${maxMessageBytes} bytes`,
        { phase: "decode", retryable: false });
    }
    this.#parts.push(part);
  }

  whole(): Uint8Array {
    const whole = new Uint8Array(this.#bytes);
    let offset = 0;
    for (const part of this.#parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    return whole;
  }
}

/** What a call keeps between the frames of one message. */
export interface Assembling {
  assembly: Assembly | undefined;
}

/** Decodes the message that this frame completes; {@link incomplete} while there is more to come. */
export function receiveMessage(
  channel: Channel, call: Assembling, coder: Coder, flags: number, bytes: Uint8Array, start: number, end: number,
): unknown {
  if ((flags & (Flag.more | Flag.compressed)) === 0 && call.assembly === undefined) {
    if (end - start > channel.settings.maxMessageBytes) tooLarge(end - start, channel);
    return coder.decode(bytes, start, end);
  }
  const assembly = call.assembly ??= new Assembly(flags);
  assembly.add(bytes.subarray(start, end), channel.settings.maxMessageBytes);
  if ((flags & Flag.more) !== 0) return incomplete;
  call.assembly = undefined;
  let whole = assembly.whole();
  if ((assembly.flags & Flag.compressed) !== 0) {
    if (channel.compression === undefined) {
      throw new RpcError("invalid_argument", "a compressed message, but no compression was agreed",
        { phase: "decode" });
    }
    whole = channel.compression.decompress(whole, channel.settings.maxMessageBytes);
  }
  return coder.decode(whole, 0, whole.length);
}

function tooLarge(size: number, channel: Channel): never {
  throw new RpcError("resource_exhausted",
    `a message of ${size} bytes exceeds maxMessageBytes ${channel.settings.maxMessageBytes}`,
    { phase: "decode", retryable: false });
}

export const incomplete = Symbol("incomplete");
