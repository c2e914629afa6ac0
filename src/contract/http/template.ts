/**
 * A path template says which paths a method has, and which of their segments are fields of its request:
 * `/v1/{name=shelves/*}/books/{book.id}:archive`.
 */
import { RpcError } from "../../core/error.ts";

/** What stands between two slashes: text, one segment of any text (`*`), or all that follows (`**`). */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "one" }
  | { readonly kind: "rest" };

/** A field of the request, and the segments that it is: `[from, to)` of the template's. */
export interface TemplateVariable {
  /** `["book", "id"]`. */
  readonly field: readonly string[];
  readonly from: number;
  readonly to: number;
  /** Whether its value may hold slashes: it is more than one segment. */
  readonly isMany: boolean;
}

export interface PathTemplate {
  readonly segments: readonly Segment[];
  readonly variables: readonly TemplateVariable[];
  /** What follows the last segment behind a colon. */
  readonly verb: string | undefined;
}

const maxChars = 1_024;
const maxSegments = 64;
const fieldPattern = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/;
/** What a segment may hold unescaped (RFC 3986, `pchar`), without what templates mean something by. */
const literalPattern = /^(?:[A-Za-z0-9\-._~!$&'()+,;@]|%[0-9A-Fa-f]{2})+$/;

/** Reads a template. Throws `invalid_argument` naming `where`, the character and what was expected there. */
export function parseTemplate(text: string, where: string): PathTemplate {
  const fail = (at: number, why: string): RpcError => new RpcError("invalid_argument",
    `rpc: ${where} is ${JSON.stringify(text).slice(0, 128)}: ${why} at character ${at}`);
  if (typeof text !== "string" || !text.startsWith("/")) throw fail(0, "expected a path that begins with /");
  if (text.length > maxChars) throw fail(maxChars, `more than ${maxChars} characters`);
  const segments: Segment[] = [];
  const variables: TemplateVariable[] = [];
  const push = (part: string, at: number): void => {
    if (segments.length >= maxSegments) throw fail(at, `more than ${maxSegments} segments`);
    if (segments.at(-1)?.kind === "rest") throw fail(at, "a segment behind **, which takes all that follows");
    if (part === "*") segments.push({ kind: "one" });
    else if (part === "**") segments.push({ kind: "rest" });
    else if (literalPattern.test(part)) {
      segments.push({ kind: "literal", text: unescaped(part, () => fail(at, "bad %")) });
    } else {
      throw fail(at, part === "" ? "an empty segment" : `${JSON.stringify(part.slice(0, 32))}, which is no segment`);
    }
  };
  let at = 1;
  let verb: string | undefined;
  for (;;) {
    if (text[at] === "{") {
      at = variable(text, at, { segments, variables, push, fail });
    } else {
      const end = endOf(text, at);
      push(text.slice(at, end), at);
      at = end;
    }
    if (at >= text.length) break;
    if (text[at] === ":") {
      verb = text.slice(at + 1);
      if (!literalPattern.test(verb)) throw fail(at + 1, "expected the name of a custom verb");
      break;
    }
    if (text[at] !== "/") throw fail(at, "expected / or :verb");
    at++;
  }
  return { segments, variables, verb };
}

interface Parsing {
  readonly segments: Segment[];
  readonly variables: TemplateVariable[];
  push(part: string, at: number): void;
  fail(at: number, why: string): RpcError;
}

/** Reads `{field}` or `{field=a/*}`; returns the offset behind it. */
function variable(text: string, at: number, parsing: Parsing): number {
  const { segments, variables } = parsing;
  const fail = (where: number, why: string): RpcError => parsing.fail(where, why);
  const close = text.indexOf("}", at);
  if (close < 0) throw fail(at, "a { that nothing closes");
  const inside = text.slice(at + 1, close);
  const equals = inside.indexOf("=");
  const name = equals < 0 ? inside : inside.slice(0, equals);
  if (!fieldPattern.test(name)) throw fail(at + 1, `${JSON.stringify(name.slice(0, 64))}, which is no field`);
  if (variables.some(({ field }) => field.join(".") === name)) throw fail(at + 1, `the field ${name} a second time`);
  const from = segments.length;
  const pattern = equals < 0 ? "*" : inside.slice(equals + 1);
  let offset = at + 1 + (equals < 0 ? 0 : equals + 1);
  for (const part of pattern.split("/")) {
    parsing.push(part, offset);
    offset += part.length + 1;
  }
  const to = segments.length;
  if (segments.slice(from, to).every(({ kind }) => kind === "literal")) {
    throw fail(at + 1, `${name} has a pattern without * or **: it would always be the same`);
  }
  variables.push({ field: name.split("."), from, to, isMany: to - from > 1 || segments[from]?.kind === "rest" });
  return close + 1;
}

/** The template's text with other names for its fields. */
export function renameFields(text: string, rename: (field: readonly string[]) => readonly string[]): string {
  return text.replaceAll(/(?<=\{)[A-Za-z_][A-Za-z0-9_.]*/g, (field) => rename(field.split(".")).join("."));
}

function endOf(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== "/" && text[at] !== ":" && text[at] !== "{") at++;
  return at;
}

function unescaped(part: string, refuse: () => RpcError): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refuse();
  }
}

/** The template without the names of its fields: two that are equal take the same paths. */
export function shapeOf({ segments, verb }: PathTemplate): string {
  const parts = segments.map((one) => (one.kind === "literal" ? encodeURIComponent(one.text)
    : one.kind === "one" ? "*" : "**"));
  return `/${parts.join("/")}${verb === undefined ? "" : `:${verb}`}`;
}
