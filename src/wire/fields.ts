/** Fields of Protocol Buffers by hand: for small messages that belong to protocols rather than to contracts. */
import { RpcError } from "../core/error.ts";
import { Cursor } from "./cursor.ts";
import { writeText } from "./text.ts";
import type { Writer } from "./writer.ts";

/** What stands before a field on the wire: its number, and how its value is written (0 varint, 2 length and bytes). */
export function fieldKey(number: number, wireType: 0 | 1 | 2 | 5): number {
  return number * 8 + wireType;
}

/** Writes an integer field (`int32`, `int64`, `bool`, enums): a negative one takes ten bytes. */
export function writeIntegerField(writer: Writer, number: number, value: number | bigint): void {
  writer.writeVarint(fieldKey(number, 0));
  if (typeof value === "number" && value >= 0) {
    writer.writeVarint(value);
    return;
  }
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) writer.writeByte(Number(rest & 0x7fn) | 0x80);
  writer.writeByte(Number(rest));
}

/** Writes a `string` field. */
export function writeTextField(writer: Writer, number: number, text: string): void {
  const bytes = new Uint8Array(text.length * 3);
  writeBytesField(writer, number, bytes.subarray(0, writeText(bytes, 0, text)));
}

/** Writes a `bytes` field, or a message that is encoded already. */
export function writeBytesField(writer: Writer, number: number, bytes: Uint8Array): void {
  writer.writeVarint(fieldKey(number, 2));
  writer.writeVarint(bytes.length);
  writer.writeBytes(bytes);
}

/** Reads an `int64` after its key. Throws `invalid_argument` for more than ten bytes. */
export function readInt64(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = cursor.byte();
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
  throw new RpcError("invalid_argument", "a varint is longer than ten bytes", { phase: "decode" });
}

/**
 * Hands each field of a message to `read` by its {@link fieldKey}; it reads the value and answers true, or answers
 * false to have it passed over. Throws `invalid_argument` for what is no message.
 */
export function readFields(bytes: Uint8Array, read: (key: number, cursor: Cursor) => boolean): void {
  const cursor = new Cursor().over(bytes, 0, bytes.length);
  while (!cursor.atEnd) {
    const key = cursor.varint();
    if (key < 8) throw new RpcError("invalid_argument", "a field has the number 0", { phase: "decode" });
    if (!read(key, cursor)) passOver(key, cursor);
  }
}

function passOver(key: number, cursor: Cursor): void {
  switch (key & 7) {
    case 0:
      readInt64(cursor);
      return;
    case 1:
      for (let i = 0; i < 8; i++) cursor.byte();
      return;
    case 2:
      cursor.run(Number.MAX_SAFE_INTEGER);
      return;
    case 5:
      for (let i = 0; i < 4; i++) cursor.byte();
      return;
    default:
      throw new RpcError("invalid_argument", `a message has a field of wire type ${key & 7}`, { phase: "decode" });
  }
}
