/**
 * A pattern is exact text, or text with `*`: at its end for anything that follows, elsewhere for anything within one
 * segment between slashes. Of a list, one must match.
 */
export type Patterns = string | readonly string[];

/** Whether a text fits; an absent one never does. */
export type Fits = (text: string | undefined) => boolean;

/** Most `*` of one pattern: each multiplies what a comparison may cost. */
export const maxStars = 4;

/** Compiles patterns: exact ones cost one look-up however many there are. */
export function compilePatterns(patterns: Patterns): Fits {
  const all = typeof patterns === "string" ? [patterns] : patterns;
  const exact = new Set(all.filter((one) => !one.includes("*")));
  const prefixes = all.filter((one) => one.indexOf("*") === one.length - 1).map((one) => one.slice(0, -1));
  const others = all.filter((one) => one.includes("*") && one.indexOf("*") < one.length - 1).map(globOf);
  if (exact.size === 1 && all.length === 1) return (text) => text === all[0];
  return (text) => text !== undefined && (exact.has(text) ||
    prefixes.some((prefix) => text.startsWith(prefix)) || others.some((one) => one(text)));
}

/** Not by a regular expression, whose time a caller could multiply by the name that he shows. */
function globOf(pattern: string): (text: string) => boolean {
  const segments = pattern.split("/");
  const isOpen = pattern.endsWith("*");
  return (text) => {
    const found = text.split("/");
    if (isOpen ? found.length < segments.length : found.length !== segments.length) return false;
    return segments.every((segment, index) => isLike(segment, found[index] as string));
  };
}

/** Whether `text` is like `glob`, in which each `*` is any run: by going back to the last star alone. */
function isLike(glob: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let i = 0; i < text.length;) {
    if (at < glob.length && glob[at] === "*") {
      star = at++;
      resume = i;
    } else if (at < glob.length && glob[at] === text[i]) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++resume;
    } else {
      return false;
    }
  }
  while (glob[at] === "*") at++;
  return at === glob.length;
}
