/**
 * Encodes by walking the plan: where code generation is forbidden, for values that generated code gave up on, and to
 * say what is wrong with those that cannot be written.
 */
import { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import { origin } from "../protobuf/encode-support.ts";
import { isRecord, readField } from "../protobuf/fits.ts";
import { rewrite, type Rewriting } from "../rewrite.ts";
import { writeFree } from "./encode-support.ts";
import { takesKey } from "./format.ts";
import type { Plan } from "./plan.ts";

/**
 * Appends `value`, of which only what the plan knows is sent wherever it is of the plan; what is not goes as it
 * describes itself. Throws `invalid_argument` with the path of what cannot be sent, and appends nothing then.
 */
export function encodeInterpreted(plan: Plan, value: unknown, writer: Writer): void {
  const known = project(plan, value, 0);
  const aside = new Writer(256);
  const outer = origin.position;
  origin.position = 0;
  let isDone = false;
  try {
    writeFree(aside, known, 0);
    isDone = true;
  } catch {
    // Told below what it was.
  }
  origin.position = outer;
  if (!isDone) {
    rewrite(known, refusing);
    throw new RpcError("invalid_argument", "cannot encode a value as MessagePack: it changed meanwhile",
      { phase: "encode" });
  }
  writer.writeBytes(aside.bytes.subarray(0, aside.position));
}

/** Deeper than any value may be. */
const maxLook = 101;

/** The value without the properties that its structs do not have. */
function project(plan: Plan, value: unknown, depth: number): unknown {
  if (depth > maxLook) return value;
  switch (plan.type) {
    case "any": case "scalar": case "enum": return value;
    case "nullable": return value === null ? null : project(plan.of, value, depth);
    case "list": return Array.isArray(value) ? Array.from(value, (item) => project(plan.of, item, depth + 1)) : value;
    case "map":
      if (plan.as === "Map") {
        if (!(value instanceof Map)) return value;
        return new Map(Array.from(value as Map<unknown, unknown>, ([key, item]) =>
          [key, project(plan.of, item, depth + 1)]));
      }
      if (!isRecord(value) || Object.hasOwn(value, "__proto__")) return value;
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, project(plan.of, item, depth + 1)]));
    case "tagged": {
      const tag = isRecord(value) ? readField(value, plan.discriminator) : undefined;
      const variant = plan.variants.find((one) => one.tag === tag);
      return variant === undefined ? value : project(variant.plan, value, depth);
    }
    case "struct": {
      if (!isRecord(value)) return value;
      const known: Record<string, unknown> = {};
      for (const { name, plan: of, presence } of plan.fields) {
        const part = readField(value, name);
        if (part !== undefined) known[name] = project(of, part, depth + 1);
        else if (presence === "required") return value;
      }
      return known;
    }
    default: return plan satisfies never;
  }
}

/** Walks through what MessagePack can say, and throws at what it cannot. */
const refusing: Rewriting = {
  format: "MessagePack",
  takesKey,
  text: (value) => value,
  number: (value) => value,
  bigint: (value) => value,
  undefined: () => undefined,
  date: (value) => value,
  bytes: (value) => value,
  map: (keysAndValues) => keysAndValues,
  set: (elements) => elements,
  object: (copy) => copy,
};
