/** The discovery file: YAML or JSON in, endpoints out, and a line and column with every complaint. */
import { isMap, isNode, isPair, LineCounter, type Node, parseDocument } from "yaml";
import { RpcError } from "../core/error.ts";
import { parseJson } from "./fast-json.ts";
import { didYouMean } from "./nearest.ts";
import { describe, describePlace, type Place, readServices, type Refuse, type Services } from "./services.ts";

/** Aliases may not multiply a small file into a large one. */
const maxAliasCount = 1000;

/** Throws `invalid_argument`: `path:line:column: what is wrong, what was expected`. */
export function parseServices(text: string, path: string, maxEndpoints: number): Services {
  return parseQuickly(text, maxEndpoints) ?? parseExactly(text, path, maxEndpoints);
}

/** Undefined unless the text is JSON without fault: what is wrong with it, and where, is for the other to say. */
function parseQuickly(text: string, maxEndpoints: number): Services | undefined {
  const root = parseJson(text);
  if (typeof root !== "object" || root === null || Object.keys(root).join() !== "services") return undefined;
  try {
    return readServices((root as { services: unknown }).services, ["services"], maxEndpoints, () => {
      throw fault;
    });
  } catch (error) {
    if (error === fault) return undefined;
    throw error;
  }
}

const fault = new Error("the text has a fault");

function parseExactly(text: string, path: string, maxEndpoints: number): Services {
  return readDocument({ text, path, key: "services", expected: "a mapping below it",
    empty: "nobody serving a name is written `name: []`" },
    (value, refuse) => readServices(value, ["services"], maxEndpoints, refuse));
}

/** A file of ours: one mapping with one key. */
export interface DocumentFile {
  readonly text: string;
  /** What messages call the file. */
  readonly path: string;
  /** Its one key. */
  readonly key: string;
  /** What belongs below the key, for messages: "a list below it". */
  readonly expected: string;
  /** What to write instead of an empty file. */
  readonly empty: string;
}

/**
 * Reads a file of YAML, which JSON is too, by `read`, which gets what is below the file's key. Every complaint, also
 * those of `read`, is an `invalid_argument`: `path:line:column: place: what is wrong, what was expected`.
 */
export function readDocument<T>({ text, path, key, expected, empty }: DocumentFile,
  read: (value: unknown, refuse: Refuse) => T): T {
  const lines = new LineCounter();
  const refuseAt = (offset: number, what: string): never => {
    const { line, col } = lines.linePos(offset);
    throw new RpcError("invalid_argument", `${path}:${line}:${col}: ${what}`, { phase: "resolve" });
  };
  const document = parseDocument(text, {
    lineCounter: lines, prettyErrors: false, uniqueKeys: true, stringKeys: true, logLevel: "silent",
  });
  const complaint = document.errors[0] ?? document.warnings[0];
  if (complaint !== undefined) refuseAt(complaint.pos[0], complaint.message.split("\n")[0] ?? "malformed");
  if (document.contents === null) refuseAt(0, `the file is empty; ${empty}`);

  const refuse = (place: Place, what: string, at: "key" | "value" = "value"): never => {
    const where = describePlace(at === "key" ? place.slice(0, -1) : place);
    return refuseAt(offsetOf(document.contents, place, at), where === "" ? what : `${where}: ${what}`);
  };
  let root: unknown;
  try {
    root = document.toJS({ mapAsMap: true, maxAliasCount });
  } catch (cause) {
    refuseAt(0, cause instanceof Error ? cause.message : "the file cannot be read");
  }
  if (!(root instanceof Map)) {
    return refuse([], `expected "${key}:" with ${expected}, found ${describe(root)}`);
  }
  // Keys are text: the parser was told so.
  for (const word of (root as Map<string, unknown>).keys()) {
    if (word === key) continue;
    const meant = didYouMean(word, [key]) || `; the only one is "${key}"`;
    refuse([word], `unknown key ${JSON.stringify(word.slice(0, 64))}${meant}`, "key");
  }
  return read((root as Map<string, unknown>).get(key), refuse);
}

/** Where in the text a place begins; the nearest thing around it if it has no text of its own. */
function offsetOf(root: unknown, place: Place, at: "key" | "value"): number {
  let offset = startOf(root) ?? 0;
  let node = root;
  for (const [i, step] of place.entries()) {
    const isLast = i === place.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && keyText(item.key) === step);
      offset = startOf(pair?.key) ?? offset;
      if (isLast && at === "key") return offset;
      node = pair?.value;
    } else {
      node = (node as { items?: unknown[] } | undefined)?.items?.[step as number];
    }
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function keyText(key: unknown): unknown {
  return isNode(key) ? (key as { value?: unknown }).value : key;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}
