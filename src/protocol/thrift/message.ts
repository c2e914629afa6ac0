/** A message is a call or its answer in one of Thrift's protocols: a name, a type, a sequence id and a struct. */
import { RpcError } from "../../core/error.ts";
import { int32At, skipVarint, varintAt } from "../../wire/thrift.ts";
import { readText } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";

/** Names of Thrift's protocols here; `thrift-` and one of these is the codec. */
export type ThriftEncoding = "binary" | "compact" | "json";

export const MessageType = { call: 1, reply: 2, exception: 3, oneway: 4 } as const;

/** Longer names are refused: with a service before it, a method has at most twice 255 characters and a colon. */
export const maxNameBytes = 1_024;

/** Where the parts of a message are, in `bytes`. One is used for every message of a connection. */
export class MessageHead {
  type = 0;
  seqid = 0;
  nameStart = 0;
  nameEnd = 0;
  /** Of JSON, whose names may be escaped; otherwise read it from the bytes. */
  jsonName: string | undefined = undefined;
  bodyStart = 0;
  bodyEnd = 0;

  /** Reads the head of the message that fills `bytes[start, end)`; throws `invalid_argument` for what is none. */
  read(encoding: ThriftEncoding, bytes: Uint8Array, start: number, end: number): void {
    this.jsonName = undefined;
    if (encoding === "binary") this.#binary(bytes, start, end);
    else if (encoding === "compact") this.#compact(bytes, start, end);
    else this.#json(bytes, start, end);
  }

  name(bytes: Uint8Array): string {
    return this.jsonName ?? readText(bytes, this.nameStart, this.nameEnd);
  }

  #binary(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 12) throw cutOff();
    if (bytes[start] !== 0x80 || bytes[start + 1] !== 1) {
      throw malformed("it has no version 1 of the binary protocol (strict)");
    }
    this.type = bytes[start + 3] as number;
    const length = int32At(bytes, start + 4);
    this.#named(start + 8, length, end - 4);
    this.seqid = int32At(bytes, this.nameEnd);
    this.bodyStart = this.nameEnd + 4;
    this.bodyEnd = end;
  }

  #compact(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 4) throw cutOff();
    const second = bytes[start + 1] as number;
    if (bytes[start] !== 0x82 || (second & 0x1f) !== 1) throw malformed("it has no version 1 of the compact protocol");
    this.type = second >> 5;
    const afterSeqid = skipVarint(bytes, start + 2, end);
    if (afterSeqid < 0) throw cutOff();
    this.seqid = varintAt(bytes, start + 2, afterSeqid) | 0;
    const nameStart = skipVarint(bytes, afterSeqid, end);
    if (nameStart < 0) throw cutOff();
    this.#named(nameStart, varintAt(bytes, afterSeqid, nameStart), end);
    this.bodyStart = this.nameEnd;
    this.bodyEnd = end;
  }

  #named(start: number, length: number, end: number): void {
    if (length < 0 || length > maxNameBytes) throw malformed(`a name of ${length} bytes; at most ${maxNameBytes}`);
    if (start + length > end) throw cutOff();
    this.nameStart = start;
    this.nameEnd = start + length;
  }

  /** `[1,"name",type,seqid,{…}]` */
  #json(bytes: Uint8Array, start: number, end: number): void {
    const most = Math.min(end, start + maxNameBytes + 100);
    let text = "";
    for (let i = start; i < most; i++) text += String.fromCharCode(bytes[i] as number);
    const found = /^\s*\[\s*1\s*,\s*("(?:[^"\\]|\\.)*")\s*,\s*(\d)\s*,\s*(-?\d{1,10})\s*,\s*(?=\{)/s.exec(text);
    if (found === null) throw malformed("it does not begin as the JSON protocol's do: [1,\"name\",type,id,{");
    const [all, name = "", type, seqid] = found;
    let last = end - 1;
    while (last > start && (bytes[last] as number) <= 0x20) last--;
    if (bytes[last] !== 0x5d) throw cutOff();
    try {
      this.jsonName = JSON.parse(readText(ascii(name), 0, name.length)) as string;
    } catch {
      throw malformed("a name that is no text");
    }
    this.type = Number(type);
    this.seqid = Number(seqid) | 0;
    this.bodyStart = start + all.length;
    this.bodyEnd = last;
  }
}

/** What stands before a message's struct. `name` is in UTF-8, and of JSON a whole string with its quotes. */
export function writeHead(
  writer: Writer, encoding: ThriftEncoding, name: Uint8Array, type: number, seqid: number,
): void {
  if (encoding === "json") {
    writer.writeBytes(ascii("[1,"));
    writer.writeBytes(name);
    writer.writeBytes(ascii(`,${type},${seqid},`));
    return;
  }
  const { length } = name;
  writer.ensure(length + 16);
  const { bytes } = writer;
  let at = writer.position;
  if (encoding === "compact") {
    bytes[at++] = 0x82;
    bytes[at++] = type << 5 | 1;
    writer.position = at;
    writer.writeVarint(seqid >>> 0);
    writer.writeVarint(length);
    writer.writeBytes(name);
    return;
  }
  bytes[at] = 0x80;
  bytes[at + 1] = 1;
  bytes[at + 2] = 0;
  bytes[at + 3] = type;
  at = putInt32(bytes, at + 4, length);
  for (let i = 0; i < length; i++) bytes[at + i] = name[i] as number;
  writer.position = putInt32(bytes, at + length, seqid);
}

/** What stands behind it. */
export function writeTail(writer: Writer, encoding: ThriftEncoding): void {
  if (encoding === "json") writer.writeByte(0x5d);
}

/** A name as {@link writeHead} takes it. */
export function nameBytes(encoding: ThriftEncoding, name: string): Uint8Array {
  return new TextEncoder().encode(encoding === "json" ? JSON.stringify(name) : name);
}

export function putInt32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
  return at + 4;
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Throws for a message that its receiver would not take, most likely having the same limit. */
export function checkSize(size: number, maxMessageBytes: number): void {
  if (size <= maxMessageBytes) return;
  throw new RpcError("resource_exhausted", `a message of ${size} bytes exceeds maxMessageBytes ${maxMessageBytes}`,
    { phase: "encode", retryable: false });
}

function cutOff(): RpcError {
  return malformed("it is cut off");
}

export function malformed(what: string): RpcError {
  return new RpcError("invalid_argument", `malformed Thrift message: ${what}`, { phase: "decode" });
}
