/**
 * Encodes by walking the plan: where code generation is forbidden, and to say what is wrong with a value that
 * generated code gave up on.
 */
import type { EnumModel } from "../../contract/model.ts";
import { Writer } from "../../wire/writer.ts";
import { unknownFields } from "../../contract/unknown-fields.ts";
import { fits, isRecord, isVariant, readField } from "./fits.ts";
import { freeBytes } from "./free.ts";
import { jsonOf } from "./json.ts";
import { keyOfProperty } from "./keys.ts";
import { closeLength } from "./lengths.ts";
import {
  type FieldPlan, type FreePlan, isMessage, type KeyPlan, type MapPlan, type MessagePlan, type OneofPlan, type Slot,
  slotsOf, type StructPlan, type UnionPlan, type ValuePlan, wireType,
} from "./plan.ts";
import { fitsScalar, isBytes, isZero, writeHalves, writeScalar } from "./scalars.ts";
import { timestampMs } from "./timestamp.ts";
import { Trail } from "./trail.ts";

/**
 * Appends the message of `value`; throws `invalid_argument` with the path of whatever does not fit. The
 * message is built aside, so that what fails leaves nothing behind, and positions stay what they were while
 * a connection's writer may move them.
 */
export function encodeInterpreted(plan: MessagePlan, value: unknown, writer: Writer): void {
  const aside = new Writer(256);
  writeMessage(plan, value, aside, new Trail());
  writer.writeBytes(aside.bytes.subarray(0, aside.position));
}

function writeMessage(plan: MessagePlan, value: unknown, writer: Writer, trail: Trail): void {
  trail.descend("encode");
  switch (plan.type) {
    case "struct": writeStruct(plan, value, writer, trail); break;
    case "wrapper": writeField(plan.fields[0], value, writer, trail); break;
    case "union": writeUnion(plan, value, writer, trail); break;
    case "timestamp": writeTimestamp(value, writer, trail); break;
    case "free": writeFree(plan, value, writer, trail); break;
  }
  trail.depth--;
}

function writeStruct(plan: StructPlan, value: unknown, writer: Writer, trail: Trail): void {
  if (!isRecord(value)) throw trail.mismatch(plan.name, value);
  for (const { field, case: one } of slotsOf(plan.fields)) {
    trail.steps.push(field.name);
    const part = readField(value, field.name);
    if (one === undefined) writeField(field, part, writer, trail);
    else if (part !== undefined || field.absent === "zero") {
      writeCase(field.shape as OneofPlan, one, part, writer, trail);
    }
    trail.steps.pop();
  }
  const kept = (value as { [unknownFields]?: unknown })[unknownFields];
  if (kept === undefined) return;
  if (!isBytes(kept)) throw trail.mismatch("bytes under the symbol unknownFields", kept);
  writer.writeBytes(kept);
}

const freeForms = {
  value: "a JSON value", struct: "an object of JSON values", list: "an array of JSON values",
} as const;

function writeFree({ form }: FreePlan, value: unknown, writer: Writer, trail: Trail): void {
  let bytes: Uint8Array;
  try {
    bytes = freeBytes(value, form);
  } catch {
    throw trail.mismatch(freeForms[form], value);
  }
  writer.writeBytes(bytes);
}

/** Writes the value of a oneof if it is of this case. */
function writeCase(
  plan: OneofPlan, one: NonNullable<Slot["case"]>, value: unknown, writer: Writer, trail: Trail,
): void {
  const chosen = isRecord(value) ? value["case"] : undefined;
  if (chosen !== one.name) {
    if (plan.cases.some(({ name }) => name === chosen)) return;
    throw trail.mismatch(`a case of ${plan.cases.map(({ name }) => JSON.stringify(name)).join(", ")}`,
      isRecord(value) && chosen !== undefined ? chosen : value);
  }
  trail.steps.push("value");
  const inner = (value as Record<string, unknown>)["value"];
  checkValue(one.value, inner, trail);
  writeTag(writer, one.number, one.value);
  writeValue(one.value, inner, writer, trail);
  trail.steps.pop();
}

function writeUnion(plan: UnionPlan, value: unknown, writer: Writer, trail: Trail): void {
  const variant = plan.variants.find((candidate) => isVariant(candidate, plan.discriminator, value));
  if (variant === undefined) {
    const names = plan.variants.map(({ name, tag }) => (tag === undefined ? name : JSON.stringify(tag))).join(", ");
    if (plan.discriminator === undefined || !isRecord(value)) {
      throw trail.mismatch(`${plan.name} (${names})`, value);
    }
    trail.steps.push(plan.discriminator);
    throw trail.mismatch(`one of ${names}`, value[plan.discriminator]);
  }
  writeTag(writer, variant.number, variant.value);
  writeValue(variant.value, value, writer, trail);
}

function writeTimestamp(value: unknown, writer: Writer, trail: Trail): void {
  const ms = timestampMs(value);
  if (Number.isNaN(ms)) throw trail.mismatch("a Date of the years 1 to 9999", value);
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms - seconds * 1000) * 1_000_000;
  if (seconds !== 0) {
    writer.writeByte(0x08);
    writeHalves(writer, seconds | 0, Math.floor(seconds / 0x1_0000_0000));
  }
  if (nanos !== 0) {
    writer.writeByte(0x10);
    writeHalves(writer, nanos, 0);
  }
}

function writeField(field: FieldPlan, value: unknown, writer: Writer, trail: Trail): void {
  if (value === undefined && (field.absent === "undefined" || field.absent === "default")) return;
  if (value === null && field.absent === "null") return;
  const { shape } = field;
  switch (shape.type) {
    case "single": {
      const single = shape.value;
      checkValue(single, value, trail);
      if (field.presence === "implicit" && isOmitted(single, value)) return;
      writeTag(writer, field.number, single);
      writeValue(single, value, writer, trail);
      break;
    }
    case "list": writeList(field.number, shape.of, shape.packed, value, writer, trail); break;
    case "map": writeMap(field.number, shape, value, writer, trail); break;
    // Written case by case, each at its number.
    case "oneof": break;
  }
}

/** The number of a value that fits. */
function enumNumber({ values }: EnumModel, value: unknown): number {
  return typeof value === "number" ? value : values.find(({ name }) => name === value)?.number ?? 0;
}

/** Whether implicit presence leaves the value out. */
function isOmitted(plan: ValuePlan, value: unknown): boolean {
  if (plan.type === "scalar") return isZero(plan.scalar, value);
  return plan.type === "enum" && enumNumber(plan.model, value) === 0;
}

function writeList(
  number: number, of: ValuePlan, packed: boolean, value: unknown, writer: Writer, trail: Trail,
): void {
  if (!Array.isArray(value)) throw trail.mismatch("an array", value);
  if (value.length === 0) return;
  let start = 0;
  if (packed) {
    writeHalves(writer, number << 3 | 2, 0);
    writer.writeByte(0);
    start = writer.position;
  }
  for (let i = 0; i < value.length; i++) {
    trail.steps.push(i);
    const element: unknown = value[i];
    checkValue(of, element, trail);
    if (!packed) writeTag(writer, number, of);
    writeValue(of, element, writer, trail);
    trail.steps.pop();
  }
  if (packed) writer.position = closeLength(writer, start, writer.position, 1);
}

function writeMap(number: number, plan: MapPlan, value: unknown, writer: Writer, trail: Trail): void {
  const entry = (key: unknown, item: unknown) => {
    trail.steps.push(String(key));
    writeHalves(writer, number << 3 | 2, 0);
    writer.writeByte(0);
    const start = writer.position;
    writeKey(plan.key, key, writer, trail);
    checkValue(plan.value, item, trail);
    writeTag(writer, 2, plan.value);
    writeValue(plan.value, item, writer, trail);
    writer.position = closeLength(writer, start, writer.position, 1);
    trail.steps.pop();
  };
  if (plan.as === "Map") {
    if (!(value instanceof Map)) throw trail.mismatch("a Map", value);
    for (const [key, item] of value as Map<unknown, unknown>) entry(key, item);
  } else {
    if (!isRecord(value)) throw trail.mismatch("an object", value);
    for (const key of Object.keys(value)) {
      entry(plan.key.type === "enum" ? key : keyOfProperty(plan.key.scalar, key), value[key]);
    }
  }
}

function writeKey(plan: KeyPlan, key: unknown, writer: Writer, trail: Trail): void {
  if (plan.type === "enum") {
    if (!plan.model.values.some(({ name }) => name === key)) {
      throw trail.mismatch(`a key that is ${wantedOf(plan)}`, key);
    }
    writer.writeByte(0x0a);
    writeScalar(writer, "string", key);
    return;
  }
  if (!fitsScalar(plan.scalar, key)) throw trail.mismatch(`a key of type ${plan.scalar}`, key);
  writeTag(writer, 1, plan);
  writeScalar(writer, plan.scalar, key);
}

/** Throws unless `value` may be written as `plan`. Messages check themselves. */
function checkValue(plan: ValuePlan, value: unknown, trail: Trail): void {
  if (plan.type === "scalar") {
    if (!fitsScalar(plan.scalar, value, plan.finite)) throw trail.mismatch(wantedOf(plan), value);
  } else if (plan.type === "enum") {
    if (!fits(plan.model, value)) throw trail.mismatch(wantedOf(plan), value);
  }
}

/** What a scalar or an enum expects, for errors. */
function wantedOf(plan: ValuePlan): string {
  if (plan.type === "scalar") return plan.finite === true ? `finite ${plan.scalar}` : plan.scalar;
  if (plan.type !== "enum") return plan.type;
  const names = plan.model.values.map(({ name }) => JSON.stringify(name));
  return `one of ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}`;
}

function writeTag(writer: Writer, number: number, value: ValuePlan): void {
  writeHalves(writer, number << 3 | wireType(value), 0);
}

function writeValue(plan: ValuePlan, value: unknown, writer: Writer, trail: Trail): void {
  if (plan.type === "scalar") {
    writeScalar(writer, plan.scalar, value);
  } else if (plan.type === "enum") {
    const number = enumNumber(plan.model, value);
    writeHalves(writer, number, number >> 31);
  } else if (isMessage(plan)) {
    writer.writeByte(0);
    const start = writer.position;
    writeMessage(plan, value, writer, trail);
    writer.position = closeLength(writer, start, writer.position, 1);
  } else {
    writeScalar(writer, "string", jsonOf(value, trail));
  }
}
