/** The tagged objects of the JSON codec, written and read: `{"$":["Date","2026-01-31T12:00:00.000Z"]}`. */
import { RpcError } from "../core/error.ts";
import { fromBase64, toBase64 } from "../wire/base64.ts";
import { maxBigintBits, maxDepth, pathText, type Rewriting } from "./rewrite.ts";

/** How the JSON codec writes what JSON has no word for. */
export const tagging: Rewriting = {
  format: "JSON",
  text: (value) => value,
  takesKey: () => true,
  number: (value) => {
    if (value - value !== 0) return { $: ["Number", String(value)] };
    return value === 0 && 1 / value < 0 ? { $: ["Number", "-0"] } : value;
  },
  bigint: (value) => ({ $: ["BigInt", String(value)] }),
  undefined: () => ({ $: ["Undefined"] }),
  date: (value) => ({ $: ["Date", value.toISOString()] }),
  bytes: (value) => ({ $: ["Bytes", toBase64(value)] }),
  map: (keysAndValues) => ({ $: ["Map", ...keysAndValues] }),
  set: (elements) => ({ $: ["Set", ...elements] }),
  object: (copy) => (Object.hasOwn(copy, "$") ? { $: ["Object", copy] } : copy),
};

/**
 * Whether text may hold a tag or a refused key, so that the parsed value must be walked. Native searches, which
 * cost next to nothing beside the parse as long as they begin with a rare character (`"$"` would stop at every
 * quote); an escape that could spell either counts as one.
 */
export function hasTags(text: string): boolean {
  return text.includes('$"') || text.includes("__proto__") || text.includes("\\u00");
}

class Reviver {
  readonly #path: (string | number)[] = [];

  value(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (this.#path.length >= maxDepth) throw this.#refused(`nested deeper than ${maxDepth}`);
    if (Array.isArray(value)) return this.#items(value, 0);
    const members = value as Record<string, unknown>;
    return Object.hasOwn(members, "$") ? this.#tagged(members) : this.#members(members);
  }

  #items(items: unknown[], from: number): unknown[] {
    for (let i = from; i < items.length; i++) items[i] = this.#at(i - from, items[i]);
    return items;
  }

  #members(members: Record<string, unknown>): unknown {
    for (const key of Object.keys(members)) {
      if (key === "__proto__") throw this.#refused('a key named "__proto__" is refused');
      const member = members[key];
      if (typeof member === "object") members[key] = this.#at(key, member);
    }
    return members;
  }

  #tagged(members: Record<string, unknown>): unknown {
    const tag = members["$"];
    if (!Array.isArray(tag) || typeof tag[0] !== "string" || Object.keys(members).length !== 1) {
      throw this.#refused('an object with the key "$" must be {"$":[type, …]} or be wrapped in {"$":["Object", …]}');
    }
    const type: string = tag[0];
    const content: unknown = tag[1];
    if (type === "Map") return this.#map(tag);
    if (type === "Set") return new Set(this.#items(tag, 1).slice(1));
    if (type === "Undefined" && tag.length === 1) return undefined;
    if (tag.length !== 2) {
      throw this.#refused(`"$" ${JSON.stringify(type.slice(0, 32))} has ${tag.length - 1} contents, expected 1`);
    }
    if (type === "Object" && typeof content === "object" && content !== null && !Array.isArray(content)) {
      return this.#members(content as Record<string, unknown>);
    }
    const read = Object.hasOwn(scalars, type) ? scalars[type] : undefined;
    const value = read !== undefined && typeof content === "string" ? read(content) : undefined;
    if (value !== undefined) return value;
    const known = ["Map", "Set", "Undefined", "Object", ...Object.keys(scalars)].join(", ");
    throw this.#refused(`${JSON.stringify(tag).slice(0, 64)} is no tagged value; types are ${known}`);
  }

  #map(tag: unknown[]): Map<unknown, unknown> {
    if (tag.length % 2 === 0) throw this.#refused("a Map has a key without a value");
    this.#items(tag, 1);
    const map = new Map<unknown, unknown>();
    for (let i = 1; i < tag.length; i += 2) map.set(tag[i], tag[i + 1]);
    return map;
  }

  #at(part: string | number, value: unknown): unknown {
    this.#path.push(part);
    const result = this.value(value);
    this.#path.pop();
    return result;
  }

  #refused(why: string): RpcError {
    return new RpcError("invalid_argument", `JSON at ${pathText(this.#path)}: ${why}`, { phase: "decode" });
  }
}

/** Turns tagged objects back into what they stand for, in place. Throws `invalid_argument` naming the path. */
export function revive(value: unknown): unknown {
  return new Reviver().value(value);
}

const numbers: Readonly<Record<string, number>> = { NaN, Infinity, "-Infinity": -Infinity, "-0": -0 };
/** Most digits of a bigint of `maxBigintBits`, with its sign. */
const maxDigits = Math.ceil(maxBigintBits * Math.log10(2)) + 1;

/** Readers answer undefined for content that is not theirs. */
const scalars: Readonly<Record<string, (content: string) => unknown>> = {
  Date: (content) => {
    const date = new Date(content);
    return Number.isNaN(date.getTime()) || date.toISOString() !== content ? undefined : date;
  },
  Bytes: fromBase64,
  BigInt: (content) => (content.length <= maxDigits && /^-?\d+$/.test(content) ? BigInt(content) : undefined),
  Number: (content) => (Object.hasOwn(numbers, content) ? numbers[content] : undefined),
};
