// Rules on one file's text: what it may name, how long it may be, what may not be left in it.
import { folderOf } from "./imports.ts";
import { blank, type Finding, isProduct, isTest, isTypeScript, lineAt, type SourceFile } from "./source.ts";

const limits = { fileLines: 500, functionLines: 70, columns: 120 };

interface Ban {
  readonly pattern: RegExp;
  readonly message: string;
}

/** Only Runtime knows the time, rolls dice or touches the process; see docs/ARCHITECTURE.md. */
const worldBans: readonly Ban[] = [
  "Date.now", "performance.now", "Math.random", "crypto.randomUUID", "crypto.getRandomValues",
  "AbortSignal.timeout", "process.nextTick",
  "setTimeout", "setInterval", "setImmediate",
].map((name) => ({
  pattern: new RegExp(String.raw`(?<![\w$.]|globalThis\.)(?:globalThis\.)?${name.replace(".", "\\.")}\b`, "g"),
  message: `${name} outside src/runtime/node and src/cli: take it from Runtime`,
}));
const shapeBans: readonly Ban[] = [
  ban(/(?<![\w$.])new Date\(\s*\)/g, "new Date() reads the time: take it from Runtime's clock"),
  ban(/(?<![\w$.])fetch\(/g, "fetch( outside src/runtime/node and src/cli: take it from Runtime"),
  ban(/(?<![\w$.])process\.(?!nextTick)/g, "process. outside src/runtime/node and src/cli"),
  ban(/(?<![\w$.])console\./g, "console. outside src/runtime/node and src/cli: use telemetry"),
];
const mayTouchTheWorld = new Set(["runtime/node", "runtime/web", "cli"]);

/** tsc refuses these too (erasableSyntaxOnly); this says it before tsc runs, in plain words. */
const syntaxBans: readonly Ban[] = [
  ban(/^[ \t]*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s+\w+/gm, "no enum: use a union of literals"),
  ban(/^[ \t]*(?:export\s+)?(?:declare\s+)?namespace\s+\w+/gm, "no namespace: use a module"),
  ban(
    /\bconstructor\s*\([^)]*\b(?:public|private|protected|readonly)\s+\w/g,
    "no parameter property: declare the field",
  ),
];
const nameBans: readonly Ban[] = [
  ban(/\b[A-Za-z_$][\w$]*(?:Manager|Helper|Impl)\b/g, "a name is a concept: no Manager, Helper, Impl"),
  ban(/\b(?:utils|[A-Za-z_$][\w$]*Utils)\b/g, "a name is a concept: no utils"),
];
const testBans: readonly Ban[] = [
  ban(/(?<![\w$.])(?:test|it|describe|suite)\.(?:only|skip)\(/g, "no test left out; t.skip(reason) says why"),
];
// Spelt so that this file does not hold what it looks for.
const leftOpen = ban(new RegExp(String.raw`\b(?:TO${""}DO|FIX${""}ME)\b`, "g"), "finish it, or write an issue");
const badFileName = /(?:^|[-_.])(?:utils?|helpers?|managers?|impl)(?:[-_.]|$)/i;

export function checkText(file: SourceFile): Finding[] {
  const { path, text } = file;
  if (!isTypeScript(path)) return [];
  const code = blank(text);
  const found: Finding[] = [...lengths(file)];
  const apply = (bans: readonly Ban[], where: string) => {
    for (const { pattern, message } of bans) {
      for (const { index } of where.matchAll(pattern)) found.push({ path, line: lineAt(text, index), message });
    }
  };

  if (badFileName.test(path.split("/").at(-1) ?? "")) {
    found.push({ path, line: 0, message: "a file name is a concept: no utils, Manager, Helper, Impl" });
  }
  apply(nameBans, code);
  if (isProduct(path) || isTest(path)) {
    apply(testBans, code);
    apply([leftOpen], text);
  }
  if (!isProduct(path)) return found;

  apply(syntaxBans, code);
  if (!mayTouchTheWorld.has(folderOf(path))) apply([...worldBans, ...shapeBans], code);
  if (path.endsWith("/index.ts") && !opensWithSentence(text)) {
    found.push({ path, line: 1, message: "open with a comment of one sentence that defines the module" });
  }
  return found;
}

function ban(pattern: RegExp, message: string): Ban {
  return { pattern, message };
}

function lengths({ path, text }: SourceFile): Finding[] {
  const lines = text.replace(/\n$/, "").split("\n");
  const found: Finding[] = [];
  if (lines.length > limits.fileLines) {
    found.push({ path, line: 0, message: `${lines.length} lines; at most ${limits.fileLines}` });
  }
  for (const [i, line] of lines.entries()) {
    if (line.length <= limits.columns) continue;
    found.push({ path, line: i + 1, message: `${line.length} columns; at most ${limits.columns}` });
  }
  if (isTest(path)) return found;
  for (const { line, lines: length } of functionBodies(blank(text))) {
    if (length <= limits.functionLines) continue;
    const message = `a function of ${length} lines; at most ${limits.functionLines}`;
    found.push({ path, line, message });
  }
  return found;
}

/** Every `{…}` that is a function's body, by what stands before the brace. Takes blanked code. */
export function functionBodies(code: string): { line: number; lines: number }[] {
  const bodies: { line: number; lines: number }[] = [];
  const open: { index: number; isFunction: boolean }[] = [];
  for (let i = 0; i < code.length; i++) {
    if (code[i] === "{") open.push({ index: i, isFunction: opensFunction(code, i) });
    if (code[i] !== "}") continue;
    const start = open.pop();
    if (!start?.isFunction) continue;
    const line = lineAt(code, start.index);
    bodies.push({ line, lines: lineAt(code, i) - line + 1 });
  }
  return bodies;
}

const returnType = /\)\s*:\s*(?:[\w\s.,<>|&[\]"'?]|\{[^{}]*\}|\([^()]*\)\s*=>)+$/;

function opensFunction(code: string, brace: number): boolean {
  const from = Math.max(0, brace - 300);
  const before = code.slice(from, brace).trimEnd();
  if (before.endsWith("=>")) return true;
  if (/\bclass\s[^{}()]*$/.test(before)) return false;
  const annotated = returnType.exec(before);
  const close = annotated ? annotated.index : before.length - 1;
  if (before[close] !== ")") return false;
  return !/\b(?:if|for|while|switch|catch|with|await)$/.test(wordBeforeParen(code, from + close));
}

/** What stands before the `(` that matches the `)` at this index. */
function wordBeforeParen(code: string, close: number): string {
  let depth = 0;
  for (let i = close; i >= 0; i--) {
    if (code[i] === ")") depth += 1;
    if (code[i] === "(") depth -= 1;
    if (depth === 0) return code.slice(Math.max(0, i - 40), i).trimEnd();
  }
  return "";
}

function opensWithSentence(text: string): boolean {
  const comment = /^(?:\/\*\*([\s\S]*?)\*\/|((?:\/\/[^\n]*\n)+))/.exec(text);
  const prose = (comment?.[1] ?? comment?.[2] ?? "").replace(/^[\s*/]+/gm, "").trim();
  return /^[A-Z`"].*?[.:](?:\s|$)/s.test(prose);
}
