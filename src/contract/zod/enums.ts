/** Enums and literals: strings in JavaScript, numbers on compact wires. */
import type { EnumModel, Model } from "../model.ts";
import { uniqueName } from "../names.ts";
import { findMeta, idOf, originOf, type ZodType } from "./def.ts";
import { assignNumbers, enumNumbers } from "./numbers.ts";
import { keepModel, knownModel, nullable, type Place, scalar } from "./place.ts";
import { refuse } from "./refuse.ts";

/** `z.enum`: of strings an enum; of numbers (a TypeScript enum) the numbers themselves, checked again. */
export function readEnum(schema: ZodType, place: Place): Model {
  const entries = schema._zod.def.entries ?? {};
  // A numeric TypeScript enum also maps its numbers back to names; those entries are no values.
  const keys = Object.keys(entries).filter((key) => !isReverse(entries, key));
  return readValues(schema, [...new Set(keys.map((key) => entries[key]))], place);
}

function isReverse(entries: Readonly<Record<string, string | number>>, key: string): boolean {
  const value = entries[key];
  return /^-?\d+$/.test(key) && typeof value === "string" && entries[value] === Number(key);
}

/** An enum whose values are its names and any other number: a union of `z.enum` and `z.int32`. */
export function readOpenEnum(schema: ZodType, place: Place): Model {
  const names = (schema._zod.def.options ?? []).flatMap((option) => Object.values(option._zod.def.entries ?? {}));
  return enumModel(schema, names as string[], place, true);
}

/** `z.literal` with one value or several. */
export function readLiteral(schema: ZodType, place: Place): Model {
  return readValues(schema, schema._zod.def.values ?? [], place);
}

/** The model of a closed set of values. */
export function readValues(schema: ZodType, all: readonly unknown[], place: Place): Model {
  const values = all.filter((value) => value !== null && !(value === undefined && place.mayBeAbsent));
  const of = readPlainValues(schema, values, place);
  return all.includes(null) ? nullable(of) : of;
}

function readPlainValues(schema: ZodType, values: readonly unknown[], place: Place): Model {
  const types = new Set(values.map((value) => typeof value));
  if (types.size !== 1) {
    refuse(place.path, "a set of literals of different types", "use literals of one type, or a union of objects");
  }
  if (types.has("string")) return enumModel(schema, values as string[], place);
  if (types.has("boolean")) return scalar("bool");
  if (types.has("bigint")) return scalar("int64");
  if (types.has("number")) {
    const isInt32 = values.every((value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31);
    return scalar(isInt32 ? "int32" : "double");
  }
  return refuse(place.path, `the literal ${String(values[0])}`, "use strings, numbers, bigints or booleans");
}

/** What of an enum only readers of Avro need. */
function readerFacts(
  schema: ZodType, names: readonly string[], place: Place,
): Pick<EnumModel, "fallback" | "aliases"> {
  const [fallback, aliases] = [findMeta(schema, "fallback"), findMeta(schema, "aliases")];
  if (fallback !== undefined && !names.includes(fallback)) {
    refuse(place.path, `the fallback ${JSON.stringify(fallback)}`, "name one of the enum's values");
  }
  return { ...(fallback === undefined ? {} : { fallback }), ...(aliases === undefined ? {} : { aliases }) };
}

/** Numbers count from 1 (0 is what Protobuf calls UNSPECIFIED), or are named by `.meta({ numbers: { NAME: 7 } })`. */
function enumModel(schema: ZodType, names: readonly string[], place: Place, open = false): Model {
  const origin = originOf(schema);
  const id = idOf(schema);
  const known = knownModel(origin, id, place);
  if (known !== undefined) return known;
  const numbers = findMeta(schema, "numbers") ?? {};
  for (const name of Object.keys(numbers)) {
    if (names.includes(name)) continue;
    refuse(place.path, `a number for ${JSON.stringify(name)}`, "number only the enum's values");
  }
  const assigned = assignNumbers(place.path,
    names.map((name) => ({ name, number: Object.hasOwn(numbers, name) ? numbers[name] : undefined })), enumNumbers);
  const model: EnumModel = {
    kind: "enum", name: id ?? uniqueName(place.scope.names, place.name),
    values: names.map((name, i) => ({ name, number: assigned[i] as number })),
    ...(open ? { open } : {}), ...readerFacts(schema, names, place),
  };
  keepModel(origin, id, place, model);
  return model;
}
