/**
 * Where the keys of a configuration stand in a module (`meridian.config.ts`), so that its faults have lines too.
 *
 * The text is scanned, not understood: strings, comments and brackets are told apart, and keys are followed through the
 * object literal that `defineConfig(` or `export default` begins. What comes from elsewhere (a variable, a spread, a
 * function) has no place of its own there, and the nearest key around it is named.
 */
import type { Place } from "../discovery/services.ts";
import type { Located, Position } from "./fault.ts";

type Token = { readonly text: string; readonly offset: number; readonly kind: "word" | "string" | "mark" };

/** Longest module that is scanned, in characters. */
const maxChars = 1_048_576;
const comments = /\/\/[^\n]*|\/\*[\s\S]*?\*\//;
const strings = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/;
const tokens = new RegExp(`${comments.source}|${strings.source}|[\\w$]+|\\S`, "g");

/** Finds places in the text of a module. */
export function locateInScript(text: string, source: string): Located {
  const found = text.length > maxChars ? [] : scan(text);
  const start = rootOf(found);
  return {
    source,
    locate: (place) => (start === undefined ? undefined : positionOf(text, follow(found, start, place))),
  };
}

function scan(text: string): Token[] {
  const found: Token[] = [];
  for (const { 0: token, index: offset } of text.matchAll(tokens)) {
    if (token.startsWith("//") || token.startsWith("/*")) continue;
    const isString = /^["'`]/.test(token);
    const kind = isString ? "string" : /^[\w$]/.test(token) ? "word" : "mark";
    found.push({ text: isString ? token.slice(1, -1) : token, offset, kind });
  }
  return found;
}

/** The index of the brace that begins the configuration. */
function rootOf(found: readonly Token[]): number | undefined {
  const call = found.findIndex(({ text, kind }, i) =>
    kind === "word" && text === "defineConfig" && found[i + 1]?.text === "(");
  const from = call !== -1 ? call : found.findIndex(({ text, kind }, i) =>
    kind === "word" && text === "default" && found[i - 1]?.text === "export");
  if (from === -1) return undefined;
  const brace = found.findIndex(({ text, kind }, i) => i > from && kind === "mark" && text === "{");
  return brace === -1 ? undefined : brace;
}

/** The offset of the last step of a place that stands in the text. */
function follow(found: readonly Token[], root: number, place: Place): number {
  let at = root;
  let offset = found[root]?.offset ?? 0;
  for (const step of place) {
    const entry = typeof step === "number" ? itemOf(found, at, step) : valueOf(found, at, step);
    if (entry === undefined) return offset;
    offset = found[entry.key]?.offset ?? offset;
    at = entry.value;
  }
  return offset;
}

interface Entry {
  /** Indexes of tokens: of the key (of a list, of the item), and of what stands there. */
  readonly key: number;
  readonly value: number;
}

/** The value of a key of the object that begins at `at`. */
function valueOf(found: readonly Token[], at: number, key: string): Entry | undefined {
  if (found[at]?.text !== "{" || found[at].kind !== "mark") return undefined;
  let depth = 0;
  for (let i = at; i < found.length; i++) {
    const { text, kind } = found[i] as Token;
    if (kind === "mark" && "{[(".includes(text)) depth++;
    else if (kind === "mark" && "}])".includes(text) && --depth === 0) return undefined;
    const begins = depth === 1 && (i === at + 1 || found[i - 1]?.text === "," || i - 1 === at);
    if (!begins || kind === "mark" || text !== key) continue;
    return { key: i, value: found[i + 1]?.text === ":" ? i + 2 : i };
  }
  return undefined;
}

/** One item of the list that begins at `at`. */
function itemOf(found: readonly Token[], at: number, index: number): Entry | undefined {
  if (found[at]?.text !== "[" || found[at].kind !== "mark") return undefined;
  let [depth, item] = [0, 0];
  for (let i = at; i < found.length; i++) {
    const { text, kind } = found[i] as Token;
    if (kind === "mark" && "{[(".includes(text)) depth++;
    else if (kind === "mark" && "}])".includes(text) && --depth === 0) return undefined;
    else if (kind === "mark" && text === "," && depth === 1) item++;
    const begins = i === at ? index === 0 : depth === 1 && text === "," && item === index;
    if (begins && found[i + 1] !== undefined) return { key: i + 1, value: i + 1 };
  }
  return undefined;
}

function positionOf(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}
