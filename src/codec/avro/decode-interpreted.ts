/** Decodes Avro by walking a reading: where code generation is forbidden, and to say what is wrong with bytes. */
import { readText } from "../../wire/text.ts";
import { parseJson } from "../protobuf/json.ts";
import { setProperty } from "../protobuf/keys.ts";
import { Trail } from "../protobuf/trail.ts";
import { maxEmptyItems, skip } from "./decode-support.ts";
import { fitsJson } from "./json-form.ts";
import type { Reading, RecordReading, ScalarReading } from "./resolve.ts";

/** Reads one value, all of the bytes; throws `invalid_argument` saying what is malformed, and where. */
export function decodeInterpreted(reading: Reading, bytes: Uint8Array, start: number, end: number): unknown {
  const cursor = new AvroCursor(bytes, start, end);
  const value = read(reading, cursor);
  if (cursor.position !== end) throw cursor.malformed(`${end - cursor.position} bytes follow the value`);
  return value;
}

/** Walks over the bytes of one value, and checks every step. */
class AvroCursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly trail = new Trail();
  readonly #start: number;
  position: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.position = this.#start = start;
    this.end = end;
  }

  malformed(what: string, position = this.position): Error {
    return this.trail.malformed(position - this.#start, what);
  }

  take(count: number): number {
    const at = this.position;
    if (count > this.end - at) throw this.malformed(`value of ${count} bytes is cut off`);
    this.position += count;
    return at;
  }

  long(): bigint {
    const start = this.position;
    let value = 0n;
    for (let shift = 0n; shift <= 63n; shift += 7n) {
      if (this.position >= this.end) throw this.malformed("varint is cut off", start);
      const byte = this.bytes[this.position++] as number;
      if (shift === 63n && byte > 1) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n);
    }
    throw this.malformed("varint has more than 64 bits", start);
  }

  int(): number {
    const start = this.position;
    const value = this.long();
    if (BigInt.asIntN(32, value) !== value) throw this.malformed(`int ${value} has more than 32 bits`, start);
    return Number(value);
  }

  length(what: string): number {
    const start = this.position;
    const value = this.long();
    if (value < 0n) throw this.malformed(`${what} ${value} is negative`, start);
    if (value > 0x7fff_ffffn) throw this.malformed(`${what} ${value} is too large`, start);
    return Number(value);
  }

  /** Where a stretch of measured bytes begins; the position is its end. */
  stretch(): number {
    const start = this.position;
    const length = this.length("length");
    if (length > this.end - this.position) throw this.malformed(`length ${length} runs past the end`, start);
    this.position += length;
    return this.position - length;
  }

  text(): string {
    const start = this.stretch();
    try {
      return readText(this.bytes, start, this.position);
    } catch {
      throw this.malformed("text is not valid UTF-8", start);
    }
  }

  /** The count of a block of items of at least so many bytes, after `had` others; 0 ends. */
  count(least: number, had: number): number {
    const start = this.position;
    let count = this.long();
    if (count < 0n) {
      count = -count;
      const size = this.length("block size");
      if (size > this.end - this.position) throw this.malformed(`block size ${size} runs past the end`, start);
    }
    if (count * BigInt(least) > BigInt(this.end - this.position)) {
      throw this.malformed(`block of ${count} items is not backed by bytes`, start);
    }
    if (least === 0 && count + BigInt(had) > BigInt(maxEmptyItems)) {
      throw this.malformed(`more than ${maxEmptyItems} items that take no bytes`, start);
    }
    return Number(count);
  }
}

function read(reading: Reading, cursor: AvroCursor): unknown {
  switch (reading.op) {
    case "scalar": return readScalar(reading, cursor);
    case "enum": {
      const start = cursor.position;
      const index = cursor.length("symbol");
      const name = reading.names[index];
      if (name !== undefined) return name;
      const symbol = reading.symbols[index];
      throw cursor.malformed(symbol === undefined ? `symbol ${index} of ${reading.symbols.length}`
        : `symbol ${symbol}, which the reader does not know`, start);
    }
    case "json": {
      const start = cursor.position;
      const text = cursor.text();
      let value: unknown;
      try {
        value = parseJson(text);
      } catch {
        throw cursor.malformed("not JSON, or nested too deep", start);
      }
      if (!fitsJson(value, reading.form)) throw cursor.malformed(`JSON that is no ${reading.form}`, start);
      return value;
    }
    case "null": return reading.value;
    case "fail": throw cursor.malformed(reading.why);
    case "union": {
      const start = cursor.position;
      const index = cursor.length("branch");
      const branch = reading.branches[index];
      if (branch === undefined) throw cursor.malformed(`branch ${index} of ${reading.branches.length}`, start);
      return read(branch, cursor);
    }
    case "record": return readRecord(reading, cursor);
    case "array": {
      const items: unknown[] = [];
      eachItem(cursor, reading.least, () => {
        cursor.trail.steps.push(items.length);
        items.push(read(reading.of, cursor));
        cursor.trail.steps.pop();
      });
      return items;
    }
    case "map": case "entries": {
      const made = new Map<unknown, unknown>();
      const object: Record<string, unknown> = {};
      const isMap = reading.plan.as === "Map";
      eachItem(cursor, reading.least, () => {
        let key: unknown;
        let value: unknown;
        if (reading.op === "map") {
          key = readKey(reading.plan.keys, cursor);
          cursor.trail.steps.push(String(key));
          value = read(reading.of, cursor);
          cursor.trail.steps.pop();
        } else ({ key, value } = read(reading.of, cursor) as { key: unknown; value: unknown });
        if (isMap) made.set(key, value);
        else setProperty(object, key, value);
      });
      return isMap ? made : object;
    }
    default: return reading satisfies never;
  }
}

function readKey(keys: ReadonlySet<string> | undefined, cursor: AvroCursor): string {
  const start = cursor.position;
  const key = cursor.text();
  if (keys?.has(key) === false) throw cursor.malformed(`key ${JSON.stringify(key.slice(0, 32))} is not of the enum`,
    start);
  return key;
}

function eachItem(cursor: AvroCursor, least: number, item: () => void): void {
  for (let had = 0; ;) {
    const count = cursor.count(least, had);
    if (count === 0) return;
    had += count;
    for (let i = 0; i < count; i++) item();
  }
}

function readRecord({ plan, steps, absent }: RecordReading, cursor: AvroCursor): unknown {
  const { trail } = cursor;
  trail.descend("decode", cursor.position);
  const values: unknown[] = Array.from({ length: plan.fields.length });
  for (const step of steps) {
    if (step.read === undefined) {
      try {
        cursor.position = skip(cursor.bytes, cursor.position, cursor.end, step.skip);
      } catch {
        throw cursor.malformed("a field that only the writer has cannot be passed over");
      }
      continue;
    }
    trail.steps.push(plan.fields[step.field]?.property ?? "");
    values[step.field] = read(step.read, cursor);
    trail.steps.pop();
  }
  trail.depth--;
  for (const i of absent) {
    const field = plan.fields[i];
    if (field?.absent === "default") values[i] = field.defaultValue?.();
    else if (field?.plan.type === "union" && field.plan.branches[0]?.test.kind === "null") values[i] = null;
  }
  if (plan.shape === "value") return values[0];
  if (plan.shape === "case") return { case: plan.caseName, value: values[0] };
  const made: Record<string, unknown> = {};
  for (const [i, { property }] of plan.fields.entries()) if (values[i] !== undefined) made[property] = values[i];
  return made;
}

function readScalar({ wire, size, plan }: ScalarReading, cursor: AvroCursor): unknown {
  const start = cursor.position;
  const { bytes } = cursor;
  switch (wire) {
    case "boolean": {
      const byte = bytes[cursor.take(1)] as number;
      if (byte > 1) throw cursor.malformed(`boolean ${byte}`, start);
      return byte === 1;
    }
    case "fixed": case "bytes": case "string": {
      if (wire !== "fixed" && plan.scalar === "string") return cursor.text();
      const from = wire === "fixed" ? cursor.take(size) : cursor.stretch();
      return new Uint8Array(bytes.subarray(from, cursor.position));
    }
    case "float": case "double": {
      const at = cursor.take(wire === "float" ? 4 : 8);
      const view = new DataView(bytes.buffer, bytes.byteOffset + at);
      const value = wire === "float" ? view.getFloat32(0, true) : view.getFloat64(0, true);
      if (plan.finite && !Number.isFinite(value)) throw cursor.malformed(`${value} is not finite`, start);
      return value;
    }
    case "int": return converted(BigInt(cursor.int()), plan, cursor, start);
    case "long": return converted(cursor.long(), plan, cursor, start);
    default: return wire satisfies never;
  }
}

function converted(value: bigint, { scalar }: ScalarReading["plan"], cursor: AvroCursor, start: number): unknown {
  switch (scalar) {
    case "int64": case "sint64": case "sfixed64": return value;
    case "uint64": case "fixed64":
      if (value < 0n) throw cursor.malformed(`${value} is negative, expected ${scalar}`, start);
      return value;
    case "uint32": case "fixed32":
      if (BigInt.asUintN(32, value) !== value) throw cursor.malformed(`${value} is no ${scalar}`, start);
      return Number(value);
    case "timestamp": {
      const date = new Date(Number(value));
      if (Number.isNaN(date.getTime())) throw cursor.malformed(`timestamp ${value} is out of range`, start);
      return date;
    }
    case "float": return Math.fround(Number(value));
    default: return Number(value);
  }
}
