/** An option is checked where something is constructed: what it is called, what it was, and what it may be. */
import { RpcError } from "./error.ts";

/** What a number may be. Both bounds are allowed themselves. */
export interface NumberRange {
  readonly least: number;
  /** Default: no bound, but a finite number all the same. */
  readonly most?: number;
  /** Whether it must be a whole number. Default false. */
  readonly whole?: boolean;
  /** What it counts, for the message: `milliseconds`, `calls`. */
  readonly unit?: string;
}

/** Passes a number through that is within its range, and refuses any other by the option's name and value. */
export function numberOption(name: string, value: number, range: NumberRange): number {
  const { least, most = Number.MAX_VALUE, whole = false, unit } = range;
  // A NaN fails both comparisons.
  if (typeof value === "number" && value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  const kind = `${whole ? "a whole number" : "a number"}${unit === undefined ? "" : ` of ${unit}`}`;
  const bounds = range.most === undefined ? `of at least ${least}` : `from ${least} to ${range.most}`;
  throw badOption(name, value, `expected ${kind} ${bounds}`);
}

/** The error of an option that cannot be, or that contradicts another: throw it where the thing is constructed. */
export function badOption(name: string, value: unknown, why: string): RpcError {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new RpcError("invalid_argument", `${name} is ${text.slice(0, 200)}: ${why}`);
}
