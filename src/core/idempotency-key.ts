/**
 * An idempotency key tells a server which calls are repeats of one another, and when the first of them was made.
 *
 * The time is in the key because a server forgets: a key that it has no record of is either new or too old to know,
 * and only the first may run. Ours read `mA` or `mU`, eleven hexadecimal digits of milliseconds since 1970, `-`, and a
 * name. `A` keys are made for one call and die with it; `U` keys are kept by a user, who may come back with them. Keys
 * of other makes are taken as they are: of them no server can tell the age.
 */
import { badOption, numberOption } from "./option.ts";
import type { Runtime } from "./runtime.ts";

/** What a key says of itself. */
export interface KeyStamp {
  /** When it was made, by the clock of whoever made it, in milliseconds since 1970. */
  readonly atMs: number;
  /** Made for one call by a client, which told nobody: repeats of it are attempts after the first. */
  readonly isAutomatic: boolean;
}

const stampDigits = 11;
/** `mA`, the digits and `-`. */
const prefixChars = 2 + stampDigits + 1;
const maxStampMs = 16 ** stampDigits - 1;
const maxNameChars = 200;

/**
 * The key of one call, which its client forgets with it. `count` is a number that the client uses once: chance that
 * repeats itself, as in a machine that was copied, must not make one key of two calls.
 */
export function automaticKey({ clock, random }: Pick<Runtime, "clock" | "random">, count: number): string {
  return `mA${digits(clock.wallMs())}-${random.id()}${count.toString(36)}`;
}

/** A new key to be written down before the first call, and called with again until an answer is there. */
export function createIdempotencyKey({ clock, random }: Pick<Runtime, "clock" | "random">): string {
  return `mU${digits(clock.wallMs())}-${random.id()}`;
}

/**
 * The key of a thing that has a name and a time of its own, such as an order: the same whoever makes it. `createdMs`,
 * in milliseconds since 1970, must be no later than the first call, and `name` unique. Throws `invalid_argument`.
 */
export function stampedKey(createdMs: number, name: string): string {
  numberOption("createdMs", createdMs, { least: 0, most: maxStampMs, unit: "milliseconds" });
  if (typeof name !== "string" || name.length === 0 || name.length > maxNameChars) {
    throw badOption("name", name, `expected a text of 1 to ${maxNameChars} characters`);
  }
  return `mU${digits(createdMs)}-${name}`;
}

/** What a key says of itself; undefined for one of another make. */
export function stampOf(key: string): KeyStamp | undefined {
  if (key.length <= prefixChars) return undefined;
  if (key.charCodeAt(0) !== 109 || key.charCodeAt(prefixChars - 1) !== 45) return undefined;
  const flavour = key.charCodeAt(1);
  if (flavour !== 65 && flavour !== 85) return undefined;
  let atMs = 0;
  for (let i = 2; i < prefixChars - 1; i++) {
    const unit = key.charCodeAt(i);
    const digit = unit >= 48 && unit <= 57 ? unit - 48 : unit >= 97 && unit <= 102 ? unit - 87 : -1;
    if (digit < 0) return undefined;
    atMs = atMs * 16 + digit;
  }
  return { atMs, isAutomatic: flavour === 65 };
}

/** The digits of the last stamp: many calls fall within a millisecond, and writing a number out costs half a key. */
let lastMs = -1;
let lastDigits = "";

function digits(atMs: number): string {
  const wholeMs = Math.floor(atMs);
  if (wholeMs !== lastMs) {
    lastMs = wholeMs;
    lastDigits = wholeMs.toString(16).padStart(stampDigits, "0");
  }
  return lastDigits;
}
