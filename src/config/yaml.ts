/** A configuration in YAML or JSON: its value, and where each part of it stands. */
import { isAlias, isMap, isNode, isPair, LineCounter, type Node, parseDocument } from "yaml";
import type { Place } from "../discovery/services.ts";
import type { Faults, Located, Position } from "./fault.ts";

/** Aliases may not multiply a small file into a large one. */
const maxAliasCount = 1_000;
/** Deeper than any configuration is. */
const maxDepth = 100;

/** Largest file that is read, in bytes. */
export const maxConfigBytes = 1_048_576;

export interface ParsedText {
  readonly located: Located;
  /** What is wrong with the text itself. */
  readonly complaints: readonly { readonly position: Position; readonly why: string }[];
  /** Mappings are Maps. Undefined where the text could not be read at all. */
  readonly value: unknown;
}

/** Reads a text. Never throws: what is wrong is told. */
export function parseText(text: string, source: string): ParsedText {
  const lines = new LineCounter();
  const unread = (position: Position, why: string): ParsedText => ({
    located: { source, locate: () => undefined }, value: undefined, complaints: [{ position, why }],
  });
  if (text.length > maxConfigBytes) {
    return unread({ line: 1, column: 1 }, `the file has ${text.length} characters; at most ${maxConfigBytes} are read`);
  }
  const deep = tooDeep(text);
  if (deep !== undefined) return unread(deep, `nested deeper than ${maxDepth} levels`);
  try {
    const document = parseDocument(text, {
      lineCounter: lines, prettyErrors: false, uniqueKeys: true, stringKeys: true, logLevel: "silent",
    });
    const positionOf = (offset: number): Position => {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    };
    const root = document.contents;
    const complaints = [...document.errors, ...document.warnings].map(({ pos, message }) =>
      ({ position: positionOf(pos[0]), why: unquoted(message) }));
    const located: Located = {
      source, locate: (place, at) => positionOf(offsetOf(root, place, at)),
    };
    if (complaints.length > 0) return { located, complaints, value: undefined };
    if (root === null) {
      return unread({ line: 1, column: 1 }, "the file is empty; a configuration that says nothing is written `{}`");
    }
    try {
      return { located, complaints, value: document.toJS({ mapAsMap: true, maxAliasCount }) };
    } catch (error) {
      const position = positionOf(firstAlias(root) ?? 0);
      return { located, complaints: [{ position, why: messageOf(error) }], value: undefined };
    }
  } catch (error) {
    return unread({ line: 1, column: 1 }, messageOf(error));
  }
}

/** Tells what is wrong with the text. */
export function complain({ complaints, located }: ParsedText, faults: Faults): void {
  for (const { position, why } of complaints) {
    faults.push({
      source: located.source, ...position, path: "", expected: undefined, found: undefined, meant: undefined, why,
    });
  }
}

function messageOf(error: unknown): string {
  if (error instanceof RangeError) return "it is nested too deeply";
  return error instanceof Error ? unquoted(error.message) : "the file cannot be read";
}

/** The parser's words without what it quotes: where a text is garbled, anything may stand, a secret too. */
function unquoted(message: string): string {
  const [first = ""] = message.split("\n");
  return first.replaceAll(/:?\s*(?:"(?:\\.|[^"\\])*"?|'[^']*'?)/g, "").slice(0, 200).trim() || "it cannot be read";
}

/**
 * Where brackets, or the dashes of lists in lists, nest deeper than any configuration does, before a parser that calls
 * itself goes there. Brackets in quotes and comments count too: a text with a hundred open ones is none of ours.
 */
function tooDeep(text: string): Position | undefined {
  let [line, start, open, dashes, isLeading] = [1, 0, 0, 0, true];
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === "\n") [line, start, dashes, isLeading] = [line + 1, i + 1, 0, true];
    else if (char === "[" || char === "{") open++;
    else if (char === "]" || char === "}") open = Math.max(0, open - 1);
    else if (isLeading && (char === "-" || char === "?")) dashes++;
    else if (char !== " ") isLeading = false;
    if (open > maxDepth || dashes > maxDepth) return { line, column: i - start + 1 };
  }
  return undefined;
}

/** Where in the text a place begins; the nearest thing around it if it has no text of its own. */
function offsetOf(root: unknown, place: Place, at: "key" | "value"): number {
  let offset = startOf(root) ?? 0;
  let node = root;
  for (const [i, step] of place.entries()) {
    const isLast = i === place.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && keyText(item.key).startsWith(String(step)) &&
        (keyText(item.key) === step || String(step).length === 64));
      offset = startOf(pair?.key) ?? offset;
      if (isLast && at === "key") return offset;
      node = pair?.value;
    } else if (isAlias(node)) {
      return offset;
    } else {
      node = (node as { items?: unknown[] } | undefined | null)?.items?.[step as number];
    }
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function keyText(key: unknown): string {
  return String(isNode(key) ? (key as { value?: unknown }).value : key);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}

function firstAlias(node: unknown): number | undefined {
  if (isAlias(node)) return startOf(node);
  const items = (node as { items?: unknown[] } | null)?.items ?? [];
  for (const item of items) {
    const found = firstAlias(isPair(item) ? item.value : item);
    if (found !== undefined) return found;
  }
  return undefined;
}
