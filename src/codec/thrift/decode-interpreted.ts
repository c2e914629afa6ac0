/**
 * Decodes by walking a plan: JSON; the other protocols where code generation is forbidden, for what generated code
 * leaves to it (integers of another width, sets for lists), and to say what is wrong with an input and where.
 */
import { ThriftType } from "../../wire/thrift.ts";
import { RpcError } from "../../core/error.ts";
import { setProperty } from "../protobuf/keys.ts";
import { zeroOf } from "../protobuf/scalars.ts";
import { Trail } from "../protobuf/trail.ts";
import { dateOf, floatOf, jsonOfText } from "./decode-support.ts";
import { type Input, Malformed } from "./format.ts";
import {
  type EnumPlan, type FieldPlan, type JsonPlan, type ListPlan, type MapPlan, type ScalarPlan, slotsOf, type StructPlan,
  type UnionPlan, type ValuePlan,
} from "./plan.ts";
import { nilUuid } from "./uuid.ts";

/** Reads a struct that is all of the input; throws `invalid_argument` with offset and path. */
export function decodeInterpreted(plan: StructPlan, input: Input): unknown {
  const trail = new Trail();
  try {
    const value = readStruct(plan, input, trail);
    input.end();
    return value;
  } catch (error) {
    if (error instanceof Malformed) throw trail.malformed(input.position, error.message);
    if (RpcError.is(error) && !error.message.startsWith("malformed")) {
      throw trail.malformed(input.position, error.message);
    }
    throw error;
  }
}

const names: Readonly<Record<number, string>> =
  Object.fromEntries(Object.entries(ThriftType).map(([name, number]) => [number, name]));

function nameOf(type: number): string {
  return names[type] ?? `type ${type}`;
}

const integers: readonly number[] = [ThriftType.i8, ThriftType.i16, ThriftType.i32, ThriftType.i64];

const sequences: readonly number[] = [ThriftType.list, ThriftType.set];

/** Whether a value of the type found reads as one of the type wanted: integers do if they fit, sets and lists. */
function isReadable(wanted: number, found: number): boolean {
  return wanted === found || integers.includes(wanted) && integers.includes(found) ||
    sequences.includes(wanted) && sequences.includes(found);
}

function readValue(plan: ValuePlan, found: number, input: Input, trail: Trail): unknown {
  if (!isReadable(plan.wire, found)) throw new Malformed(`${nameOf(found)}, expected ${nameOf(plan.wire)},`);
  switch (plan.type) {
    case "struct": return readStruct(plan, input, trail);
    case "union": return readUnion(plan, input, trail);
    case "list": return readList(plan, input, trail);
    case "map": return readMap(plan, input, trail);
    case "json": return readFree(plan, input);
    case "enum": return readEnum(plan, found, input);
    case "scalar": return readScalar(plan, found, input);
    default: return plan satisfies never;
  }
}

function readFree({ form }: JsonPlan, input: Input): unknown {
  const text = input.text();
  try {
    return jsonOfText(text, form);
  } catch {
    throw new Malformed("a text that is no JSON of the form wanted, or nested too deep,");
  }
}

function readEnum({ model }: EnumPlan, found: number, input: Input): unknown {
  const number = Number(integer(found, input));
  const known = model.values.find((value) => value.number === number);
  if (known !== undefined) return known.name;
  if (model.open === true && (number | 0) === number) return number;
  throw new Malformed(`the number ${number}, which ${model.name} has no value of,`);
}

function integer(found: number, input: Input): bigint {
  return found === ThriftType.i64 ? input.long() : BigInt(input.int(found));
}

function readScalar({ scalar, finite = false, wire }: ScalarPlan, found: number, input: Input): unknown {
  switch (scalar) {
    case "bool": return input.bool();
    case "string": return wire === ThriftType.uuid ? input.uuid() : input.text();
    case "bytes": return input.bytes();
    case "float": case "double": {
      const value = input.double();
      if (finite && !Number.isFinite(value)) throw new Malformed(`${value}, expected a finite number,`);
      if (scalar === "double") return value;
      return fitting(() => floatOf(value), `${value}, which is beyond a float,`);
    }
    case "timestamp": {
      const ms = integer(found, input);
      return fitting(() => dateOf(Number(ms)), `a time of ${ms} ms, expected one of the years 1 to 9999,`);
    }
    default: {
      const value = integer(found, input);
      if (scalar === "uint64" || scalar === "fixed64") return BigInt.asUintN(64, value);
      if (scalar.endsWith("64")) return value;
      const number = Number(value);
      const fits = scalar === "uint32" || scalar === "fixed32" ? number >>> 0 === number : (number | 0) === number;
      if (!fits) throw new Malformed(`the integer ${value}, which is no ${scalar},`);
      return number;
    }
  }
}

function fitting<T>(make: () => T, what: string): T {
  try {
    return make();
  } catch {
    throw new Malformed(what);
  }
}

function descend(input: Input, trail: Trail): void {
  trail.descend("decode", input.position);
  input.structBegin();
}

function readStruct(plan: StructPlan, input: Input, trail: Trail): unknown {
  descend(input, trail);
  const slots = slotsOf(plan.fields);
  const values: unknown[] = plan.fields.map(() => undefined);
  for (let type = input.field(); type !== 0; type = input.field()) {
    const { number } = input;
    const slot = slots.find((one) => one.number === number);
    if (slot === undefined) {
      input.skip(type);
    } else {
      const { field, index, case: one } = slot;
      if (!plan.isBox) trail.steps.push(field.name);
      const value = readValue(slot.value, type, input, trail);
      if (one !== undefined && values[index] !== undefined) {
        throw new Malformed(`a second of ${field.cases.map(({ name }) => name).join(", ")}`);
      }
      values[index] = one === undefined ? value : { case: one.name, value };
      if (!plan.isBox) trail.steps.pop();
    }
    input.fieldEnd();
  }
  input.structEnd();
  const struct = finish(plan, values, input, trail);
  trail.depth--;
  return struct;
}

/** Fills in what is absent. */
function finish(plan: StructPlan, values: unknown[], input: Input, trail: Trail): unknown {
  const struct: Record<string, unknown> = {};
  if (plan.fixed !== undefined) struct[plan.fixed.name] = plan.fixed.value;
  for (const [i, field] of plan.fields.entries()) {
    if (!plan.isBox) trail.steps.push(field.name);
    if (values[i] === undefined) values[i] = absentValue(field, input, trail);
    if (values[i] !== undefined) struct[field.name] = values[i];
    if (!plan.isBox) trail.steps.pop();
  }
  return plan.isBox ? values[0] : struct;
}

function absentValue({ absent, value, defaultValue, name }: FieldPlan, input: Input, trail: Trail): unknown {
  switch (absent) {
    case "undefined": return undefined;
    case "null": return null;
    case "default": return (defaultValue as () => unknown)();
    case "refused": throw new Malformed("no result");
    case "zero": {
      const zero = value === undefined ? undefined : zeroValue(value, input, trail);
      if (zero === undefined) throw new Malformed(`no ${name}, which must be there,`);
      return zero;
    }
    default: return absent satisfies never;
  }
}

function zeroValue(plan: ValuePlan, input: Input, trail: Trail): unknown {
  switch (plan.type) {
    case "union": return undefined;
    case "struct": {
      trail.descend("decode", input.position);
      const value = finish(plan, plan.fields.map(() => undefined), input, trail);
      trail.depth--;
      return value;
    }
    case "list": return [];
    case "map": return plan.as === "Map" ? new Map() : {};
    case "json": return plan.form === "struct" ? {} : plan.form === "list" ? [] : null;
    case "enum": return plan.model.values.find(({ number }) => number === 0)?.name ??
      (plan.model.open === true ? 0 : undefined);
    case "scalar":
      if (plan.wire === ThriftType.uuid) return nilUuid;
      return plan.scalar === "timestamp" ? new Date(0) : zeroOf(plan.scalar);
    default: return plan satisfies never;
  }
}

function readUnion(plan: UnionPlan, input: Input, trail: Trail): unknown {
  descend(input, trail);
  let read: { value: unknown } | undefined;
  for (let type = input.field(); type !== 0; type = input.field()) {
    const { number } = input;
    const variant = plan.variants.find((one) => one.number === number);
    if (variant === undefined) {
      input.skip(type);
    } else {
      if (read !== undefined) throw new Malformed(`a second variant of ${plan.name}`);
      read = { value: readValue(variant.value, type, input, trail) };
    }
    input.fieldEnd();
  }
  input.structEnd();
  trail.depth--;
  if (read === undefined) throw new Malformed(`no variant of ${plan.name} that is known here`);
  return read.value;
}

function readList({ of }: ListPlan, input: Input, trail: Trail): unknown[] {
  const count = input.listBegin();
  const { elements } = input;
  const list: unknown[] = [];
  for (let i = 0; i < count; i++) {
    trail.steps.push(i);
    list.push(readValue(of, elements, input, trail));
    trail.steps.pop();
  }
  input.listEnd();
  return list;
}

function readMap({ key, value: of, as }: MapPlan, input: Input, trail: Trail): unknown {
  const count = input.mapBegin();
  const { keys, elements } = input;
  const map = new Map<unknown, unknown>();
  const record: Record<string, unknown> = {};
  for (let i = 0; i < count; i++) {
    const name = readValue(key, keys, input, trail);
    trail.steps.push(String(name));
    const value = readValue(of, elements, input, trail);
    trail.steps.pop();
    if (as === "Map") map.set(name, value);
    else setProperty(record, name, value);
  }
  input.mapEnd();
  return as === "Map" ? map : record;
}
