/** Enums and literals: strings in JavaScript, numbers on compact wires. */
import type { EnumModel, Model } from "../model.ts";
import { uniqueName } from "../names.ts";
import { findMeta, originOf, type ZodType } from "./def.ts";
import { assignNumbers, enumNumbers } from "./numbers.ts";
import { type Place, scalar } from "./read.ts";
import { refuse } from "./refuse.ts";

/** `z.enum`: of strings an enum; of numbers (a TypeScript enum) the numbers themselves, checked again. */
export function readEnum(schema: ZodType, place: Place): Model {
  const entries = schema._zod.def.entries ?? {};
  // A numeric TypeScript enum also maps its numbers back to names; those entries are no values.
  const values = [...new Set(Object.keys(entries).filter((key) => !isReverse(entries, key)).map((key) => entries[key]))];
  return readValues(schema, values, place);
}

function isReverse(entries: Readonly<Record<string, string | number>>, key: string): boolean {
  const value = entries[key];
  return /^-?\d+$/.test(key) && typeof value === "string" && entries[value] === Number(key);
}

/** `z.literal` with one value or several. */
export function readLiteral(schema: ZodType, place: Place): Model {
  return readValues(schema, schema._zod.def.values ?? [], place);
}

/** The model of a closed set of values. */
export function readValues(schema: ZodType, all: readonly unknown[], place: Place): Model {
  const values = all.filter((value) => value !== null && !(value === undefined && place.mayBeAbsent));
  const of = readPlainValues(schema, values, place);
  return all.includes(null) ? { kind: "nullable", of } : of;
}

function readPlainValues(schema: ZodType, values: readonly unknown[], place: Place): Model {
  const types = new Set(values.map((value) => typeof value));
  const type = types.size === 1 ? typeof values[0] : "none";
  switch (type) {
    case "string": return enumModel(schema, values as string[], place);
    case "boolean": return scalar("bool");
    case "bigint": return scalar("int64");
    case "number": {
      const isInt32 = values.every((value) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31);
      return scalar(isInt32 ? "int32" : "double");
    }
    default:
      return refuse(place.path, "a set of literals of different types", "use literals of one type, or a union of objects");
  }
}

/** Numbers count from 1 (0 is what Protobuf calls UNSPECIFIED), or are named by `.meta({ numbers: { NAME: 7 } })`. */
function enumModel(schema: ZodType, names: readonly string[], place: Place): EnumModel {
  const origin = originOf(schema);
  const known = place.scope.models.get(origin);
  if (known !== undefined) return known as EnumModel;
  const numbers = findMeta(schema, "numbers") ?? {};
  for (const name of Object.keys(numbers)) {
    if (!names.includes(name)) refuse(place.path, `a number for ${JSON.stringify(name)}`, "number only the enum's values");
  }
  const assigned = assignNumbers(place.path,
    names.map((name) => ({ name, number: Object.hasOwn(numbers, name) ? numbers[name] : undefined })), enumNumbers);
  const model: EnumModel = {
    kind: "enum", name: findMeta(schema, "id") ?? uniqueName(place.scope.names, place.name),
    values: names.map((name, i) => ({ name, number: assigned[i] as number })),
  };
  place.scope.models.set(origin, model);
  return model;
}
