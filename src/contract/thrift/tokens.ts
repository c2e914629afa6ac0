/** The words of a `.thrift` file, with their places and the doc comments before them. */
import { RpcError } from "../../core/error.ts";

/** Where something stands in a file; both count from 1. */
export interface Position {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

/** Throws `invalid_argument`: `tutorial.thrift:3:7: expected a name, found "}"`. */
export function refuseAt({ path, line, column }: Position, why: string): never {
  throw new RpcError("invalid_argument", `${path}:${line}:${column}: ${why}`);
}

export type TokenKind = "name" | "int" | "double" | "text" | "sign" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** As written; of a text, what it says. */
  readonly text: string;
  readonly position: Position;
  /** The doc comment that stands before it. */
  readonly doc: string | undefined;
}

/** Largest file that is read, in characters. */
export const maxThriftChars = 8 << 20;

const pattern = new RegExp([
  String.raw`(?<blank>[ \t\r\n\uFEFF]+|//[^\n]*|#[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)`,
  String.raw`(?<double>[+-]?(?:\d+\.\d+(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+))`,
  String.raw`(?<int>[+-]?0[xX][0-9A-Fa-f]+|[+-]?\d+)`,
  String.raw`(?<name>[A-Za-z_](?:\.?[A-Za-z0-9_-])*)`,
  String.raw`(?<text>"(?:[^"\\]|\\[^])*"|'(?:[^'\\]|\\[^])*')`,
  String.raw`(?<sign>[{}()\[\]<>=:;,*&])`,
].join("|"), "gy");

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "'": "'", "\\": "\\" };

/** Splits a file into its words; the last is its end. Throws for what is no word of Thrift. */
export function tokensOf(source: string, path: string): readonly Token[] {
  if (source.length > maxThriftChars) {
    throw new RpcError("invalid_argument",
      `${path} has ${source.length} characters; at most ${maxThriftChars} are read`);
  }
  const tokens: Token[] = [];
  let [at, line, lineStart] = [0, 1, 0];
  let doc: string | undefined;
  const here = (): Position => ({ path, line, column: at - lineStart + 1 });
  pattern.lastIndex = 0;
  while (at < source.length) {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found === null) {
      const isOpen = source.startsWith("/*", at) || /["']/.test(source[at] as string);
      refuseAt(here(), isOpen ? "a comment or a text that has no end"
        : `${JSON.stringify(String.fromCodePoint(source.codePointAt(at) as number))} is no word of Thrift`);
    }
    const [whole] = found;
    const { blank, double, int, name, text } = found.groups as Record<string, string | undefined>;
    if (blank === undefined) {
      const kind = double !== undefined ? "double" : int !== undefined ? "int" : name !== undefined ? "name"
        : text !== undefined ? "text" : "sign";
      const position = here();
      tokens.push({ kind, text: kind === "text" ? unquoted(whole, position) : whole, position, doc });
      doc = undefined;
    } else if (blank.startsWith("/**") && blank.length > 4) {
      doc = docText(blank);
    }
    for (let next = whole.indexOf("\n"); next !== -1; next = whole.indexOf("\n", next + 1)) {
      line++;
      lineStart = at + next + 1;
    }
    at += whole.length;
  }
  tokens.push({ kind: "end", text: "", position: here(), doc });
  return tokens;
}

function unquoted(text: string, position: Position): string {
  return text.slice(1, -1).replaceAll(/\\([^])/g, (_, char: string) =>
    escapes[char] ?? refuseAt(position, `\\${char} is no escape of Thrift (known: \\n \\r \\t \\" \\' \\\\)`));
}

/** What a comment says, without its stars. */
function docText(comment: string): string | undefined {
  const lines = comment.slice(3, -2).split("\n").map((line, i) =>
    (i === 0 ? line.trim() : line.replace(/^\s*\*? ?/, "").trimEnd()));
  while (lines[0] === "") lines.shift();
  while (lines.at(-1)?.trim() === "") lines.pop();
  return lines.length === 0 ? undefined : lines.join("\n");
}
