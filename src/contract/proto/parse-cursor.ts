/** A TokenCursor walks over the tokens of a file: what every part of the parser takes from. */
import { type Position, refuseAt } from "./parse-error.ts";
import type { Token } from "./parse-tokens.ts";
import type { Declared, RangeNode } from "./parse-tree.ts";

/** The highest field number. */
export const maxFieldNumber = 536_870_911;
const maxInt32 = 2 ** 31 - 1;

/** What opened a declaration: its first token. */
export interface Opening {
  readonly position: Position;
  readonly token: Token;
}

export class TokenCursor {
  readonly path: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: ReadonlyArray<Token>, path: string) {
    this.#tokens = tokens;
    this.path = path;
  }

  get token(): Token {
    return this.#tokens[this.#at] as Token;
  }

  /** The token after the next. */
  get second(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)] as Token;
  }

  get position(): Position {
    return this.positionOf(this.token);
  }

  positionOf({ line, column }: Token): Position {
    return { path: this.path, line, column };
  }

  next(): Token {
    const token = this.token;
    if (token.kind !== "end") this.#at++;
    return token;
  }

  /** Whether the next token is this symbol or keyword. */
  at(text: string): boolean {
    return this.token.text === text && (this.token.kind === "symbol" || this.token.kind === "identifier");
  }

  /** Takes the symbol or keyword if it is next. */
  take(text: string): boolean {
    if (!this.at(text)) return false;
    this.next();
    return true;
  }

  /** Takes the symbol or keyword, or refuses what stands there. */
  expect(text: string): Token {
    if (!this.at(text)) this.refuse(JSON.stringify(text));
    return this.next();
  }

  /** Refuses the next token. */
  refuse(wanted: string): never {
    const { kind, text } = this.token;
    const shown = text.length > 40 ? `${text.slice(0, 39)}…` : text;
    return refuseAt(this.position, `expected ${wanted}, found ${kind === "end" ? text : JSON.stringify(shown)}`);
  }

  identifier(what: string): string {
    if (this.token.kind !== "identifier") this.refuse(what);
    return this.next().text;
  }

  /** `a.b.c`, with a leading dot if `mayBeAbsolute`. */
  dotted(what: string, mayBeAbsolute: boolean): string {
    let text = "";
    if (mayBeAbsolute && this.take(".")) text = ".";
    text += this.identifier(what);
    while (this.take(".")) text += `.${this.identifier(what)}`;
    if (text.length > 4_096) refuseAt(this.position, `${what} of more than 4096 characters`);
    return text;
  }

  /** One string, or several one behind the other, which are one. */
  string(what: string): { text: string; bytes: Uint8Array } {
    if (this.token.kind !== "string") this.refuse(what);
    const first = this.next();
    let { text } = first;
    let bytes = first.bytes ?? new Uint8Array();
    while (this.token.kind === "string") {
      const more = this.next();
      text += more.text;
      const joined = new Uint8Array(bytes.length + (more.bytes?.length ?? 0));
      joined.set(bytes);
      joined.set(more.bytes ?? new Uint8Array(), bytes.length);
      bytes = joined;
    }
    return { text, bytes };
  }

  /** An integer from `least` to `most`. */
  integer(what: string, least: number, most: number): number {
    const start = this.position;
    const isNegative = least < 0 && this.take("-");
    if (this.token.kind !== "integer") this.refuse(what);
    const { value } = this.next();
    const signed = isNegative ? -value : value;
    if (signed < BigInt(least) || signed > BigInt(most)) {
      refuseAt(start, `${what} is ${String(signed).slice(0, 40)}, expected ${least} to ${most}`);
    }
    return Number(signed);
  }

  fieldNumber(): number {
    const start = this.position;
    const number = this.integer("a field number", 1, maxFieldNumber);
    if (number >= 19_000 && number <= 19_999) {
      refuseAt(start, `${number} is reserved for Protocol Buffers itself (19000 to 19999); choose another`);
    }
    return number;
  }

  /** `2`, `9 to 11`, `1000 to max`; of fields, or of enum values. */
  range(of: "fields" | "values"): RangeNode {
    const [least, most] = of === "fields" ? [1, maxFieldNumber] : [-(2 ** 31), maxInt32];
    const start = this.position;
    const first = this.integer("a number", least, most);
    if (!this.take("to")) return { first, last: first };
    const last = this.take("max") ? most : this.integer(`a number or "max"`, least, most);
    if (last < first) refuseAt(start, `the range ${first} to ${last} ends before it begins`);
    return { first, last };
  }

  opening(): Opening {
    return { position: this.position, token: this.token };
  }

  /** What is known of a declaration that began at `opening` and whose head ends with `last` (`;` or `{`). */
  declared({ position, token }: Opening, last: Token): Declared {
    return { position, leading: token.leading, detached: token.detached, trailing: last.trailing };
  }
}
