/** `complaint` makes one readable error of what a validation found wrong. */
import { RpcError } from "../core/error.ts";
import type { StandardIssue } from "./standard.ts";

/** An issue of Standard Schema, with what Zod adds. */
export interface Issue extends StandardIssue {
  readonly code?: string;
  /** Of each variant of a union. */
  readonly errors?: readonly (readonly Issue[])[];
  /** Of a record's key or a map's element. */
  readonly issues?: readonly Issue[];
}

/** Most issues that one message lists, and lengths in characters. */
const limits = { issues: 10, issue: 300, value: 64, segment: 64, path: 200 } as const;

/**
 * `input.address.zip: expected string, received number (13)`; further issues after semicolons. The code is
 * `invalid_argument`, the phase `validate`. What stands at a path that `hides` knows is not repeated.
 */
export function complaint(
  label: string, value: unknown, issues: readonly Issue[],
  hides: (path: readonly PropertyKey[]) => boolean = () => false,
): RpcError {
  const listed = issues.slice(0, limits.issues).map((issue) => describeIssue(label, value, issue, hides));
  const more = issues.length > listed.length ? `; and ${issues.length - listed.length} more` : "";
  const message = listed.length === 0 ? `${label} is not valid` : listed.join("; ") + more;
  return new RpcError("invalid_argument", message, { phase: "validate" });
}

function describeIssue(
  label: string, root: unknown, issue: Issue, hides: (path: readonly PropertyKey[]) => boolean,
): string {
  const path = (issue.path ?? []).map((part) => (typeof part === "object" ? part.key : part));
  if (hides(path)) return `${describePath(label, path)}: not valid, received [redacted]`;
  const came = describeValue(valueAt(root, path));
  return `${describePath(label, path)}: ${describeText(issue, came)}`;
}

function describeText(issue: Issue, came: string): string {
  const inner = issue.issues?.[0];
  const text = cut(issue.message.replace(/^[A-Z][a-z ]+: (?=expected )/, ""), limits.issue);
  if (issue.code === "unrecognized_keys") return text;
  if (inner !== undefined) return `${text}: ${cut(inner.message, limits.issue)}`;
  if (issue.code === "invalid_union" && (issue.errors?.length ?? 0) > 0) {
    return `fits none of the ${issue.errors?.length} variants${closest(issue.errors ?? [])}, received ${came}`;
  }
  return `${text.replace(/, received [^,]*$/, "")}, received ${came}`;
}

/** The complaint of the variant that got furthest: the one that was probably meant. */
function closest(errors: readonly (readonly Issue[])[]): string {
  const depth = (issues: readonly Issue[]) => Math.max(...issues.map((issue) => issue.path?.length ?? 0));
  const candidates = errors.filter((issues) => issues.length > 0 && depth(issues) > 0);
  const [best] = candidates.sort((a, b) => depth(b) - depth(a) || a.length - b.length);
  const issue = best?.[0];
  if (issue === undefined) return "";
  const path = (issue.path ?? []).map((part) => (typeof part === "object" ? part.key : part));
  return ` (nearest: ${describePath("", path)}: ${cut(issue.message, limits.issue)})`;
}

/** `input.items[3].name`. */
function describePath(label: string, path: readonly PropertyKey[]): string {
  let text = label;
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (typeof part === "string" && /^[A-Za-z_$][\w$]*$/.test(part)) text += `.${cut(part, limits.segment)}`;
    else text += `[${JSON.stringify(cut(String(part), limits.segment))}]`;
    if (text.length > limits.path) return cut(text, limits.path);
  }
  return text.replace(/^\./, "");
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let at = root;
  for (const part of path) {
    if (typeof at !== "object" || at === null) return undefined;
    if (at instanceof Map) at = at.get(part);
    else at = Object.hasOwn(at, part) ? (at as Record<PropertyKey, unknown>)[part] : undefined;
  }
  return at;
}

/** The type of what came, with a value of at most 64 characters. */
function describeValue(value: unknown): string {
  switch (typeof value) {
    case "string": return `string (${JSON.stringify(cut(value, limits.value - 2))})`;
    case "number": case "boolean": return `${typeof value} (${value})`;
    case "bigint": return `bigint (${cut(String(value), limits.value)})`;
    case "object": return describeObject(value);
    case "undefined": case "function": case "symbol": default: return typeof value;
  }
}

function describeObject(value: object | null): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `array (${value.length} items)`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : `Date (${value.toISOString()})`;
  if (ArrayBuffer.isView(value)) return `bytes (${value.byteLength} bytes)`;
  if (value instanceof Map) return `Map (${value.size} entries)`;
  return `object (${cut(Object.keys(value).slice(0, limits.issues).join(", "), limits.value) || "empty"})`;
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
