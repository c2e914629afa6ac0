/**
 * Readers of the JSON mapping: one closure a message type, made of those of its parts, that gives the value of
 * parsed JSON.
 */
import { fromAnyBase64 } from "../../wire/base64.ts";
import { readText as decodeText } from "../../wire/text.ts";
import { decodeInterpreted } from "../protobuf/decode-interpreted.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { parseJson } from "../protobuf/json.ts";
import { setProperty } from "../protobuf/keys.ts";
import {
  type FieldPlan, isMessage, type JsonNames, type MapPlan, type MessagePlan, type Slot, slotsOf, type StructPlan,
  type ValuePlan, type WrapperPlan,
} from "../protobuf/plan.ts";
import { zeroOf } from "../protobuf/scalars.ts";
import type { Trail } from "../protobuf/trail.ts";
import type { Read } from "./any.ts";
import { readDate, readDuration, readFieldMask, readTimestamp } from "./formats.ts";
import { checkFree } from "./free.ts";
import { generateReader, type ReadMember } from "./read-source.ts";
import { readUnion } from "./read-union.ts";
import { readInt, readKey, scalarReader } from "./scalars.ts";

/** Structs whose JSON is a text. */
const texts: Readonly<Record<string, { readonly read: (json: unknown) => unknown; readonly what: string }>> = {
  "google.protobuf.Duration": { read: readDuration, what: 'seconds such as "1.5s"' },
  "google.protobuf.Timestamp": { read: readTimestamp, what: 'a time such as "2030-01-01T00:00:00Z"' },
  "google.protobuf.FieldMask": { read: readFieldMask, what: 'paths such as "user.displayName,photo"' },
};
const nothing = new Uint8Array(0);

export interface ReadersOptions {
  /** Whether a property that the type does not know is refused. */
  readonly refusesUnknown: boolean;
  readonly any: Read;
  /** Whether code may be generated. */
  readonly generates: boolean;
}

/** Makes the readers of all messages that a type reaches, each once. */
export class Readers {
  readonly #options: ReadersOptions;
  readonly #known = new Map<MessagePlan, Read>();

  constructor(options: ReadersOptions) {
    this.#options = options;
  }

  message(plan: MessagePlan): Read {
    const known = this.#known.get(plan);
    if (known !== undefined) return known;
    // A message that contains itself goes through this until its own reader is made.
    const later: { read?: Read } = {};
    this.#known.set(plan, (json, trail) => (later.read as Read)(json, trail));
    const read = later.read = this.#message(plan);
    this.#known.set(plan, read);
    return read;
  }

  #message(plan: MessagePlan): Read {
    switch (plan.type) {
      case "timestamp": return textReader(readDate, 'a time such as "2030-01-01T00:00:00Z"');
      case "free": return (json, trail) => {
        const wanted = checkFree(plan.form, json);
        return wanted === undefined ? json : fail(wanted, json, trail);
      };
      case "union": return readUnion(plan, plan.variants.map((variant) => this.value(variant.value)),
        this.#options.refusesUnknown);
      case "wrapper": return this.#wrapper(plan);
      case "struct": return this.#struct(plan);
      default: return plan satisfies never;
    }
  }

  #struct(plan: StructPlan): Read {
    if (plan.name === "google.protobuf.Any") return this.#options.any;
    const special = Object.hasOwn(texts, plan.name) ? texts[plan.name] : undefined;
    if (special !== undefined) return textReader(special.read, special.what);
    const { fields, fixed } = plan;
    const members = this.#slots(fields);
    const readAll = this.#members(fields, members, fixed?.name);
    const { generates, refusesUnknown } = this.#options;
    let generated: ((json: unknown) => unknown) | undefined;
    return (json, trail) => {
      if (trail === undefined && generates && !refusesUnknown) {
        return (generated ??= generateReader(plan, members))(json);
      }
      if (!isObject(json)) return fail("an object", json, trail);
      const values = readAll(json, trail);
      const struct: Record<string, unknown> = {};
      if (fixed !== undefined) struct[fixed.name] = fixed.value;
      for (let i = 0; i < fields.length; i++) {
        if (values[i] !== undefined) struct[(fields[i] as FieldPlan).name] = values[i];
      }
      return struct;
    };
  }

  /** A list may also come as it is, and so may whatever is no object, since a wrapper always is one. */
  #wrapper(plan: WrapperPlan): Read {
    const { fields } = plan;
    const [field] = fields;
    if (plan.of === "wellknown") return this.value((field.shape as { value: ValuePlan }).value);
    const readAll = this.#members(fields, this.#slots(fields), undefined);
    const bare = this.#shape(field);
    return (json, trail) => {
      if (isObject(json)) return readAll(json, trail)[0];
      if (plan.of === "map") return fail("an object", json, trail);
      if (json === null) return plan.of === "nullable" ? null : fail("a value", json, trail);
      return bare(json, trail);
    };
  }

  #slots(fields: readonly FieldPlan[]): readonly ReadMember[] {
    const taken = new Set(slotsOf(fields).map((slot) => (slot.case ?? slot.field).json));
    return slotsOf(fields).map((slot) => {
      const { json, also } = slot.case ?? slot.field;
      return {
        ...slot, names: { json, also: also.filter((name) => !taken.has(name)) }, takesNull: isNullValue(slot),
        read: slot.case === undefined ? this.#shape(slot.field) : this.value(slot.case.value),
        absent: () => absent(slot.field, undefined),
      };
    });
  }

  /** Reads the members of an object into the values of fields. */
  #members(
    fields: readonly FieldPlan[], slots: readonly ReadMember[], ignored: string | undefined,
  ): (json: object, trail: Trail | undefined) => unknown[] {
    const { refusesUnknown } = this.#options;
    return (json, trail) => {
      const values: unknown[] = fields.map(() => undefined);
      let taken = 0;
      for (const { field, index, case: one, names, takesNull, read } of slots) {
        const part = take(json as Record<string, unknown>, names, trail);
        if (part === undefined) continue;
        taken++;
        if (part === null && !takesNull) continue;
        trail?.steps.push(field.name);
        if (one !== undefined && values[index] !== undefined) fail(`one of the oneof ${field.name}`, json, trail);
        const value = read(part, trail);
        values[index] = one === undefined ? value : { case: one.name, value };
        trail?.steps.pop();
      }
      if (refusesUnknown) refuseUnknown(json, taken, slots, ignored, trail);
      for (const [i, field] of fields.entries()) {
        if (values[i] !== undefined) continue;
        trail?.steps.push(field.name);
        values[i] = absent(field, trail);
        trail?.steps.pop();
      }
      return values;
    };
  }

  #shape({ shape }: FieldPlan): Read {
    switch (shape.type) {
      case "list": return this.#list(shape.of);
      case "map": return this.#map(shape);
      case "oneof": throw new TypeError("a oneof is read case by case");
      case "single": return this.value(shape.value);
      default: return shape satisfies never;
    }
  }

  #list(of: ValuePlan): Read {
    const read = this.value(of);
    return (json, trail) => {
      if (!Array.isArray(json)) return fail("a list", json, trail);
      const list: unknown[] = [];
      for (let i = 0; i < json.length; i++) {
        trail?.steps.push(i);
        list.push(read(json[i], trail));
        trail?.steps.pop();
      }
      return list;
    };
  }

  #map({ key, value: of, as }: MapPlan): Read {
    const read = this.value(of);
    const names = key.type === "enum" ? new Set(key.model.values.map(({ name }) => name)) : undefined;
    const wanted = `a key of type ${key.type === "enum" ? key.model.name : key.scalar}`;
    return (json, trail) => {
      if (!isObject(json)) return fail("an object", json, trail);
      const map = new Map<unknown, unknown>();
      const record: Record<string, unknown> = {};
      for (const name of Object.keys(json)) {
        trail?.steps.push(name);
        const typed = key.type === "enum" ? (names?.has(name) === true ? name : undefined) : readKey(key.scalar, name);
        if (typed === undefined) fail(wanted, name, trail);
        const value = read(json[name], trail);
        if (as === "Map") map.set(typed, value);
        else setProperty(record, typed, value);
        trail?.steps.pop();
      }
      return as === "Map" ? map : record;
    };
  }

  value(plan: ValuePlan): Read {
    if (plan.type === "json") return readJson;
    if (isMessage(plan)) return this.message(plan);
    if (plan.type === "enum") return enumReader(plan);
    const read = scalarReader(plan);
    const wanted = plan.finite === true ? `finite ${plan.scalar}` : plan.scalar;
    return (json, trail) => {
      const value = read(json);
      return value === undefined ? fail(wanted, json, trail) : value;
    };
  }
}

function enumReader({ model }: ValuePlan & { type: "enum" }): Read {
  const byName = new Set(model.values.map(({ name }) => name));
  const byNumber = new Map(model.values.map(({ name, number }) => [number, name]));
  const wanted = `one of ${model.values.map(({ name }) => JSON.stringify(name)).slice(0, 8).join(", ")}`;
  return (json, trail) => {
    if (typeof json === "string") return byName.has(json) ? json : fail(wanted, json, trail);
    const number = typeof json === "number" ? readInt(json) as number | undefined : undefined;
    const name = number === undefined ? undefined : byNumber.get(number);
    if (name !== undefined) return name;
    return model.open === true && number !== undefined ? number : fail(wanted, json, trail);
  };
}

function textReader(read: (json: unknown) => unknown, wanted: string): Read {
  return (json, trail) => {
    const value = read(json);
    return value === undefined ? fail(wanted, json, trail) : value;
  };
}

/** Bytes of JSON text, as in Protobuf; or the value itself, unless it is a text and could be either. */
function readJson(json: unknown, trail: Trail | undefined): unknown {
  if (typeof json !== "string") return json;
  const bytes = fromAnyBase64(json);
  if (bytes?.length === 0) return null;
  try {
    if (bytes !== undefined) return parseJson(decodeText(bytes, 0, bytes.length));
  } catch {
    // Told below.
  }
  return fail("a JSON value, or its text in base64", json, trail);
}

/** The member of that name; undefined for none. Twice under two names is refused. */
function take(json: Record<string, unknown>, { json: name, also }: JsonNames, trail: Trail | undefined): unknown {
  let value = ownMember(json, name);
  for (const other of also) {
    const again = ownMember(json, other);
    if (again === undefined) continue;
    if (value !== undefined) return fail(`either ${JSON.stringify(name)} or ${JSON.stringify(other)}`, json, trail);
    value = again;
  }
  return value;
}

function ownMember(json: Record<string, unknown>, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(json, name) ? undefined : json[name];
}

function refuseUnknown(
  json: object, taken: number, slots: readonly { readonly names: JsonNames }[], ignored: string | undefined,
  trail: Trail | undefined,
): void {
  const keys = Object.keys(json);
  if (keys.length === taken) return;
  const known = new Set(slots.flatMap(({ names }) => [names.json, ...names.also]));
  const unknown = keys.find((key) => !known.has(key) && key !== ignored);
  if (unknown !== undefined) fail("no unknown property", unknown, trail);
}

/** Of a google.protobuf.Value, null is a value like any other. */
function isNullValue({ field: { shape }, case: one }: Slot): boolean {
  const plan = one?.value ?? (shape.type === "single" ? shape.value : undefined);
  return plan?.type === "free" && plan.form === "value";
}

/** What a field that did not come reads as. */
export function absent(field: FieldPlan, trail: Trail | undefined): unknown {
  switch (field.absent) {
    case "undefined": return undefined;
    case "null": return null;
    case "default": return field.defaultValue?.();
    case "zero": break;
    default: return field.absent satisfies never;
  }
  const { shape } = field;
  if (shape.type === "list") return [];
  if (shape.type === "map") return shape.as === "Map" ? new Map() : {};
  if (shape.type === "oneof") return fail(`one of the oneof ${field.name}`, undefined, trail);
  const { value } = shape;
  if (value.type === "scalar") return zeroOf(value.scalar);
  if (value.type === "json") return null;
  if (value.type === "enum") {
    const zero = value.model.values.find(({ number }) => number === 0)?.name;
    if (zero !== undefined) return zero;
    return value.model.open === true ? 0 : fail(`a value of ${value.model.name}`, undefined, trail);
  }
  try {
    return decodeInterpreted(value, nothing, 0, 0);
  } catch {
    return fail("a value, which has no zero", undefined, trail);
  }
}

export function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** Says what was expected; without a trail gives up, to be asked again with one. */
export function fail(wanted: string, json: unknown, trail: Trail | undefined): never {
  if (trail === undefined) throw gaveUp;
  throw trail.unfit(wanted, json);
}
