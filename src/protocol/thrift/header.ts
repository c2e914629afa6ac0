/**
 * THeader stands before a message in its frame: a sequence id, the message's protocol, how it is transformed, and
 * pairs of keys and values (thrift/doc/specs/HeaderFormat.md).
 */
import { RpcError } from "../../core/error.ts";
import { emptyMetadata, type Metadata, metadataLimits } from "../../core/metadata.ts";
import { int32At, skipVarint, varintAt } from "../../wire/thrift.ts";
import { readText } from "../../wire/text.ts";
import type { Compression } from "../../wire/compression.ts";
import { Writer } from "../../wire/writer.ts";
import { malformed, putInt32, type ThriftEncoding } from "./message.ts";
import { headerMagic } from "./opening.ts";

const protocolIds: Readonly<Record<ThriftEncoding, number>> = { binary: 0, json: 1, compact: 2 };
const encodings: readonly ThriftEncoding[] = ["binary", "json", "compact"];
const zlibTransform = 1;
const keyValues = 1;
/** Magic, flags, sequence id, size of the header. */
const fixedBytes = 10;

export interface ThriftHeader {
  readonly encoding: ThriftEncoding;
  readonly seqid: number;
  readonly isZlib: boolean;
  /** By lower-case key, without prototype. */
  readonly fields: Metadata;
  /** Where the message is. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Whether a frame's inside begins with a header. */
export function hasHeader(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === headerMagic >> 8 && bytes[start + 1] === (headerMagic & 0xff);
}

/** Reads the header of the frame whose inside is `bytes[start, end)`. */
export function readHeader(
  bytes: Uint8Array, start: number, end: number, zlib: Compression | undefined, maxBytes: number,
): ThriftHeader {
  if (end - start < fixedBytes) throw malformed("a header that is cut off");
  const seqid = int32At(bytes, start + 4);
  const size = ((bytes[start + 8] as number) << 8 | (bytes[start + 9] as number)) * 4;
  const stop = start + fixedBytes + size;
  if (stop > end) throw malformed(`a header of ${size} bytes; the frame has ${end - start - fixedBytes} left`);
  const cursor = new HeaderCursor(bytes, start + fixedBytes, stop);
  const encoding = encodings[cursor.varint()];
  if (encoding === undefined) throw new RpcError("unimplemented", "the header names a protocol that is not known here");
  const transforms = cursor.varint();
  let isZlib = false;
  for (let i = 0; i < transforms; i++) {
    const transform = cursor.varint();
    if (transform !== zlibTransform || isZlib || zlib === undefined) {
      const what = transform === zlibTransform ? ": give `zlib` to thriftWire or thrift" : "";
      throw new RpcError("unimplemented", `transform ${transform} of THeader is not taken here${what}`,
        { phase: "decode" });
    }
    isZlib = true;
  }
  const fields = cursor.infos();
  if (!isZlib) return { encoding, seqid, isZlib, fields, bytes, start: stop, end };
  const message = (zlib as Compression).decompress(bytes.subarray(stop, end), maxBytes);
  return { encoding, seqid, isZlib, fields, bytes: message, start: 0, end: message.length };
}

class HeaderCursor {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  varint(): number {
    const stop = skipVarint(this.#bytes, this.#at, this.#end);
    if (stop < 0) throw malformed("a header that is cut off");
    const value = varintAt(this.#bytes, this.#at, stop);
    this.#at = stop;
    return value;
  }

  #text(): string {
    const length = this.varint();
    if (length > this.#end - this.#at) throw malformed(`a header's text of ${length} bytes, beyond its end`);
    const start = this.#at;
    this.#at += length;
    return readText(this.#bytes, start, this.#at);
  }

  /** The pairs; what follows a kind of info that is not known cannot be read, and padding is zeros. */
  infos(): Metadata {
    let fields: Record<string, string> | undefined;
    let count = 0;
    while (this.#at < this.#end) {
      if (this.varint() !== keyValues) break;
      for (let left = this.varint(); left > 0; left--) {
        if (++count > 2 * metadataLimits.maxEntries) {
          throw new RpcError("resource_exhausted", `more than ${2 * metadataLimits.maxEntries} headers`);
        }
        fields ??= Object.create(null) as Record<string, string>;
        const key = this.#text().toLowerCase();
        fields[key] = this.#text();
      }
    }
    return fields ?? emptyMetadata;
  }
}

/** Writes what stands in a frame before the message. */
export function writeHeader(
  writer: Writer, encoding: ThriftEncoding, seqid: number, isZlib: boolean, fields: Metadata,
): void {
  const infos = new Writer(64);
  infos.writeVarint(protocolIds[encoding]);
  infos.writeVarint(isZlib ? 1 : 0);
  if (isZlib) infos.writeVarint(zlibTransform);
  const entries = Object.entries(fields);
  if (entries.length > 0) {
    infos.writeVarint(keyValues);
    infos.writeVarint(entries.length);
    for (const text of entries.flat()) {
      const bytes = new TextEncoder().encode(text);
      infos.writeVarint(bytes.length);
      infos.writeBytes(bytes);
    }
  }
  while (infos.position % 4 !== 0) infos.writeByte(0);
  const size = infos.position / 4;
  if (size > 0xffff) throw new RpcError("resource_exhausted", "the header's entries do not fit THeader");
  writer.ensure(fixedBytes);
  const { bytes } = writer;
  let at = putInt32(bytes, writer.position, headerMagic << 16);
  at = putInt32(bytes, at, seqid);
  bytes[at] = size >> 8;
  bytes[at + 1] = size;
  writer.position = at + 2;
  writer.writeBytes(infos.bytes.subarray(0, infos.position));
}
