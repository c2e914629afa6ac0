/**
 * An oracle of the MessagePack codec, made independently of it: the library `@msgpack/msgpack` with the extension types
 * of the documentation around it, for values that describe themselves.
 */
import { Decoder, decodeTimestampToTimeSpec, Encoder, ExtData, ExtensionCodec } from "@msgpack/msgpack";
import type { Codec, Coder } from "../../../src/contract/codec.ts";
import { RpcError } from "../../../src/core/error.ts";
import type { Writer } from "../../../src/wire/writer.ts";
import { extensions, longTextBytes, malformed, scan } from "./scan.ts";
import { isPlainObject, maxDepth, rewrite, type Rewriting } from "../../../src/codec/rewrite.ts";

const coder: Coder = {
  encode(value, writer) {
    append(writer, isPlain(value, 0) ? value : rewrite(value, extending));
  },

  decode(bytes, start, end) {
    const holdsBytes = scan(bytes, start, end);
    // A Uint8Array of its own, lest the library make Buffers of a Buffer; and a copy where it makes views.
    const range = new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
    try {
      return decoders.decode(holdsBytes ? range.slice() : range);
    } catch (cause) {
      if (RpcError.is(cause)) throw cause;
      throw malformed(`cannot be read: ${cause instanceof Error ? cause.message : "unknown"}`, cause);
    }
  },
};

/** Values as MessagePack, whatever the schema. */
export const libraryMsgpack: Codec = { name: "msgpack", structural: false, compile: () => coder };

/** An encoder whose buffer grew beyond this is not kept. */
const maxKeptBytes = 1 << 20;
/** Nesting is bounded by our own walk; extensions add to what the library counts. */
const encoderOptions = { useBigInt64: true, ignoreUndefined: true, maxDepth: maxDepth + 1 };
let encoder = new Encoder(encoderOptions);

function append(writer: Writer, value: unknown): void {
  const used = encoder;
  const encoded = used.encodeSharedRef(value);
  if (encoded.length > maxKeptBytes) encoder = new Encoder(encoderOptions);
  // Making room may flush, and whoever is flushed to may encode; the library's buffer is then no longer ours.
  const room = writer.bytes.length - writer.position;
  writer.writeBytes(encoded.length <= room ? encoded : encoded.slice());
}

/** Whether the library alone writes the value faithfully. Anything unusual is for the slow walk to judge. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string": return isPlainText(value);
    case "boolean": return true;
    case "number": return value !== 0 || 1 / value > 0;
    case "bigint": return isInt64(value);
    case "object": return value === null || isPlainTree(value, depth);
    case "undefined": case "function": case "symbol": default: return false;
  }
}

/** The library writes lone surrogates so that no peer can read them, and drops a byte order mark on reading. */
function isPlainText(value: string): boolean {
  return value.charCodeAt(0) !== 0xfeff && value.isWellFormed();
}

function isInt64(value: bigint): boolean {
  return value >= 0n ? BigInt.asUintN(64, value) === value : BigInt.asIntN(64, value) === value;
}

function isPlainTree(value: object, depth: number): boolean {
  if (depth >= maxDepth) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false;
    return true;
  }
  if (isPlainObject(value)) {
    for (const key in value) {
      if (key === "__proto__" || !isPlainText(key)) return false;
      const member: unknown = (value as Record<string, unknown>)[key];
      if (member !== undefined && !isPlain(member, depth + 1)) return false;
    }
    return true;
  }
  return value instanceof Uint8Array || (value instanceof Date && !Number.isNaN(value.getTime()));
}

const oneByte = new Uint8Array(1);

/** How the MessagePack codec writes what MessagePack has no word for. */
const extending: Rewriting = {
  format: "MessagePack",
  text: (value) => (isPlainText(value) ? value : new ExtData(extensions.text, textUnits(value))),
  // Keys must be text, so what the library would spoil cannot go as an extension.
  takesKey: (key) => key.isWellFormed() && (key.charCodeAt(0) !== 0xfeff || 3 * key.length <= longTextBytes),
  number: (value) => (value === 0 && 1 / value < 0 ? new ExtData(extensions.negativeZero, oneByte) : value),
  bigint: (value) => (isInt64(value) ? value : new ExtData(extensions.bigint, bigintBytes(value))),
  undefined: () => new ExtData(extensions.undefined, oneByte),
  date: (value) => value,
  bytes: (value) => value,
  map: (keysAndValues) => new ExtData(extensions.map, encoder.encode(keysAndValues)),
  set: (elements) => new ExtData(extensions.set, encoder.encode(elements)),
  object: (copy) => copy,
};

/** The UTF-16 units of text that UTF-8 cannot carry, big-endian. */
function textUnits(text: string): Uint8Array {
  const bytes = new Uint8Array(2 * text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 * i] = unit >> 8;
    bytes[2 * i + 1] = unit;
  }
  return bytes;
}

function textOfUnits(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 2) {
    text += String.fromCharCode((bytes[i] as number) << 8 | (bytes[i + 1] as number));
  }
  return text;
}

/** Two's complement, big-endian, in as few bytes as it takes. */
function bigintBytes(value: bigint): Uint8Array {
  const magnitude = value < 0n ? ~value : value;
  const size = Math.floor(magnitude.toString(2).length / 8) + 1;
  const hex = BigInt.asUintN(8 * size, value).toString(16).padStart(2 * size, "0");
  return Uint8Array.from({ length: size }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function bigintOf(bytes: Uint8Array): bigint {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex}`));
}

const extensionCodec = new ExtensionCodec();
const nothing = () => null;
extensionCodec.register({ type: extensions.map, encode: nothing, decode: (data) => mapOf(listIn(data)) });
extensionCodec.register({ type: extensions.set, encode: nothing, decode: (data) => new Set(listIn(data)) });
extensionCodec.register({ type: extensions.undefined, encode: nothing, decode: () => undefined });
extensionCodec.register({ type: extensions.negativeZero, encode: nothing, decode: () => -0 });
extensionCodec.register({ type: extensions.bigint, encode: nothing, decode: bigintOf });
extensionCodec.register({ type: extensions.text, encode: nothing, decode: textOfUnits });
extensionCodec.register({ type: extensions.timestamp, encode: nothing, decode: dateOf });

function listIn(data: Uint8Array): unknown[] {
  return decoders.decode(data) as unknown[];
}

function mapOf(list: readonly unknown[]): Map<unknown, unknown> {
  if (list.length % 2 !== 0) throw malformed("is malformed: a Map has a key without a value");
  const map = new Map<unknown, unknown>();
  for (let i = 0; i < list.length; i += 2) map.set(list[i], list[i + 1]);
  return map;
}

function dateOf(data: Uint8Array): Date {
  const { sec, nsec } = decodeTimestampToTimeSpec(data);
  const date = new Date(sec * 1000 + nsec / 1_000_000);
  if (nsec > 999_999_999 || Number.isNaN(date.getTime())) throw malformed("holds a timestamp out of range");
  return date;
}

/** A decoder serves one value at a time, so a Map inside a Map takes the next: at most one for each depth. */
const decoders = {
  all: [] as Decoder[],
  depth: 0,
  decode(bytes: Uint8Array): unknown {
    const decoder = this.all[this.depth] ??= new Decoder({ useBigInt64: true, extensionCodec });
    this.depth++;
    try {
      return decoder.decode(bytes);
    } finally {
      this.depth--;
    }
  },
};
