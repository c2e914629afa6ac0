/** Decodes by walking the plan, where code generation is forbidden; gives up where generated code does. */
import { after, createKeyCache } from "../protobuf/decode-support.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { largestFloat } from "../protobuf/scalars.ts";
import {
  any, big, bytesLength, count, createNames, date, decodeSupport, fieldOf, mapEnd, mapKey, type Names, number, skip,
  tagOf, textLength,
} from "./decode-support.ts";
import type { EnumPlan, MapPlan, Plan, ScalarPlan, StructPlan, TaggedPlan } from "./plan.ts";

const { text, copy } = decodeSupport;

/** Reads all of `bytes[start, end)`; throws at what is not of the plan. */
export function decodeInterpreted(plan: Plan, bytes: Uint8Array, start: number, end: number): unknown {
  after.position = start;
  const value = read(plan, bytes, end, 0);
  if (after.position !== end) throw gaveUp;
  return value;
}

/** Reads the value at `after.position`, and passes it. */
function read(plan: Plan, bytes: Uint8Array, end: number, depth: number): unknown {
  switch (plan.type) {
    case "scalar": return readScalar(plan, bytes, end);
    case "enum": return readEnum(plan, bytes, end);
    case "any": return any(bytes, after.position, end, depth);
    case "struct": return readStruct(plan, bytes, end, depth);
    case "nullable":
      if (bytes[after.position] !== 0xc0) return read(plan.of, bytes, end, depth);
      after.position++;
      return null;
    case "list": {
      const list: unknown[] = [];
      for (let left = count(bytes, after.position, end, 0x90, depth); left > 0; left--) {
        list.push(read(plan.of, bytes, end, depth + 1));
      }
      return list;
    }
    case "map": return plan.as === "Map" ? readMap(plan, bytes, end, depth) : readObject(plan, bytes, end, depth);
    case "tagged": return readTagged(plan, bytes, end, depth);
    default: return plan satisfies never;
  }
}

const known = new WeakMap<object, Names>();

function namesOf(of: object, names: () => readonly string[]): Names {
  let made = known.get(of);
  if (made === undefined) known.set(of, made = createNames(names()));
  return made;
}

function readStruct(plan: StructPlan, bytes: Uint8Array, end: number, depth: number): unknown {
  const { fields } = plan;
  const names = namesOf(plan, () => fields.map(({ name }) => name));
  const values: unknown[] = fields.map(() => undefined);
  for (let left = count(bytes, after.position, end, 0x80, depth); left > 0; left--) {
    const field = fieldOf(bytes, after.position, end, names);
    if (field < 0) skip(bytes, after.position, end, depth + 1);
    else values[field] = read((fields[field] as StructPlan["fields"][number]).plan, bytes, end, depth + 1);
  }
  const struct: Record<string, unknown> = {};
  // Defaults may decode something else.
  const { position } = after;
  for (const [i, { name, presence, defaultValue }] of fields.entries()) {
    let value = values[i];
    if (value === undefined && presence === "required") throw gaveUp;
    if (value === undefined && presence === "default") value = defaultValue?.();
    if (value !== undefined || presence === "default") struct[name] = value;
  }
  after.position = position;
  return struct;
}

function readTagged(plan: TaggedPlan, bytes: Uint8Array, end: number, depth: number): unknown {
  const { position } = after;
  const tag = tagOf(bytes, position, end, namesOf(plan, () => [plan.discriminator]), depth);
  const variant = plan.variants.find((one) => one.tag === tag);
  after.position = position;
  return variant === undefined ? any(bytes, position, end, depth) : readStruct(variant.plan, bytes, end, depth);
}

function readObject(plan: MapPlan, bytes: Uint8Array, end: number, depth: number): unknown {
  const object: Record<string, unknown> = {};
  for (let left = count(bytes, after.position, end, 0x80, depth); left > 0; left--) {
    const size = textLength(bytes, after.position, end);
    const start = advance(size, end);
    const key = mapKey(bytes, start, start + size, keys);
    if (plan.key.type === "enum" && !plan.key.names.has(key)) throw gaveUp;
    object[key] = read(plan.of, bytes, end, depth + 1);
  }
  return object;
}

const keys = createKeyCache();

function readMap(plan: MapPlan, bytes: Uint8Array, end: number, depth: number): unknown {
  const map = new Map<unknown, unknown>();
  const stop = mapEnd(bytes, after.position, end);
  const all = count(bytes, after.position, end, 0x90, depth);
  if (all % 2 !== 0) throw gaveUp;
  for (let left = all / 2; left > 0; left--) {
    const key = read(plan.key, bytes, end, depth + 1);
    map.set(key, read(plan.of, bytes, end, depth + 1));
  }
  if (after.position !== stop) throw gaveUp;
  return map;
}

function readText(bytes: Uint8Array, end: number): string {
  const size = textLength(bytes, after.position, end);
  const start = advance(size, end);
  return text(bytes, start, start + size, "", 0);
}

/** Passes over so many bytes; returns where they begin. */
function advance(size: number, end: number): number {
  const start = after.position;
  after.position = start + size;
  if (after.position > end) throw gaveUp;
  return start;
}

function readEnum({ names, isOpen }: EnumPlan, bytes: Uint8Array, end: number): unknown {
  const head = bytes[after.position] as number;
  if (isOpen && (head < 0xa0 || head > 0xbf && (head < 0xd9 || head > 0xdb))) {
    const value = number(bytes, after.position, end);
    if ((value | 0) !== value) throw gaveUp;
    return value;
  }
  const name = readText(bytes, end);
  if (!names.has(name)) throw gaveUp;
  return name;
}

function readScalar({ scalar, finite }: ScalarPlan, bytes: Uint8Array, end: number): unknown {
  switch (scalar) {
    case "string": return readText(bytes, end);
    case "bool": {
      const head = bytes[advance(1, end)];
      if (head !== 0xc2 && head !== 0xc3) throw gaveUp;
      return head === 0xc3;
    }
    case "bytes": {
      const size = bytesLength(bytes, after.position, end);
      const start = advance(size, end);
      return copy(bytes, start, start + size);
    }
    case "timestamp": return date(bytes, after.position, end);
    case "int64": case "sint64": case "sfixed64": return big(bytes, after.position, end, true);
    case "uint64": case "fixed64": return big(bytes, after.position, end, false);
    default: {
      const value = number(bytes, after.position, end);
      if (!isOf(scalar, value) || (finite && !Number.isFinite(value))) throw gaveUp;
      return value;
    }
  }
}

function isOf(scalar: ScalarPlan["scalar"], value: number): boolean {
  switch (scalar) {
    case "int32": case "sint32": case "sfixed32": return (value | 0) === value;
    case "uint32": case "fixed32": return value >>> 0 === value;
    case "float": return Math.abs(value) <= largestFloat || !Number.isFinite(value);
    default: return true;
  }
}
