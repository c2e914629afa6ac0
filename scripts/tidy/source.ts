// A file as the style rules see it: its text, its text with comments and strings blanked, and its imports.

export interface SourceFile {
  /** Path from the repository root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Finding {
  readonly path: string;
  /** From 1; 0 when the finding is about the whole file. */
  readonly line: number;
  readonly message: string;
}

export interface Import {
  readonly specifier: string;
  /** True when nothing of it is left at run time. */
  readonly typeOnly: boolean;
  /** True for import("…"), which is loaded on use and so makes no cycle. */
  readonly dynamic: boolean;
  readonly line: number;
}

export const isTypeScript = (path: string): boolean => path.endsWith(".ts");
export const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.startsWith("test/");
/** What ships: the rules on architecture hold here, and only here. */
export const isProduct = (path: string): boolean =>
  path.startsWith("src/") && isTypeScript(path) && !isTest(path);

export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i !== -1 && i < index; i = text.indexOf("\n", i + 1)) line += 1;
  return line;
}

// Names between the keyword and `from`; another declaration's keyword means the statement ended.
const names = String.raw`(?:(?!\b(?:import|export|interface|class|function)\b)[\w$*{}\s,])*?`;
const staticPattern = new RegExp(
  String.raw`(?<![\w$.])(?:import|export)\s+(type\s)?(?:${names}(?<=[\s}*])from\s*)?["']([^"'\n]+)["']`,
  "g",
);
const dynamicPattern = /(?<![\w$.])import\(\s*["']([^"'\n]+)["']\s*\)/g;

export function importsOf(text: string): Import[] {
  const withStrings = blank(text, { strings: false });
  // A keyword inside a string (generated code, a fixture) is no import: there, this one is blank.
  const code = blank(text);
  const found: Import[] = [];
  for (const match of withStrings.matchAll(staticPattern)) {
    if (code[match.index] === " ") continue;
    const [whole, type, specifier = ""] = match;
    const line = lineAt(code, match.index + whole.length);
    found.push({ specifier, typeOnly: type !== undefined, dynamic: false, line });
  }
  for (const match of withStrings.matchAll(dynamicPattern)) {
    if (code[match.index] === " ") continue;
    const specifier = match[1] ?? "";
    found.push({ specifier, typeOnly: false, dynamic: true, line: lineAt(code, match.index) });
  }
  return found;
}

/**
 * The text with comments (and strings, unless told otherwise) replaced by spaces. Lines and columns
 * stay where they were. A scan, not a parser: enough to keep words in prose from looking like code.
 */
export function blank(text: string, { strings }: { strings: boolean } = { strings: true }): string {
  const out: string[] = [];
  // For each open `${` the number of braces open inside it.
  const templates: number[] = [];
  let lastSignificant = "";
  let i = 0;

  const take = (end: number, keep: boolean) => {
    const part = text.slice(i, end);
    out.push(keep ? part : part.replace(/[^\n]/g, " "));
    i = end;
  };

  while (i < text.length) {
    const char = text[i] ?? "";
    const pair = text.slice(i, i + 2);
    const depth = templates.at(-1);
    if (pair === "//") take(endOf(text, "\n", i), false);
    else if (pair === "/*") take(afterOf(text, "*/", i + 2), false);
    else if (char === '"' || char === "'") {
      take(afterQuote(text, i), !strings);
      lastSignificant = '"';
    } else if (char === "`" || (char === "}" && depth === 0)) {
      if (char === "}") templates.pop();
      const end = afterTemplateText(text, i + 1);
      if (text[end - 1] === "{") templates.push(0);
      take(end, !strings);
      lastSignificant = text[end - 1] === "{" ? "{" : '"';
    } else if (char === "/" && startsRegExp(lastSignificant)) {
      take(afterRegExp(text, i), !strings);
      lastSignificant = '"';
    } else {
      if (depth !== undefined && char === "{") templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && char === "}") templates[templates.length - 1] = depth - 1;
      const word = /^[\w$]+/.exec(text.slice(i, i + 60))?.[0] ?? char;
      if (word.trim() !== "") lastSignificant = word;
      take(i + word.length, true);
    }
  }
  return out.join("");
}

/** After a value a slash divides; after an operator, a bracket or a keyword it opens a pattern. */
function startsRegExp(previous: string): boolean {
  if (/^(return|typeof|case|in|of|do|else|void|throw|yield|await)$/.test(previous)) return true;
  return !/^[\w$)\]"]/.test(previous);
}

function endOf(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at === -1 ? text.length : at;
}

function afterOf(text: string, what: string, from: number): number {
  return Math.min(endOf(text, what, from) + what.length, text.length);
}

function afterQuote(text: string, start: number): number {
  const quote = text[start];
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === quote || text[i] === "\n") return i + 1;
  }
  return text.length;
}

/** The end of a template's text: after its closing backquote or after the next `${`. */
function afterTemplateText(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === "`") return i + 1;
    else if (text[i] === "$" && text[i + 1] === "{") return i + 2;
  }
  return text.length;
}

function afterRegExp(text: string, start: number): number {
  let inClass = false;
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i];
    if (char === "\\") i += 1;
    else if (char === "\n") return i;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "/" && !inClass) return i + 1;
  }
  return text.length;
}
