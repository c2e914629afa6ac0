/** Takes Avro IDL apart into words, numbers, texts and signs; doc comments stay with what follows them. */
import { RpcError } from "../../core/error.ts";

export interface IdlToken {
  readonly kind: "word" | "number" | "string" | "sign" | "end";
  /** Of a string, what it says. */
  readonly text: string;
  readonly line: number;
  /** The doc comment before it. */
  readonly doc: string | undefined;
  /** Whether a word stood in backquotes, so that it is a name whatever it says. */
  readonly isQuoted: boolean;
}

const pattern = new RegExp([
  String.raw`(?<space>\s+)`, String.raw`(?<comment>\/\/[^\n]*|\/\*[^]*?\*\/)`,
    String.raw`(?<string>"(?:[^"\\\n]|\\.)*")`,
  String.raw`(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)`, "(?<quoted>`[^`\\n]+`(?:\\.[A-Za-z_`][\\w`]*)*)",
  String.raw`(?<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)`, String.raw`(?<sign>[{}()<>\[\];:,=@?\-])`,
].join("|"), "uy");

const maxTokens = 1_000_000;

export function tokenizeIdl(text: string, file: string): readonly IdlToken[] {
  const tokens: IdlToken[] = [];
  let line = 1;
  let doc: string | undefined;
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const from = pattern.lastIndex;
    const found = pattern.exec(text)?.groups;
    if (found === undefined || tokens.length > maxTokens) {
      throw new RpcError("invalid_argument",
        `${file}:${line}: ${JSON.stringify(text.slice(from, from + 16))} is nothing that Avro IDL knows`);
    }
    const { space, comment, string, number, quoted, word, sign = "" } = found;
    const of = (kind: IdlToken["kind"], said: string, isQuoted = false) => {
      tokens.push({ kind, text: said, line, doc, isQuoted });
      doc = undefined;
    };
    if (comment?.startsWith("/**") === true && comment.length > 4) doc = docOf(comment);
    else if (string !== undefined) of("string", textOf(string, file, line));
    else if (number !== undefined) of("number", number);
    else if (quoted !== undefined) of("word", quoted.replaceAll("`", ""), true);
    else if (word !== undefined) of("word", word);
    else if (space === undefined && comment === undefined) of("sign", sign);
    line += text.slice(from, pattern.lastIndex).split("\n").length - 1;
  }
  tokens.push({ kind: "end", text: "", line, doc, isQuoted: false });
  return tokens;
}

function textOf(quoted: string, file: string, line: number): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw new RpcError("invalid_argument", `${file}:${line}: ${quoted.slice(0, 40)} is no text: only JSON's escapes`);
  }
}

function docOf(comment: string): string {
  return comment.slice(3, -2).split("\n").map((line) => line.trim().replace(/^\* ?/, "")).join("\n").trim();
}
