/** A pattern is exact text, or a prefix that ends in `*`; of a list, one must match. */

export type Patterns = string | readonly string[];

/** Whether a text fits; an absent one never does. */
export type Fits = (text: string | undefined) => boolean;

/** Compiles patterns: exact ones cost one look-up however many there are, prefixes one comparison each. */
export function compilePatterns(patterns: Patterns): Fits {
  const all = typeof patterns === "string" ? [patterns] : patterns;
  const exact = all.filter((pattern) => !pattern.endsWith("*"));
  const prefixes = all.filter((pattern) => pattern.endsWith("*")).map((pattern) => pattern.slice(0, -1));
  if (prefixes.length === 0 && exact.length === 1) {
    const [only] = exact;
    return (text) => text === only;
  }
  const set = new Set(exact);
  return (text) => text !== undefined && (set.has(text) || prefixes.some((prefix) => text.startsWith(prefix)));
}
