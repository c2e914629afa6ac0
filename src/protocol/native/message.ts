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
  // A copy, which a Buffer's own slice is not: the outbox uses its memory again.
  const rest = Uint8Array.prototype.slice.call(outbox.bytes, outbox.position - excess, outbox.position);
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

/** The part of a message that has come, while frames of it are still missing. */
export class Assembly {
  /** Copied together as it grows: a view of each part would keep the whole read that it came in. */
  #bytes = nothing;
  /** Bytes that have come. */
  length = 0;
  readonly flags: number;

  constructor(channel: Channel, flags: number) {
    this.flags = flags;
    if ((flags & Flag.compressed) !== 0 && channel.compression === undefined) throw notAgreed();
    channel.unfinished++;
  }

  add(channel: Channel, bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    const length = this.length + size;
    const { maxMessageBytes, maxUnfinishedBytes } = channel.settings;
    if (length > maxMessageBytes) tooLarge(length, channel);
    if (channel.side === "server" && channel.unfinishedBytes + size > maxUnfinishedBytes) {
      throw new RpcError("resource_exhausted", `more than ${maxUnfinishedBytes} bytes of unfinished messages on ` +
        "one connection (maxUnfinishedBytes)", { phase: "decode", retryable: true });
    }
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(Math.max(2 * this.#bytes.length, length), maxMessageBytes));
      larger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.length);
    this.length = length;
    channel.unfinishedBytes += size;
  }

  whole(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

const nothing = new Uint8Array(0);

/** What a call keeps between the frames of one message. */
export interface Assembling {
  assembly: Assembly | undefined;
}

/** Forgets a message that will not be completed. */
export function dropAssembly(channel: Channel, call: Assembling): void {
  const { assembly } = call;
  if (assembly === undefined) return;
  call.assembly = undefined;
  channel.unfinished--;
  channel.unfinishedBytes -= assembly.length;
}

/** Decodes the message that this frame completes; {@link incomplete} while there is more to come. */
export function receiveMessage(
  channel: Channel, call: Assembling, coder: Coder, flags: number, bytes: Uint8Array, start: number, end: number,
): unknown {
  if ((flags & Flag.more) === 0 && call.assembly === undefined) {
    if (end - start > channel.settings.maxMessageBytes) tooLarge(end - start, channel);
    if ((flags & Flag.compressed) === 0) return coder.decode(bytes, start, end);
    return decodeCompressed(channel, coder, bytes.subarray(start, end));
  }
  const assembly = call.assembly ??= new Assembly(channel, flags);
  assembly.add(channel, bytes, start, end);
  if ((flags & Flag.more) !== 0) return incomplete;
  dropAssembly(channel, call);
  const whole = assembly.whole();
  if ((assembly.flags & Flag.compressed) !== 0) return decodeCompressed(channel, coder, whole);
  return coder.decode(whole, 0, whole.length);
}

function decodeCompressed(channel: Channel, coder: Coder, bytes: Uint8Array): unknown {
  if (channel.compression === undefined) throw notAgreed();
  const whole = channel.compression.decompress(bytes, channel.settings.maxMessageBytes);
  return coder.decode(whole, 0, whole.length);
}

function notAgreed(): RpcError {
  return new RpcError("invalid_argument", "a compressed message, but no compression was agreed in the hellos",
    { phase: "decode" });
}

function tooLarge(size: number, channel: Channel): never {
  throw new RpcError("resource_exhausted",
    `a message of ${size} bytes exceeds maxMessageBytes ${channel.settings.maxMessageBytes}`,
    { phase: "decode", retryable: false });
}

export const incomplete = Symbol("incomplete");
