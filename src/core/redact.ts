/**
 * Redaction takes what is nobody's business out of what is written down: values under names of secrets, and credentials
 * that stand in a text.
 */
import { Secret } from "./secret.ts";

export interface RedactionOptions {
  /**
   * Further names: exact, or with `*` at their beginning or end. Beside `*-authorization`, `*-cookie`, `credentials`,
   * `*-password`, `*-secret`, `*-token` and `*-key`, also without what stands before. Case does not count, nor whether
   * words are joined by `-`, `_`, `.` or by capitals.
   */
  readonly names?: readonly string[] | undefined;
  /** Names that look like secrets and are none, e.g. `route-key`. Beside `route-key` and `idempotency-key`. */
  readonly except?: readonly string[] | undefined;
}

export interface Redaction {
  /** Whether values under this name are hidden. */
  hides(name: string): boolean;
  /** A text without credentials: `Bearer …`, `Basic …`, tokens of JWT's form, passwords in URLs, private keys. */
  text(text: string): string;
  /** A copy of any value, as it may be written down; at most so deep and so many entries. */
  value(value: unknown): unknown;
}

/** What stands in the place of what is hidden. */
export const redacted = "[redacted]";

const secretNames = [
  "authorization", "proxy-authorization", "cookie", "set-cookie", "password", "passwd", "secret", "token", "credential",
  "credentials", "*-token", "*-key", "*-secret", "*-password", "*-authorization", "*-cookie", "api-key", "apikey",
];
const plainNames = ["route-key", "idempotency-key", "routing-key", "public-key", "partition-key"];

/** Deepest nesting, most entries of one collection. */
const [maxDepth, maxEntries] = [16, 1_000];
/** Names that are remembered: mostly the same few come again. */
const maxNames = 2_000;

/** Makes a redaction. */
export function redact(options: RedactionOptions = {}): Redaction {
  const hidden = [...secretNames, ...options.names ?? []].map(fitting);
  const shown = [...plainNames, ...options.except ?? []].map(fitting);
  const known = new Map<string, boolean>();
  const hides = (name: string): boolean => {
    let is = known.get(name);
    if (is === undefined) {
      const words = wordsOf(name);
      is = hidden.some((fits) => fits(words)) && !shown.some((fits) => fits(words));
      if (known.size >= maxNames) known.clear();
      known.set(name, is);
    }
    return is;
  };
  const copy = (value: unknown, within: readonly unknown[]): unknown => {
    if (typeof value === "string") return withoutCredentials(value);
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Secret) return String(value);
    if (value instanceof Error) return withoutCredentials(value.message);
    if (value instanceof Date || ArrayBuffer.isView(value)) return value;
    if (within.includes(value)) return "[circular]";
    if (within.length >= maxDepth) return "[deep]";
    const inside = [...within, value];
    if (Array.isArray(value)) return value.slice(0, maxEntries).map((one: unknown) => copy(one, inside));
    if (value instanceof Set) return copy([...(value as Set<unknown>)], within);
    const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
    const shown = entries.slice(0, maxEntries).map(([name, one]): [string, unknown] =>
      [String(name), one !== undefined && hides(String(name)) ? redacted : copy(one, inside)]);
    return value instanceof Map ? shown : Object.fromEntries(shown);
  };
  return { hides, text: withoutCredentials, value: (value) => copy(value, []) };
}

/** `accessToken`, `access_token` and `Access-Token` are one name. */
function wordsOf(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1-$2").replace(/[_.\s]/g, "-").toLowerCase();
}

function fitting(pattern: string): (words: string) => boolean {
  const words = wordsOf(pattern);
  if (words.startsWith("*") && words.endsWith("*") && words.length > 1) {
    const part = words.slice(1, -1);
    return (name) => name.includes(part);
  }
  if (words.startsWith("*")) {
    const end = words.slice(1);
    return (name) => name.endsWith(end);
  }
  if (words.endsWith("*")) {
    const start = words.slice(0, -1);
    return (name) => name.startsWith(start);
  }
  return (name) => name === words;
}

/** Whether it is worth looking: most texts have nothing of the kind. */
const suspicious = /bearer |basic |eyJ|:\/\/|-----BEGIN/i;

function withoutCredentials(text: string): string {
  if (!suspicious.test(text)) return text;
  return text
    .replace(/\b(bearer|basic) +[\w.~+/=-]+/gi, `$1 ${redacted}`)
    .replace(/\beyJ[\w-]{5,}\.[\w-]*\.?[\w-]*/g, redacted)
    .replace(/(:\/\/[^\s/:@]*):[^\s/@]+@/g, `$1:${redacted}@`)
    .replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g, redacted);
}
