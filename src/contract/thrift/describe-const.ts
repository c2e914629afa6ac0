/** Values of JavaScript as constants of Thrift: the defaults of fields. */
import { RpcError } from "../../core/error.ts";
import type { Model, ScalarModel } from "../model.ts";

/** Throws `invalid_argument` with the path of a default that Thrift has no constant for. */
export function thriftConst(value: unknown, model: Model, path: string): string {
  switch (model.kind) {
    case "scalar": return scalarConst(value, model, path);
    case "enum": {
      const number = model.values.find(({ name }) => name === value)?.number ?? value;
      return typeof number === "number" ? String(number) : refuse(path, value);
    }
    case "list":
      if (!Array.isArray(value)) return refuse(path, value);
      return `[${value.map((item) => thriftConst(item, model.of, path)).join(", ")}]`;
    case "map": {
      if (typeof value !== "object" || value === null) return refuse(path, value);
      const entries: readonly (readonly [unknown, unknown])[] = value instanceof Map ? [...value]
        : Object.entries(value)
        .map(([key, part]) => [keyOf(key, model.key), part]);
      return `{${entries.map(([key, part]) =>
        `${thriftConst(key, model.key, path)}: ${thriftConst(part, model.value, path)}`).join(", ")}}`;
    }
    case "struct": {
      if (typeof value !== "object" || value === null) return refuse(path, value);
      const entries = model.fields.flatMap((field): readonly string[] => {
        const part = (value as Readonly<Record<string, unknown>>)[field.name];
        if (part === undefined) return [];
        if (field.model.kind === "oneof" || !/^[A-Za-z_]\w*$/.test(field.name)) return refuse(path, value);
        return [`${quoted(field.name)}: ${thriftConst(part, field.model, path)}`];
      });
      return `{${entries.join(", ")}}`;
    }
    case "unknown": return quoted(JSON.stringify(value));
    case "wellknown": return model.of === undefined ? quoted(JSON.stringify(value)) : scalarConst(value, model.of,
      path);
    case "nullable": return value === null ? refuse(path, value) : thriftConst(value, model.of, path);
    case "union": case "oneof": return refuse(path, value);
    default: return model satisfies never;
  }
}

function scalarConst(value: unknown, { scalar }: ScalarModel, path: string): string {
  switch (typeof value) {
    case "boolean": return String(value);
    case "string": return quoted(value);
    case "bigint": return String(BigInt.asIntN(64, value));
    case "number":
      if (!Number.isFinite(value)) return refuse(path, value);
      return scalar === "double" || scalar === "float" ? doubleConst(value) : String(value);
    default: break;
  }
  if (value instanceof Date) return String(value.getTime());
  // A text of ASCII is the same bytes to everybody.
  if (value instanceof Uint8Array && value.every((byte) => byte >= 32 && byte < 127)) {
    return quoted(String.fromCharCode(...value));
  }
  return refuse(path, value);
}

function doubleConst(value: number): string {
  const text = Object.is(value, -0) ? "-0.0" : String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text.replace(/^(-?\d+)e\+?/, "$1.0e").replace("e+", "e");
}

function keyOf(text: string, key: Model): unknown {
  if (key.kind !== "scalar" || key.scalar === "string") return text;
  if (key.scalar === "bool") return text === "true";
  return key.scalar.endsWith("64") ? BigInt(text) : Number(text);
}

function quoted(text: string): string {
  const plain = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n").replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return `"${plain}"`;
}

function refuse(path: string, value: unknown): never {
  const shown: string | undefined = typeof value === "number" ? String(value)
    : JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part));
  throw new RpcError("invalid_argument",
    `${path}: the default ${shown?.slice(0, 80) ?? "of this type"} has no constant in Thrift; make the field optional`);
}
