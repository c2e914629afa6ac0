/** Numbers that stay for ever: those of fields, variants and enum values. */
import { RpcError } from "../../core/error.ts";

export interface Numbered {
  readonly name: string;
  /** What the user said, if anything. */
  readonly number: number | undefined;
}

export interface NumberRange {
  readonly least: number;
  readonly most: number;
  /** What is numbered, for messages, e.g. `field`. */
  readonly what: string;
}

/** Protobuf keeps these field numbers for itself. */
const reserved = { least: 19_000, most: 19_999 };
export const fieldNumbers: NumberRange = { least: 1, most: 536_870_911, what: "field" };
export const enumNumbers: NumberRange = { least: -(2 ** 31), most: 2 ** 31 - 1, what: "enum value" };

/**
 * Counts from 1 in order; a number that was named goes on from there, as in a C enum. So a removed entry
 * leaves a gap by naming the number of the next one, and everything after it stays where it was. Throws
 * `invalid_argument` for a number that is out of range or taken.
 */
export function assignNumbers(path: string, entries: readonly Numbered[], range: NumberRange): number[] {
  const owners = new Map<number, string>();
  let previous = 0;
  return entries.map(({ name, number }) => {
    const assigned = number ?? previous + 1;
    const isReserved = range === fieldNumbers && assigned >= reserved.least && assigned <= reserved.most;
    if (!Number.isInteger(assigned) || assigned < range.least || assigned > range.most || isReserved) {
      throw new RpcError("invalid_argument",
        `${path}: ${range.what} ${name} has the number ${assigned}, expected an integer from ${range.least} to ` +
        `${range.most}${range === fieldNumbers ? `, but for ${reserved.least} to ${reserved.most}` : ""}`);
    }
    const owner = owners.get(assigned);
    if (owner !== undefined) {
      throw new RpcError("invalid_argument",
        `${path}: ${range.what}s ${owner} and ${name} both have the number ${assigned}; name another for one of them`);
    }
    owners.set(assigned, name);
    previous = assigned;
    return assigned;
  });
}
