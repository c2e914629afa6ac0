/**
 * Values of free structure as google.protobuf.Value, Struct and ListValue: JSON values, whose messages nest as they
 * do. The same functions serve generated and interpreting coders; they throw {@link gaveUp} at what is none.
 */
import { readText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { after, double as readDouble, size, skip } from "./decode-support.ts";
import { gaveUp } from "./gave-up.ts";
import { setProperty } from "./keys.ts";
import { closeLength, putText } from "./lengths.ts";
import { type FreeForm, maxDepth } from "./plan.ts";
import { writeScalar } from "./scalars.ts";

/** Tags of Value's fields. */
const tags = { null: 0x08, number: 0x11, text: 0x1a, bool: 0x20, struct: 0x2a, list: 0x32 } as const;

/** One is enough unless a getter of a value encodes another value meanwhile. */
let scratch: Writer | undefined;
/** A scratch that grew beyond this is not kept. */
const largestScratch = 1 << 20;

/** The message of a JSON value, without its length; a view that holds until the next call. */
export function freeBytes(value: unknown, form: FreeForm): Uint8Array {
  const writer = scratch ?? new Writer(1024);
  scratch = undefined;
  writer.position = 0;
  if (form === "value") writeValue(writer, value, 0);
  else if (form === "struct") writeStruct(writer, value, 0);
  else writeList(writer, value, 0);
  if (writer.bytes.length <= largestScratch) scratch = writer;
  return writer.bytes.subarray(0, writer.position);
}

function writeValue(writer: Writer, value: unknown, depth: number): void {
  switch (typeof value) {
    case "string":
      writer.ensure(6 + 3 * value.length);
      writer.bytes[writer.position] = tags.text;
      writer.position = putText(writer.bytes, writer.position + 1, value);
      break;
    case "number":
      if (!Number.isFinite(value)) throw gaveUp;
      writer.writeByte(tags.number);
      writeScalar(writer, "double", value);
      break;
    case "boolean":
      writer.writeByte(tags.bool);
      writer.writeByte(value ? 1 : 0);
      break;
    case "object":
      if (value === null) {
        writer.writeByte(tags.null);
        writer.writeByte(0);
        break;
      }
      writer.writeByte(Array.isArray(value) ? tags.list : tags.struct);
      measured(writer, () => (Array.isArray(value) ? writeList : writeStruct)(writer, value, depth));
      break;
    case "bigint": case "undefined": case "function": case "symbol": default: throw gaveUp;
  }
}

function writeStruct(writer: Writer, value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null || depth >= maxDepth) throw gaveUp;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw gaveUp;
  for (const key of Object.keys(value)) {
    const member: unknown = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    writer.writeByte(0x0a);
    measured(writer, () => {
      writer.ensure(6 + 3 * key.length);
      writer.bytes[writer.position] = 0x0a;
      writer.position = putText(writer.bytes, writer.position + 1, key);
      writer.writeByte(0x12);
      measured(writer, () => writeValue(writer, member, depth + 1));
    });
  }
}

function writeList(writer: Writer, value: unknown, depth: number): void {
  if (!Array.isArray(value) || depth >= maxDepth) throw gaveUp;
  for (const item of value as unknown[]) {
    writer.writeByte(0x0a);
    measured(writer, () => writeValue(writer, item, depth + 1));
  }
}

function measured(writer: Writer, write: () => void): void {
  writer.writeByte(0);
  const start = writer.position;
  write();
  writer.position = closeLength(writer, start, writer.position, 1);
}

/** Reads the message in `bytes[position, end)`. */
export function readFree(bytes: Uint8Array, position: number, end: number, form: FreeForm): unknown {
  if (form === "value") return readValue(bytes, position, end, 0);
  return form === "struct" ? readStruct(bytes, position, end, 0) : readList(bytes, position, end, 0);
}

/** Goes over the fields of a message; `field` returns the position after one that it knows, else -1. */
function eachField(
  bytes: Uint8Array, position: number, end: number, field: (tag: number, position: number) => number,
): void {
  while (position < end) {
    const tag = size(bytes, position, end);
    const next = field(tag, after.position);
    position = next < 0 ? skip(bytes, tag, end) : next;
    if (position > end) throw gaveUp;
  }
}

function stopOf(bytes: Uint8Array, position: number, end: number): number {
  const length = size(bytes, position, end);
  const stop = after.position + length;
  if (stop > end) throw gaveUp;
  return stop;
}

/** What came last counts; a Value without any reads as null. */
function readValue(bytes: Uint8Array, start: number, end: number, depth: number): unknown {
  let value: unknown = null;
  eachField(bytes, start, end, (tag, position) => {
    switch (tag) {
      case tags.null:
        value = null;
        return skip(bytes, tag, end);
      case tags.number:
        if (position + 8 > end) throw gaveUp;
        value = readDouble(bytes, position);
        if (!Number.isFinite(value)) throw gaveUp;
        return position + 8;
      case tags.bool: {
        const next = skip(bytes, tag, end);
        value = false;
        for (let i = position; i < next; i++) if (((bytes[i] as number) & 0x7f) !== 0) value = true;
        return next;
      }
      case tags.text: case tags.struct: case tags.list: {
        const stop = stopOf(bytes, position, end);
        const from = after.position;
        if (tag === tags.text) value = readText(bytes, from, stop);
        else if (tag === tags.struct) value = readStruct(bytes, from, stop, depth);
        else value = readList(bytes, from, stop, depth);
        return stop;
      }
      default: return -1;
    }
  });
  return value;
}

function readStruct(bytes: Uint8Array, start: number, end: number, depth: number): Record<string, unknown> {
  if (depth >= maxDepth) throw gaveUp;
  const struct: Record<string, unknown> = {};
  eachField(bytes, start, end, (tag, position) => {
    if (tag !== 0x0a) return -1;
    const stop = stopOf(bytes, position, end);
    let key = "";
    let value: unknown = null;
    eachField(bytes, after.position, stop, (inner, at) => {
      if (inner !== 0x0a && inner !== 0x12) return -1;
      const innerStop = stopOf(bytes, at, stop);
      if (inner === 0x0a) key = readText(bytes, after.position, innerStop);
      else value = readValue(bytes, after.position, innerStop, depth + 1);
      return innerStop;
    });
    setProperty(struct, key, value);
    return stop;
  });
  return struct;
}

function readList(bytes: Uint8Array, start: number, end: number, depth: number): unknown[] {
  if (depth >= maxDepth) throw gaveUp;
  const list: unknown[] = [];
  eachField(bytes, start, end, (tag, position) => {
    if (tag !== 0x0a) return -1;
    const stop = stopOf(bytes, position, end);
    list.push(readValue(bytes, after.position, stop, depth + 1));
    return stop;
  });
  return list;
}
