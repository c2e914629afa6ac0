/**
 * Decodes by walking the plan: where code generation is forbidden, for what generated code leaves to it
 * (messages that must be merged), and to say what is wrong with bytes and where.
 */
import { unknownFields } from "../../contract/unknown-fields.ts";
import { Cursor } from "./cursor.ts";
import { gather } from "./decode-support.ts";
import { readFree } from "./free.ts";
import { readJson } from "./json.ts";
import { setProperty } from "./keys.ts";
import {
  type CasePlan, type FieldPlan, type FreePlan, isMessage, type KeyPlan, type MapPlan, maxDepth, type MessagePlan,
  type ShapePlan, type Slot, slotsOf, type StructPlan, type UnionPlan, type ValuePlan, wireType,
} from "./plan.ts";
import { zeroOf } from "./scalars.ts";
import { timestampDate } from "./timestamp.ts";
import { Trail } from "./trail.ts";

/** Reads the message in `bytes[start, end)`; throws `invalid_argument` with offset and path. */
export function decodeInterpreted(plan: MessagePlan, bytes: Uint8Array, start: number, end: number): unknown {
  return readMessage(plan, new Cursor(bytes, start, start, new Trail()), end);
}

function readMessage(plan: MessagePlan, cursor: Cursor, end: number): unknown {
  cursor.trail.descend("decode", cursor.position);
  let value: unknown;
  switch (plan.type) {
    case "struct": value = readStruct(plan, cursor, end); break;
    case "wrapper": value = readFields(plan.fields, cursor, end)[0]; break;
    case "union": value = readUnion(plan, cursor, end); break;
    case "timestamp": value = readTimestamp(cursor, end); break;
    case "free": value = readFreely(plan, cursor, end); break;
  }
  cursor.trail.depth--;
  return value;
}

function readStruct(plan: StructPlan, cursor: Cursor, end: number): unknown {
  const unknown: number[] = [];
  const values = readFields(plan.fields, cursor, end, unknown);
  const struct: Record<string | symbol, unknown> = {};
  if (plan.fixed !== undefined) struct[plan.fixed.name] = plan.fixed.value;
  for (const [i, field] of plan.fields.entries()) {
    if (values[i] !== undefined) struct[field.name] = values[i];
  }
  if (unknown.length > 0) struct[unknownFields] = gather(cursor.bytes, unknown);
  return struct;
}

/**
 * Where the parts of a message field are. Protocol Buffers merges the occurrences of one, which equals
 * decoding their bytes in a row; doing so once, at the end, keeps the work linear.
 */
class Parts {
  readonly ranges: number[] = [];

  add(start: number, end: number): void {
    this.ranges.push(start, end);
  }

  read(plan: MessagePlan, cursor: Cursor): unknown {
    const { ranges } = this;
    const [start = 0, end = 0] = ranges;
    if (ranges.length === 2) {
      cursor.position = start;
      return readMessage(plan, cursor, end);
    }
    let size = 0;
    for (let i = 0; i < ranges.length; i += 2) size += (ranges[i + 1] as number) - (ranges[i] as number);
    const merged = new Uint8Array(size);
    let position = 0;
    for (let i = 0; i < ranges.length; i += 2) {
      const part = cursor.bytes.subarray(ranges[i], ranges[i + 1]);
      merged.set(part, position);
      position += part.length;
    }
    return readMessage(plan, cursor.over(merged, start), size);
  }
}

/** What came of a oneof so far: the last case wins; only parts of the same one are merged. */
class Chosen {
  readonly plan: CasePlan;
  readonly value: unknown;

  constructor(plan: CasePlan, value: unknown) {
    this.plan = plan;
    this.value = value;
  }

  read(cursor: Cursor): unknown {
    const { plan, value } = this;
    return { case: plan.name, value: value instanceof Parts ? value.read(plan.value as MessagePlan, cursor) : value };
  }
}

/** `unknown`, of a struct, receives where its unknown fields are: their beginnings and ends by turns. */
function readFields(fields: readonly FieldPlan[], cursor: Cursor, end: number, unknown?: number[]): unknown[] {
  const { trail } = cursor;
  const named = unknown !== undefined;
  const slots = slotsOf(fields);
  const values: unknown[] = fields.map(() => undefined);
  while (cursor.position < end) {
    const start = cursor.position;
    const tag = cursor.tag(end);
    const slot = findSlot(slots, tag >>> 3);
    if (slot === undefined || !accepts(slot, tag & 7)) {
      cursor.skip(tag, end);
      unknown?.push(start, cursor.position);
      continue;
    }
    const { field, index } = slot;
    if (named) trail.steps.push(field.name);
    if (slot.case === undefined) {
      values[index] = readOccurrence(field.shape, values[index], tag & 7, cursor, end);
    } else {
      const before = values[index];
      const same = before instanceof Chosen && before.plan === slot.case ? before.value : undefined;
      const shape = { type: "single", value: slot.case.value } as const;
      values[index] = new Chosen(slot.case, readOccurrence(shape, same, tag & 7, cursor, end));
    }
    if (named) trail.steps.pop();
  }
  for (const [i, field] of fields.entries()) {
    if (named) trail.steps.push(field.name);
    const value = values[i];
    if (value instanceof Parts) {
      values[i] = value.read((field.shape as { value: MessagePlan }).value, cursor);
    } else if (value instanceof Chosen) {
      values[i] = value.read(cursor);
    } else if (value === undefined) {
      cursor.position = end;
      values[i] = absent(field, cursor);
    }
    if (named) trail.steps.pop();
  }
  cursor.position = end;
  return values;
}

/** Slots are sorted by number. */
function findSlot(slots: readonly Slot[], number: number): Slot | undefined {
  let [from, to] = [0, slots.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((slots[middle] as Slot).number < number) from = middle + 1;
    else to = middle;
  }
  return slots[from]?.number === number ? slots[from] : undefined;
}

function accepts({ field: { shape }, case: one }: Slot, wire: number): boolean {
  if (one !== undefined) return wire === wireType(one.value);
  if (shape.type === "oneof") return false;
  if (shape.type === "map") return wire === 2;
  if (shape.type === "single") return wire === wireType(shape.value);
  return wire === wireType(shape.of) || (shape.packed && wire === 2);
}

function readOccurrence(shape: ShapePlan, before: unknown, wire: number, cursor: Cursor, end: number): unknown {
  switch (shape.type) {
    case "single": {
      if (!isMessage(shape.value)) return readValue(shape.value, cursor, end);
      const parts = before instanceof Parts ? before : new Parts();
      const stop = cursor.length(end);
      parts.add(cursor.position, stop);
      cursor.position = stop;
      return parts;
    }
    case "list": {
      const list = (before ?? []) as unknown[];
      if (shape.packed && wire === 2) {
        const stop = cursor.length(end);
        while (cursor.position < stop) list.push(readValue(shape.of, cursor, stop));
        return list;
      }
      cursor.trail.steps.push(list.length);
      list.push(readValue(shape.of, cursor, end));
      cursor.trail.steps.pop();
      return list;
    }
    case "map": return readEntry(shape, before, cursor, end);
    case "oneof": throw new TypeError("a oneof is read case by case");
    default: return shape satisfies never;
  }
}

function readEntry(plan: MapPlan, before: unknown, cursor: Cursor, end: number): unknown {
  const stop = cursor.length(end);
  const start = cursor.position;
  const [key, value] = readFields(entryFields(plan), cursor, stop);
  if (plan.key.type === "enum" && !plan.key.model.values.some(({ name }) => name === key)) {
    throw cursor.malformed(`key ${JSON.stringify(key)} names no value of ${plan.key.model.name}`, start);
  }
  if (plan.as === "Map") {
    return ((before ?? new Map()) as Map<unknown, unknown>).set(key, value);
  }
  const record = (before ?? {}) as Record<string, unknown>;
  setProperty(record, key, value);
  return record;
}

const entries = new WeakMap<MapPlan, readonly FieldPlan[]>();

/** An entry is a message of a key, 1, and a value, 2. */
function entryFields(plan: MapPlan): readonly FieldPlan[] {
  const known = entries.get(plan);
  if (known !== undefined) return known;
  const field = { presence: "explicit", absent: "zero", defaultValue: undefined, json: "", also: [] } as const;
  const fields: readonly FieldPlan[] = [
    { ...field, name: "key", number: 1, shape: { type: "single", value: keyValue(plan.key) } },
    { ...field, name: "value", number: 2, shape: { type: "single", value: plan.value } },
  ];
  entries.set(plan, fields);
  return fields;
}

/** An enum travels as a string when it is a key. */
function keyValue(plan: KeyPlan): ValuePlan {
  return plan.type === "enum" ? { type: "scalar", scalar: "string" } : plan;
}

function readUnion(plan: UnionPlan, cursor: Cursor, end: number): unknown {
  let found: UnionPlan["variants"][number] | undefined;
  let value: unknown;
  while (cursor.position < end) {
    const tag = cursor.tag(end);
    const variant = plan.variants.find(({ number }) => number === tag >>> 3);
    if (variant === undefined || wireType(variant.value) !== (tag & 7)) {
      cursor.skip(tag, end);
      continue;
    }
    // The last variant wins; only parts of the same one are merged.
    const before = variant === found ? value : undefined;
    found = variant;
    value = readOccurrence({ type: "single", value: variant.value }, before, tag & 7, cursor, end);
  }
  if (found === undefined) {
    throw cursor.malformed(`${plan.name} holds none of ${plan.variants.map(({ name }) => name).join(", ")}`);
  }
  if (value instanceof Parts) value = value.read(found.value as MessagePlan, cursor);
  cursor.position = end;
  return value;
}

function readTimestamp(cursor: Cursor, end: number): Date {
  const start = cursor.position;
  let [seconds, nanos] = [0, 0];
  while (cursor.position < end) {
    const tag = cursor.tag(end);
    if (tag === 0x08) seconds = cursor.long(end);
    else if (tag === 0x10) nanos = cursor.int(end);
    else cursor.skip(tag, end);
  }
  const date = timestampDate(seconds, nanos);
  if (date === undefined) throw cursor.malformed("timestamp is out of range", start);
  return date;
}

function readFreely({ form }: FreePlan, cursor: Cursor, end: number): unknown {
  const start = cursor.position;
  cursor.position = end;
  try {
    return readFree(cursor.bytes, start, end, form);
  } catch {
    throw cursor.malformed(`not a google.protobuf.${freeNames[form]}, or nested deeper than ${maxDepth}`, start);
  }
}

const freeNames = { value: "Value", struct: "Struct", list: "ListValue" } as const;

function readValue(plan: ValuePlan, cursor: Cursor, end: number): unknown {
  if (plan.type === "scalar") {
    const start = cursor.position;
    const value = cursor.scalar(plan.scalar, end);
    if (plan.finite === true && !Number.isFinite(value)) {
      throw cursor.malformed(`${String(value)} is not finite`, start);
    }
    return value;
  }
  if (plan.type === "enum") {
    const start = cursor.position;
    const number = cursor.int(end);
    const value = plan.model.values.find((candidate) => candidate.number === number);
    if (value !== undefined) return value.name;
    if (plan.model.open === true) return number;
    throw cursor.malformed(`${number} names no value of ${plan.model.name}`, start);
  }
  const stop = cursor.length(end);
  if (isMessage(plan)) return readMessage(plan, cursor, stop);
  return readJson(cursor, stop);
}

/** What a field that did not come reads as. */
function absent({ absent, shape, defaultValue }: FieldPlan, cursor: Cursor): unknown {
  switch (absent) {
    case "undefined": return undefined;
    case "null": return null;
    case "default": return defaultValue?.();
    case "zero": break;
  }
  if (shape.type === "list") return [];
  if (shape.type === "map") return shape.as === "Map" ? new Map() : {};
  if (shape.type === "oneof") {
    throw cursor.malformed(`none of ${shape.cases.map(({ name }) => name).join(", ")} came`);
  }
  const { value } = shape;
  if (value.type === "scalar") return zeroOf(value.scalar);
  if (value.type === "json") return null;
  if (isMessage(value)) return readMessage(value, cursor, cursor.position);
  const zero = value.model.values.find(({ number }) => number === 0);
  if (zero !== undefined) return zero.name;
  if (value.model.open === true) return 0;
  throw cursor.malformed(`nothing came, and 0 names no value of ${value.model.name}`);
}
