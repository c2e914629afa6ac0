/**
 * A trail is where an interpreter stands in a value: the path for its errors, and the depth.
 *
 * Only interpreters keep one. Generated code gives up at the first oddity, and the interpreter then goes the
 * same way again to say what was wrong and where.
 */
import { expected, RpcError } from "../../core/error.ts";
import { maxDepth } from "./plan.ts";

export class Trail {
  readonly steps: (string | number)[] = [];
  depth = 0;

  /** Enters a message; the caller leaves it by `depth--`. */
  descend(phase: "encode" | "decode", offset = 0): void {
    if (++this.depth <= maxDepth) return;
    if (phase === "decode") throw this.malformed(offset, `messages are nested deeper than ${maxDepth}`);
    throw new RpcError("invalid_argument",
      `the value${this.at()} is nested deeper than ${maxDepth} messages; does it contain itself?`, { phase });
  }

  /** The error of a value that does not fit its type. */
  mismatch(wanted: string, value: unknown): RpcError {
    return new RpcError("invalid_argument", `expected ${wanted}${this.at()}, received ${describe(value)}`,
      { phase: "encode" });
  }

  /** The error of parsed JSON that does not fit its type. Foreseen, so without a stack. */
  unfit(wanted: string, json: unknown): RpcError {
    return expected("invalid_argument", `JSON: expected ${wanted}${this.at()}, received ${describe(json)}`,
      { phase: "decode" });
  }

  /** The error of bytes that are no message of the type. Foreseen, so without a stack. */
  malformed(offset: number, what: string): RpcError {
    return expected("invalid_argument", `malformed message: ${what} at byte ${offset}${this.at(" in")}`,
      { phase: "decode" });
  }

  at(preposition = " at"): string {
    return this.steps.length === 0 ? "" : `${preposition} ${JSON.stringify(formatPath(this.steps))}`;
  }
}

/** `orders[2].attributes.colour`; a key that is no identifier stands in brackets. */
export function formatPath(steps: readonly (string | number)[]): string {
  let path = "";
  for (const step of steps) {
    if (typeof step === "number") path += `[${step}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(step)) path += path === "" ? step : `.${step}`;
    else path += `[${shorten(step)}]`;
  }
  return path;
}

/** What came, for people: its type and, where short, its value. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "undefined": return "undefined";
    case "string": return `string ${shorten(value)}`;
    case "number": case "boolean": return `${typeof value} ${String(value)}`;
    case "bigint": return `bigint ${shorten(value.toString()).slice(1, -1)}`;
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return `array of ${value.length}`;
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : "a Date";
      if (value instanceof Uint8Array) return `bytes (${value.length})`;
      return value instanceof Map ? `Map of ${value.size}` : "object";
    default: return typeof value;
  }
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 32 ? `${text.slice(0, 32)}…` : text);
}
