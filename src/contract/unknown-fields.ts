/**
 * Unknown fields are what a Protobuf message held beyond the fields that its contract knows: they are kept on the
 * decoded value, and are sent on with it.
 */

/** The property of a decoded struct that holds its unknown fields: their bytes, tags included, in order. */
export const unknownFields: unique symbol = Symbol.for("meridian.unknownFields") as typeof unknownFields;

/** How many structs were decoded with unknown fields: what tells whether a message had any, without looking. */
export const keptUnknownFields = { structs: 0 };

/** Most levels that are looked at, as deep as messages nest with a list or a map at each level. */
const maxDepth = 200;

/**
 * Gives what a validation made of a decoded value the unknown fields back, wherever the same property is an object
 * on both sides. What a transform replaced loses them, and so do elements of a list whose texts, numbers and booleans
 * are no longer the same: a transform may have sorted or filtered the list.
 */
export function carryUnknownFields(from: unknown, to: unknown, depth = 0): void {
  if (from === to || depth > maxDepth || !isObject(from) || !isObject(to)) return;
  if (ArrayBuffer.isView(from) || from instanceof Date) return;
  if (from instanceof Map) {
    if (to instanceof Map) for (const [key, value] of from) carryUnknownFields(value, to.get(key), depth + 1);
    return;
  }
  if (Array.isArray(from)) {
    if (!Array.isArray(to) || to.length !== from.length) return;
    for (let i = 0; i < from.length; i++) {
      if (holdsTheSame(from[i], to[i])) carryUnknownFields(from[i], to[i], depth + 1);
    }
    return;
  }
  const kept = (from as { [unknownFields]?: Uint8Array })[unknownFields];
  if (kept !== undefined && Object.isExtensible(to)) (to as { [unknownFields]?: Uint8Array })[unknownFields] = kept;
  for (const key of Object.keys(from)) {
    const part: unknown = (from as Record<string, unknown>)[key];
    if (isObject(part) && Object.hasOwn(to, key)) {
      carryUnknownFields(part, (to as Record<string, unknown>)[key], depth + 1);
    }
  }
}

/** Whether what is no object is the same in both. */
function holdsTheSame(from: unknown, to: unknown): boolean {
  if (!isObject(from) || !isObject(to)) return false;
  return Object.keys(from).every((key) => {
    const part: unknown = (from as Record<string, unknown>)[key];
    return isObject(part) || Object.is(part, (to as Record<string, unknown>)[key]);
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
