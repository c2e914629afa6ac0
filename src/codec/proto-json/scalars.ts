/** Scalars in the JSON mapping of Protocol Buffers: what each is written as, and what it is read from. */
import { fromAnyBase64, toBase64 } from "../../wire/base64.ts";
import { largestFloat } from "../protobuf/scalars.ts";
import type { Scalar, ScalarPlan } from "../protobuf/plan.ts";

/** Text as a JSON string. */
export function quote(text: string): string {
  if (text.length > 40) return JSON.stringify(text);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c || unit >= 0xd800) return JSON.stringify(text);
  }
  return `"${text}"`;
}

/** A number as JSON has it, or as text where it has none. Negative zero stays what it is. */
export function numberText(value: number): string {
  if (value - value !== 0) return `"${value}"`;
  return value === 0 && 1 / value < 0 ? "-0" : `${value}`;
}

/** A scalar that fits, as JSON text. */
export function scalarText(scalar: Scalar, value: unknown): string {
  switch (scalar) {
    case "string": return quote(value as string);
    case "bytes": return `"${toBase64(value as Uint8Array)}"`;
    case "bool": return value === true ? "true" : "false";
    case "int64": case "uint64": case "sint64": case "fixed64": case "sfixed64": return `"${value as bigint}"`;
    case "float": case "double": return numberText(value as number);
    case "int32": case "uint32": case "sint32": case "fixed32": case "sfixed32": return `${value as number}`;
    default: return scalar satisfies never;
  }
}

/** A reader of a scalar: its value, or undefined for JSON that is none. */
export type ReadScalar = (json: unknown) => unknown;

export function scalarReader({ scalar, finite = false }: ScalarPlan): ReadScalar {
  switch (scalar) {
    case "string": return readText;
    case "bytes": return readBytes;
    case "bool": return readBool;
    case "int32": case "sint32": case "sfixed32": return readInt;
    case "uint32": case "fixed32": return readUint;
    case "int64": case "sint64": case "sfixed64": return readLong;
    case "uint64": case "fixed64": return readUlong;
    case "double": return finite ? finiteOnly(readDouble) : readDouble;
    case "float": return finite ? finiteOnly(readFloat) : readFloat;
    default: return scalar satisfies never;
  }
}

export function readText(json: unknown): unknown {
  return typeof json === "string" ? json : undefined;
}

function readBool(json: unknown): unknown {
  return typeof json === "boolean" ? json : undefined;
}

const numeric = /^-?(?:0|[1-9]\d{0,400})(?:\.\d{1,400})?(?:[eE][+-]?\d{1,9})?$/;

/** The number that JSON or a text holds; NaN for anything else. */
function numberOf(json: unknown): number {
  if (typeof json === "number") return json;
  return typeof json === "string" && numeric.test(json) ? Number(json) : Number.NaN;
}

export function readInt(json: unknown): unknown {
  if (typeof json === "number" && (json | 0) === json) return json + 0;
  const number = numberOf(json);
  return (number | 0) === number ? number | 0 : undefined;
}

function readUint(json: unknown): unknown {
  const number = numberOf(json);
  return (number >>> 0) === number ? number >>> 0 : undefined;
}

const integer = /^-?(?:0|[1-9]\d{0,19})$/;

/** A number beyond 2^53 is refused: JSON's readers, ours too, have rounded it by then. Writers send text. */
function bigintOf(json: unknown): bigint | undefined {
  if (typeof json === "string" && integer.test(json)) return BigInt(json);
  const number = numberOf(json);
  return Number.isSafeInteger(number) ? BigInt(number) : undefined;
}

function readLong(json: unknown): unknown {
  const value = bigintOf(json);
  return value !== undefined && BigInt.asIntN(64, value) === value ? value : undefined;
}

function readUlong(json: unknown): unknown {
  const value = bigintOf(json);
  return value !== undefined && BigInt.asUintN(64, value) === value ? value : undefined;
}

const named: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity, "-Infinity": -Infinity };

function readDouble(json: unknown): unknown {
  if (typeof json === "string" && Object.hasOwn(named, json)) return named[json];
  const number = numberOf(json);
  // What JSON says is finite, even where JSON.parse made an infinity of it.
  return Number.isFinite(number) ? number : undefined;
}

function readFloat(json: unknown): unknown {
  const number = readDouble(json);
  return typeof number === "number" && Math.abs(number) > largestFloat && Math.abs(number) !== Infinity
    ? undefined
    : number;
}

function finiteOnly(read: ReadScalar): ReadScalar {
  return (json) => {
    const number = read(json);
    return Number.isFinite(number) ? number : undefined;
  };
}

function readBytes(json: unknown): unknown {
  return typeof json === "string" ? fromAnyBase64(json) : undefined;
}

/** The key of a map from its text. */
export function readKey(scalar: Scalar, text: string): unknown {
  if (scalar === "string") return text;
  if (scalar === "bool") return text === "true" ? true : text === "false" ? false : undefined;
  return integer.test(text) ? scalarReader({ type: "scalar", scalar })(text) : undefined;
}
