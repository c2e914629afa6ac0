/** What google.protobuf.Value, Struct and ListValue take: JSON values, in JavaScript and in JSON alike. */
import { isPlainObject } from "../rewrite.ts";
import { type FreeForm, maxDepth } from "../protobuf/plan.ts";

/** What was expected where a value is no JSON value of the form; undefined if it is one. */
export function checkFree(form: FreeForm, value: unknown): string | undefined {
  if (form === "list" && !Array.isArray(value)) return "an array of JSON values";
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (form === "struct" && !isObject) return "an object of JSON values";
  return isJson(value, 0) ? undefined : `a JSON value, at most ${maxDepth} deep`;
}

function isJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string": case "boolean": return true;
    case "number": return Number.isFinite(value);
    case "object": {
      if (value === null) return true;
      if (depth >= maxDepth) return false;
      if (Array.isArray(value)) return value.every((item) => isJson(item, depth + 1));
      if (!isPlainObject(value)) return false;
      for (const key in value) {
        const member: unknown = (value as Record<string, unknown>)[key];
        if (member !== undefined && !isJson(member, depth + 1)) return false;
      }
      return true;
    }
    case "bigint": case "undefined": case "function": case "symbol": default: return false;
  }
}
