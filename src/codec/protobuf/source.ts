/**
 * Source is JavaScript text under construction.
 *
 * The values of a contract enter it only as data: numbers that were checked, and strings through
 * {@link literal}; everything else by reference, as an element of `constants`.
 */
import type { MessagePlan } from "./plan.ts";

export class Source {
  readonly #top: string[] = [];
  readonly #lines: string[] = [];
  readonly constants: unknown[] = [];
  readonly #derived = new Map<object, string>();
  readonly #functions = new Map<unknown, number>();
  #names = 0;

  add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  /** Adds a variable that outlives the calls. */
  addTop(line: string): void {
    this.#top.push(line);
  }

  /** An expression for a value that cannot be written as text. */
  constant(value: unknown): string {
    let index = this.constants.indexOf(value);
    if (index < 0) index = this.constants.push(value) - 1;
    return `c${index}`;
  }

  /** The same for something derived from `key`, once. */
  constantFor(key: object, derive: () => unknown): string {
    let name = this.#derived.get(key);
    if (name === undefined) this.#derived.set(key, name = this.constant(derive()));
    return name;
  }

  /** The number of the function that serves a message (or a map): the same for the same one. */
  ordinal(of: MessagePlan | object): number {
    const known = this.#functions.get(of);
    if (known !== undefined) return known;
    this.#functions.set(of, this.#functions.size);
    return this.#functions.size - 1;
  }

  /** A variable name that nothing else has. */
  fresh(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** Builds the function that this text is the body of, with `support`'s members as its variables. */
  build(support: Readonly<Record<string, unknown>>): unknown {
    const names = this.constants.map((_, i) => `c${i}`);
    const head = [
      '"use strict";',
      `const {${Object.keys(support).join(", ")}} = support;`,
      `const [${names.join(", ")}] = constants;`,
    ];
    const body = [...head, ...this.#top, ...this.#lines].join("\n");
    // The only place where text becomes code. What enters it is described above.
    // oxlint-disable-next-line no-new-func, no-implied-eval
    return (new Function("support", "constants", body) as (a: unknown, b: unknown) => unknown)(support, this.constants);
  }
}

/** A string as JavaScript source: JSON, whose two line separators are source text too since ES2019. */
export function literal(value: string | number | boolean): string {
  return JSON.stringify(value);
}

/** Whether this place permits making functions from text: a Content-Security-Policy may not. */
export function permitsCodegen(): boolean {
  try {
    // oxlint-disable-next-line no-new-func, no-implied-eval
    return (new Function("return 1") as () => number)() === 1;
  } catch {
    return false;
  }
}

/** The bytes of a tag. */
export function tagBytes(number: number, wire: number): number[] {
  const bytes: number[] = [];
  let tag = ((number << 3) | wire) >>> 0;
  while (tag > 0x7f) {
    bytes.push((tag & 0x7f) | 0x80);
    tag >>>= 7;
  }
  bytes.push(tag);
  return bytes;
}

/** How to read a property: what Object.prototype has under the same name does not count. */
export function property(object: string, name: string): string {
  const read = `${object}[${literal(name)}]`;
  return name in Object.prototype ? `(hasOwn(${object}, ${literal(name)}) ? ${read} : undefined)` : read;
}
