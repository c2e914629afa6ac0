/** Canonical text: equal for equal content, whatever the order of keys, and different for different content. */

/** Deepest nesting; what lies deeper counts as equal. */
const maxDepth = 100;

/** Values of contracts: objects, lists, maps, bytes, dates, big integers and scalars. */
export function canonical(value: unknown, depth = 0): string {
  if (depth > maxDepth) return "…";
  if (value === undefined) return "u";
  if (typeof value === "bigint") return `${value}n`;
  // NaN equals itself here; -0 equals 0.
  if (typeof value === "number") return Object.is(value, -0) ? "0" : String(value);
  // Functions and symbols are no values of a contract, and all alike.
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "f";
  const inner = (one: unknown): string => canonical(one, depth + 1);
  if (value instanceof Uint8Array) return `x${value.join()}`;
  if (value instanceof Date) return `d${value.getTime()}`;
  if (Array.isArray(value)) return `[${value.map(inner).join()}]`;
  if (value instanceof Map) {
    return `m{${[...value].map(([key, each]) => `${inner(key)}:${inner(each)}`).sort().join()}}`;
  }
  if (value instanceof Set) return `s{${[...value].map(inner).sort().join()}}`;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${inner(each)}`).sort().join()}}`;
}
