/**
 * `rewrite` copies a value for a self-describing format, putting what the format has no word for in that
 * format's own terms, and refuses what no peer could read back.
 *
 * JSON and MessagePack look through every value with a fast check first; only a value with something special
 * in it comes here. The walk is also what names the path of a value that cannot be sent.
 */
import { RpcError } from "../core/error.ts";

/** Deepest nesting that is written or read. */
export const maxDepth = 100;
/** Largest bigint: the cost of its digits grows with their square. */
export const maxBigintBits = 8192;

/** How a format puts what it has no native form for. A method returns the value to write instead. */
export interface Rewriting {
  readonly format: string;
  text(value: string): unknown;
  /** Whether an object may have this key. */
  takesKey(key: string): boolean;
  number(value: number): unknown;
  bigint(value: bigint): unknown;
  /** Of an array's element or a map's value; an undefined property is left out. */
  undefined(): unknown;
  /** A valid date. */
  date(value: Date): unknown;
  bytes(value: Uint8Array): unknown;
  /** Keys and values, rewritten already, by turns. */
  map(keysAndValues: unknown[]): unknown;
  /** The elements, rewritten already. */
  set(elements: unknown[]): unknown;
  /** The copy of an object, its members rewritten already. */
  object(copy: Record<string, unknown>): unknown;
}


class Walk {
  readonly #rules: Rewriting;
  readonly #path: (string | number)[] = [];

  constructor(rules: Rewriting) {
    this.#rules = rules;
  }

  value(value: unknown): unknown {
    const rules = this.#rules;
    switch (typeof value) {
      case "string": return rules.text(value);
      case "number": return rules.number(value);
      case "bigint": return rules.bigint(this.#bounded(value));
      case "boolean": return value;
      case "undefined": return rules.undefined();
      case "object": return value === null ? null : this.#object(value);
      case "function": case "symbol": default: throw this.#refused(`a ${typeof value} cannot be sent`);
    }
  }

  #bounded(value: bigint): bigint {
    if (BigInt.asIntN(maxBigintBits, value) === value) return value;
    throw this.#refused(`a bigint of more than ${maxBigintBits} bits cannot be sent`);
  }

  #object(value: object): unknown {
    if (this.#path.length >= maxDepth) {
      throw this.#refused(`nested deeper than ${maxDepth}, or a cycle`);
    }
    if (Array.isArray(value)) return this.#items(value);
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime())) throw this.#refused("an invalid Date cannot be sent");
      return this.#rules.date(value);
    }
    if (value instanceof Uint8Array) return this.#rules.bytes(value);
    if (value instanceof Map) {
      const flat: unknown[] = [];
      for (const [key, item] of value) {
        flat.push(this.#at(`[key ${brief(key)}]`, key), this.#at(`[${brief(key)}]`, item));
      }
      return this.#rules.map(flat);
    }
    if (value instanceof Set) return this.#rules.set(this.#items([...value]));
    return this.#rules.object(this.#members(value));
  }

  #items(items: readonly unknown[]): unknown[] {
    return Array.from(items, (item, i) => this.#at(i, item));
  }

  #members(value: object): Record<string, unknown> {
    const keys = Object.keys(value);
    if (!isPlainObject(value)) this.#requireFields(value, keys);
    const copy: Record<string, unknown> = {};
    for (const key of keys) {
      if (key === "__proto__") throw this.#refused('a key named "__proto__" is refused');
      if (!this.#rules.takesKey(key)) throw this.#refused("a key holds a lone surrogate or a long text's mark");
      const member: unknown = (value as Record<string, unknown>)[key];
      if (member !== undefined) copy[key] = this.#at(key, member);
    }
    return copy;
  }

  /** An instance of a class goes as its fields; one that keeps its state elsewhere would arrive empty. */
  #requireFields(value: object, keys: readonly string[]): void {
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    if (tag === "Object" && keys.length > 0) return;
    const constructor: unknown = (value as { constructor?: unknown }).constructor;
    const name = (typeof constructor === "function" && constructor.name) || tag;
    throw this.#refused(`${/^[AEIOU]/.test(name) ? "an" : "a"} ${name} has no plain fields${hint(value, name)}`);
  }

  #at(part: string | number, value: unknown): unknown {
    this.#path.push(part);
    const result = this.value(value);
    this.#path.pop();
    return result;
  }

  #refused(why: string): RpcError {
    const path = pathText(this.#path);
    return new RpcError("invalid_argument", `cannot encode ${path} as ${this.#rules.format}: ${why}`,
      { phase: "encode" });
  }
}

/** Throws `invalid_argument` naming the path of what cannot be sent. */
export function rewrite(value: unknown, rules: Rewriting): unknown {
  return new Walk(rules).value(value);
}

/** Whether an object was made by a literal, `JSON.parse` or `Object.create(null)`. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** `value.items[3].name`, cut in the middle when it is long (a cycle's is). */
export function pathText(path: readonly (string | number)[]): string {
  let text = "value";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (part.startsWith("[")) text += part;
    else if (/^[A-Za-z_$][\w$]{0,63}$/.test(part)) text += `.${part}`;
    else text += `[${JSON.stringify(part.slice(0, 64))}]`;
  }
  return text.length <= 200 ? text : `${text.slice(0, 120)}…${text.slice(-60)}`;
}

function hint(value: object, name: string): string {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return "; send a Uint8Array or an array of numbers";
  if (typeof (value as { then?: unknown }).then === "function") return "; await it first";
  if (name === "Object") return "";
  return "; send a plain object, or its text";
}

function brief(key: unknown): string {
  if (typeof key === "string") return JSON.stringify(key.slice(0, 32));
  return typeof key === "number" || typeof key === "bigint" ? String(key).slice(0, 32) : typeof key;
}
