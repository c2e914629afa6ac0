/**
 * `refusePollution` refuses values that hold a property named `__proto__`, which `JSON.parse` makes: harmless
 * until some code copies it, and then everybody's prototype.
 */
import { RpcError } from "../core/error.ts";

/** Deepest nesting of a value of free structure. */
const maxDepth = 100;
/** What a message shows of a path, in characters. */
const maxPathLength = 200;

/** Throws `invalid_argument` naming the path. */
export function refusePollution(value: unknown, label: string): void {
  if (!isObject(value)) return;
  const found = find(value, 0, new Set());
  if (found === undefined) return;
  throw new RpcError("invalid_argument", `${(label + found.path).slice(0, maxPathLength)}: ${found.what}`,
    { phase: "validate" });
}

interface Found {
  /** Relative to where the search began. Built on the way back, so that a clean value costs no string. */
  readonly path: string;
  readonly what: string;
}

function find(value: object, depth: number, seen: Set<object>): Found | undefined {
  if (seen.has(value) || ArrayBuffer.isView(value)) return undefined;
  seen.add(value);
  if (depth > maxDepth) return { path: "", what: `nested deeper than ${maxDepth}` };
  if (value instanceof Map) {
    for (const [key, item] of value) {
      const found = isObject(item) ? find(item, depth + 1, seen) : undefined;
      if (found !== undefined) return { path: `[${String(key)}]${found.path}`, what: found.what };
    }
    return undefined;
  }
  const isArray = Array.isArray(value);
  for (const key of Object.keys(value)) {
    if (key === "__proto__") return { path: "", what: 'a key named "__proto__" is refused' };
    const item: unknown = (value as Record<string, unknown>)[key];
    const found = isObject(item) ? find(item, depth + 1, seen) : undefined;
    if (found !== undefined) return { path: `${isArray ? `[${key}]` : `.${key}`}${found.path}`, what: found.what };
  }
  return undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
