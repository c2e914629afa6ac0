/**
 * `tokenize` cuts the text of a `.proto` file into tokens, each with the comments that belong to it.
 *
 * The lexical grammar and the rules by which a comment is leading, trailing or detached are those of
 * https://protobuf.dev/reference/protobuf/edition-2023-spec/ and of `SourceCodeInfo` in descriptor.proto.
 */
import { type Position, refuseAt } from "./parse-error.ts";

export type TokenKind = "identifier" | "integer" | "float" | "string" | "symbol" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** As written; of a string, its decoded value. */
  readonly text: string;
  /** Of an integer. */
  readonly value: bigint;
  /** Of a string: its bytes, since escapes may spell what is not UTF-8. */
  readonly bytes: Uint8Array | undefined;
  readonly line: number;
  readonly column: number;
  /** Comments: the block right above it, blocks that stand apart above that, and what follows on its line or below. */
  readonly leading: string | undefined;
  readonly detached: readonly string[];
  trailing: string | undefined;
}

/** Most characters of one file, most tokens, and longest identifier or string. */
export const sourceLimits = { characters: 16 << 20, tokens: 2_000_000, text: 1 << 20 } as const;

interface Comment {
  readonly text: string;
  readonly firstLine: number;
  readonly lastLine: number;
  readonly isLine: boolean;
}

const symbols = new Set("{}[]()<>=;,.:+-/");

/** Throws `invalid_argument` naming line and column. The last token is the `end`. */
export function tokenize(text: string, path: string): Token[] {
  if (text.length > sourceLimits.characters) {
    refuseAt({ path, line: 1, column: 1 },
      `the file has ${text.length} characters; at most ${sourceLimits.characters} are read`);
  }
  const scanner = new Scanner(text, path);
  const tokens: Token[] = [];
  let previous: Token | undefined;
  do {
    const comments = scanner.skip();
    const token = scanner.token(comments, previous);
    if (tokens.push(token) > sourceLimits.tokens) refuseAt(scanner.here(), "the file has too many tokens");
    previous = token;
  } while (previous.kind !== "end");
  return tokens;
}

class Scanner {
  readonly #text: string;
  readonly #path: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, path: string) {
    this.#text = text;
    this.#path = path;
    if (text.charCodeAt(0) === 0xfeff) this.#at = 1;
  }

  here(): Position {
    return { path: this.#path, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  /** Passes over blanks and comments; returns the comments. */
  skip(): Comment[] {
    const comments: Comment[] = [];
    for (;;) {
      const char = this.#text[this.#at];
      if (char === "\n") this.#newline();
      else if (char === " " || char === "\t" || char === "\r" || char === "\v" || char === "\f") this.#at++;
      else if (char === "/" && this.#text[this.#at + 1] === "/") comments.push(this.#lineComment());
      else if (char === "/" && this.#text[this.#at + 1] === "*") comments.push(this.#blockComment());
      else return comments;
    }
  }

  #newline(): void {
    this.#at++;
    this.#line++;
    this.#lineStart = this.#at;
  }

  #lineComment(): Comment {
    const firstLine = this.#line;
    const end = this.#text.indexOf("\n", this.#at);
    const stop = end === -1 ? this.#text.length : end;
    const text = this.#text.slice(this.#at + 2, stop).replace(/\r$/, "");
    this.#at = stop;
    return { text, firstLine, lastLine: firstLine, isLine: true };
  }

  #blockComment(): Comment {
    const start = this.here();
    const end = this.#text.indexOf("*/", this.#at + 2);
    if (end === -1) refuseAt(start, "the comment is never closed; expected */");
    const text = this.#text.slice(this.#at + 2, end).replace(/\r\n/g, "\n");
    while (this.#at < end + 2) {
      if (this.#text[this.#at] === "\n") this.#newline();
      else this.#at++;
    }
    const lines = text.split("\n").map((line, i) => (i === 0 ? line : line.replace(/^[ \t]*\*?/, "")));
    return { text: lines.join("\n"), firstLine: start.line, lastLine: this.#line, isLine: false };
  }

  token(comments: readonly Comment[], previous: Token | undefined): Token {
    const start = this.here();
    const scanned = this.#scan(start);
    const { leading, detached, trailing } = share(comments, previous, scanned.text, start.line);
    if (previous !== undefined && trailing !== undefined) previous.trailing = trailing;
    return {
      bytes: undefined, value: 0n, ...scanned, line: start.line, column: start.column, leading, detached,
      trailing: undefined,
    };
  }

  #scan(start: Position): Pick<Token, "kind" | "text"> & Partial<Token> {
    const char = this.#text[this.#at];
    if (char === undefined) return { kind: "end", text: "the end of the file" };
    if (/[A-Za-z_]/.test(char)) return { kind: "identifier", text: this.#match(/[A-Za-z0-9_]+/y, start) };
    const isNumber = /[0-9]/.test(char === "." ? this.#text[this.#at + 1] ?? "" : char);
    if (isNumber) return this.#number(start);
    if (char === '"' || char === "'") return this.#string(char, start);
    if (symbols.has(char)) {
      this.#at++;
      return { kind: "symbol", text: char };
    }
    return refuseAt(start, `${JSON.stringify(this.#text.slice(this.#at, this.#at + 1))} begins nothing of .proto`);
  }

  #match(pattern: RegExp, start: Position): string {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#text)?.[0] ?? "";
    if (text.length > sourceLimits.text) refuseAt(start, `longer than ${sourceLimits.text} characters`);
    this.#at += text.length;
    return text;
  }

  #number(start: Position): Pick<Token, "kind" | "text"> & Partial<Token> {
    const text = this.#match(/0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?/y, start);
    if (/[A-Za-z0-9_]/.test(this.#text[this.#at] ?? "")) {
      refuseAt(start, `${JSON.stringify(text + (this.#text[this.#at] ?? ""))} is no number`);
    }
    if (text.length > 1_000) refuseAt(start, "a number of more than 1000 digits");
    if (/^0[xX]/.test(text)) return { kind: "integer", text, value: BigInt(text) };
    if (/^0[0-9]+$/.test(text)) {
      if (/[89]/.test(text)) refuseAt(start, `${text} is no octal number, as which its leading 0 marks it`);
      return { kind: "integer", text, value: BigInt(`0o${text.slice(1)}`) };
    }
    return /^[0-9]+$/.test(text) ? { kind: "integer", text, value: BigInt(text) } : { kind: "float", text };
  }

  #string(quote: string, start: Position): Pick<Token, "kind" | "text"> & Partial<Token> {
    const bytes: number[] = [];
    this.#at++;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || char === "\n") refuseAt(start, `the string is never closed; expected ${quote}`);
      if (bytes.length > sourceLimits.text) refuseAt(start, `a string longer than ${sourceLimits.text} bytes`);
      if (char === quote) break;
      if (char === "\\") this.#escape(bytes);
      else {
        const point = this.#text.codePointAt(this.#at) as number;
        this.#at += point > 0xffff ? 2 : 1;
        pushUtf8(bytes, point);
      }
    }
    this.#at++;
    const whole = Uint8Array.from(bytes);
    return { kind: "string", text: new TextDecoder().decode(whole), bytes: whole };
  }

  #escape(bytes: number[]): void {
    const start = this.here();
    const rest = this.#text.slice(this.#at + 1, this.#at + 10);
    const numeric = /^(?:[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3}))/.exec(rest);
    if (numeric !== null) {
      this.#at += 1 + numeric[0].length;
      const [, hex, short, long, octal] = numeric;
      const point = Number.parseInt(hex ?? short ?? long ?? octal ?? "", octal === undefined ? 16 : 8);
      if (hex !== undefined || octal !== undefined) bytes.push(point & 0xff);
      else if (point > 0x10ffff) refuseAt(start, `\\U${long} is beyond Unicode's last character`);
      else pushUtf8(bytes, point);
      return;
    }
    const value = escapes.get(rest[0] ?? "");
    if (value === undefined) refuseAt(start, `\\${rest[0] ?? ""} is no escape of .proto`);
    bytes.push(value);
    this.#at += 2;
  }
}

const escapes: ReadonlyMap<string, number> = new Map(Object.entries({
  a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, "\\": 92, "'": 39, '"': 34, "?": 63,
}));

function pushUtf8(bytes: number[], point: number): void {
  if (point < 0x80) bytes.push(point);
  else bytes.push(...new TextEncoder().encode(String.fromCodePoint(point)));
}

interface Shared {
  readonly leading: string | undefined;
  readonly detached: string[];
  readonly trailing: string | undefined;
}

/** Shares out the comments between two tokens. */
function share(comments: readonly Comment[], previous: Token | undefined, next: string, line: number): Shared {
  const blocks = toBlocks(comments, previous?.line);
  let trailing: string | undefined;
  const [first] = blocks;
  if (first !== undefined && previous !== undefined) {
    const onItsLine = first.firstLine === previous.line && first.lastLine < line;
    const isApart = blocks.length > 1 || first.lastLine + 1 < line || next === "}" || line === Infinity;
    if (onItsLine || (first.firstLine === previous.line + 1 && isApart)) {
      trailing = first.text;
      blocks.shift();
    }
  }
  let leading: string | undefined;
  const last = blocks.at(-1);
  if (last !== undefined && last.lastLine + 1 >= line && next !== "}") {
    leading = last.text;
    blocks.pop();
  }
  return { leading, detached: blocks.map((block) => block.text), trailing };
}

/** Line comments one below the other are one; but one that stands behind a token on its line is alone. */
function toBlocks(comments: readonly Comment[], previousLine: number | undefined): Comment[] {
  const blocks: Comment[] = [];
  for (const comment of comments) {
    const last = blocks.at(-1);
    const continues = last !== undefined && last.isLine && comment.isLine &&
      last.lastLine + 1 === comment.firstLine && last.firstLine !== previousLine;
    if (continues) {
      blocks[blocks.length - 1] = { ...comment, text: `${last.text}\n${comment.text}`, firstLine: last.firstLine };
    } else blocks.push(comment);
  }
  return blocks;
}
