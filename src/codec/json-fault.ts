/** `findFault` says where JSON text is malformed, and what was expected there. */

const quote = 0x22;
const backslash = 0x5c;

export interface Fault {
  /** Offset in characters. */
  readonly position: number;
  readonly expected: string;
}

const punctuation = /[{}[\],:]/;
const literal = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;

/**
 * Finds the first fault of text that `JSON.parse` refused; its own messages differ between engines and mostly
 * lack the place. Undefined for text that is JSON.
 */
export function findFault(text: string): Fault | undefined {
  const open: string[] = [];
  let expects: Expectation = "value";
  let at = 0;
  for (;;) {
    while (/[ \t\n\r]/.test(text[at] ?? "x")) at++;
    const character = text[at];
    if (character === undefined) return expects === "end" ? undefined : { position: at, expected: words[expects] };
    const next: Expectation | undefined = punctuation.test(character)
      ? afterPunctuation(character, expects, open)
      : afterValue(expects, character, open);
    if (next === undefined) return { position: at, expected: words[expects] };
    if (punctuation.test(character)) {
      at++;
    } else if (character === '"') {
      const end = endOfText(text, at);
      if (typeof end === "object") return end;
      at = end;
    } else {
      literal.lastIndex = at;
      if (!literal.test(text)) return { position: at, expected: words[expects] };
      at = literal.lastIndex;
    }
    expects = next;
  }
}

type Expectation = keyof typeof words;

const words = {
  value: "a value",
  valueOrEnd: 'a value or "]"',
  key: "a key in double quotes",
  keyOrEnd: 'a key in double quotes or "}"',
  colon: '":"',
  comma: '"," or the end of the list or object',
  end: "nothing more",
} as const;

function afterValue(expects: Expectation, character: string, open: readonly string[]): Expectation | undefined {
  if (expects === "key" || expects === "keyOrEnd") return character === '"' ? "colon" : undefined;
  if (expects !== "value" && expects !== "valueOrEnd") return undefined;
  return open.length === 0 ? "end" : "comma";
}

function afterPunctuation(character: string, expects: Expectation, open: string[]): Expectation | undefined {
  switch (character) {
    case "[": case "{":
      if (expects !== "value" && expects !== "valueOrEnd") return undefined;
      open.push(character);
      return character === "[" ? "valueOrEnd" : "keyOrEnd";
    case "]": case "}": {
      const empty = character === "]" ? "valueOrEnd" : "keyOrEnd";
      if (expects !== empty && expects !== "comma") return undefined;
      if (open.pop() !== (character === "]" ? "[" : "{")) return undefined;
      return open.length === 0 ? "end" : "comma";
    }
    case ":": return expects === "colon" ? "value" : undefined;
    default:
      if (expects !== "comma") return undefined;
      return open.at(-1) === "[" ? "value" : "key";
  }
}

/** The offset after the closing quote, or the fault before it. */
function endOfText(text: string, start: number): number | Fault {
  for (let i = start + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === quote) return i + 1;
    if (unit < 0x20) return { position: i, expected: "no bare control character in text (escape it)" };
    if (unit === backslash) {
      if (!/^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(text.slice(i + 1, i + 6))) {
        return { position: i, expected: "an escape of JSON after the backslash" };
      }
      i++;
    }
  }
  return { position: text.length, expected: "a closing quote" };
}

/** A little of the text around a position, quoted. */
export function excerpt(text: string, position: number): string {
  const from = Math.max(0, position - 16);
  const to = Math.min(text.length, position + 16);
  return JSON.stringify((from > 0 ? "…" : "") + text.slice(from, to) + (to < text.length ? "…" : ""));
}
