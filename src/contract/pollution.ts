/**
 * `refusePollution` refuses values that hold a property named `__proto__`, which `JSON.parse` makes: harmless
 * until some code copies it, and then everybody's prototype.
 */
import { RpcError } from "../core/error.ts";

/** Deepest nesting of a value of free structure. */
const maxDepth = 100;

/** Throws `invalid_argument` naming the path. */
export function refusePollution(value: unknown, label: string): void {
  if (typeof value === "object" && value !== null) walk(value, label, 0, new Set());
}

function walk(value: object, path: string, depth: number, seen: Set<object>): void {
  if (seen.has(value) || ArrayBuffer.isView(value)) return;
  seen.add(value);
  if (depth > maxDepth) {
    throw new RpcError("invalid_argument", `${path.slice(0, 64)}…: nested deeper than ${maxDepth}`,
      { phase: "validate" });
  }
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      if (typeof item === "object" && item !== null) walk(item, `${path}[${i}]`, depth + 1, seen);
    }
    return;
  }
  if (value instanceof Map) {
    for (const [key, item] of value) {
      if (typeof item === "object" && item !== null) walk(item as object, `${path}[${String(key)}]`, depth + 1, seen);
    }
    return;
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") {
      throw new RpcError("invalid_argument", `${path}: a key named "__proto__" is refused`, { phase: "validate" });
    }
    const item: unknown = (value as Record<string, unknown>)[key];
    if (typeof item === "object" && item !== null) walk(item, `${path}.${key}`, depth + 1, seen);
  }
}
