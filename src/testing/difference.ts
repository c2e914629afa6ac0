/** `difference` compares values as a codec must keep them: -0 is not 0, absent is not undefined, order counts. */

/** Says where two values first differ, or nothing. */
export function difference(actual: unknown, wanted: unknown, path = "value"): string | undefined {
  if (Object.is(actual, wanted)) return undefined;
  if (typeof actual !== "object" || typeof wanted !== "object" || actual === null || wanted === null) {
    return `${path} is ${show(actual)}, expected ${show(wanted)}`;
  }
  const kind = kindOf(wanted);
  if (kindOf(actual) !== kind) return `${path} is of ${kindOf(actual)}, expected ${kind}`;
  if (kind === "Date") return difference((actual as Date).getTime(), (wanted as Date).getTime(), `${path}.getTime()`);
  if (kind === "Map" || kind === "Set" || kind === "Array" || kind === "Uint8Array") {
    return listDifference([...(actual as Iterable<unknown>)], [...(wanted as Iterable<unknown>)], path);
  }
  return memberDifference(actual as Record<string, unknown>, wanted as Record<string, unknown>, path);
}

function listDifference(actual: readonly unknown[], wanted: readonly unknown[], path: string): string | undefined {
  if (actual.length !== wanted.length) return `${path} has ${actual.length} elements, expected ${wanted.length}`;
  for (let i = 0; i < wanted.length; i++) {
    const found = difference(actual[i], wanted[i], `${path}[${i}]`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function memberDifference(
  actual: Record<string, unknown>, wanted: Record<string, unknown>, path: string,
): string | undefined {
  const [have, want] = [Object.keys(actual).sort(), Object.keys(wanted).sort()];
  if (have.join("\0") !== want.join("\0")) return `${path} has the keys ${show(have)}, expected ${show(want)}`;
  for (const key of want) {
    const found = difference(actual[key], wanted[key], `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** By prototype, so that a Buffer is no Uint8Array; objects without prototype count as plain. */
function kindOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  for (const kind of [Date, Map, Set, Array, Uint8Array]) if (prototype === kind.prototype) return kind.name;
  return prototype === null || prototype === Object.prototype ? "Object" : "a class";
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (Array.isArray(value)) return `[${value.slice(0, 10).map(show).join(", ")}]`;
  if (Object.is(value, -0)) return "-0";
  return typeof value === "object" && value !== null ? kindOf(value) : String(value).slice(0, 40);
}
