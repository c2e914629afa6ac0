/**
 * Names of the domain name system: on the wire a row of labels, here text in lower case without the last dot.
 *
 * A label may hold any byte. Those that text cannot show, and dots within a label, are written as zone files write them
 * (`\.`, `\000`; RFC 1035 section 5.1), so that two names are equal exactly when their texts are.
 */
import { RpcError } from "../../core/error.ts";

const maxLabelBytes = 63;
/** With the length bytes and the root's empty label. */
const maxNameBytes = 255;
/** A name of the greatest length has at most so many labels, each of which a pointer may lead to. */
const maxJumps = 127;

/** What a decoder throws, always: bad bytes of a peer. */
export function malformed(what: string): RpcError {
  return new RpcError("data_loss", `the DNS message is malformed: ${what}`, { phase: "resolve", retryable: true });
}

export interface NameAt {
  readonly name: string;
  /** Where the name's own bytes end; what a pointer led to does not count. */
  readonly end: number;
}

/**
 * Reads the name at `start`. Pointers (RFC 1035 section 4.1.4) must lead backward, each before the last, so that no
 * row of them is endless.
 */
export function readName(bytes: Uint8Array, start: number): NameAt {
  let text = "";
  let length = 1;
  let at = start;
  let end: number | undefined;
  let earliest = start;
  let jumps = 0;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) throw malformed("a name ends beyond the message");
    if (size === 0) break;
    if (size >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) throw malformed("a pointer ends beyond the message");
      const target = ((size & 0x3f) << 8) | low;
      if (target >= earliest) throw malformed("a pointer within a name does not lead backward");
      if (++jumps > maxJumps) throw malformed(`a name is made of more than ${maxJumps} pieces`);
      end ??= at + 2;
      earliest = at = target;
      continue;
    }
    if (size > maxLabelBytes) throw malformed("a label of a kind that does not exist");
    length += size + 1;
    if (length > maxNameBytes) throw malformed(`a name has more than ${maxNameBytes} bytes`);
    if (at + size >= bytes.length) throw malformed("a label ends beyond the message");
    text += text === "" ? labelText(bytes, at + 1, size) : `.${labelText(bytes, at + 1, size)}`;
    at += size + 1;
  }
  return { name: text, end: end ?? at + 1 };
}

function labelText(bytes: Uint8Array, start: number, size: number): string {
  let text = "";
  for (let i = start; i < start + size; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x2e || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte < 0x21 || byte > 0x7e) text += `\\${String(byte).padStart(3, "0")}`;
    else text += String.fromCharCode(byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);
  }
  return text;
}

/** The wire form of a name in text, with or without the last dot. Throws `invalid_argument`. */
export function encodeName(name: string): Uint8Array {
  const bytes: number[] = [];
  for (const label of splitLabels(name)) {
    if (label.length === 0 || label.length > maxLabelBytes) {
      throw wrongName(name, `a label has 1 to ${maxLabelBytes} characters`);
    }
    bytes.push(label.length, ...label);
    if (bytes.length >= maxNameBytes) throw wrongName(name, `a name has at most ${maxNameBytes} bytes`);
  }
  bytes.push(0);
  return Uint8Array.from(bytes);
}

function splitLabels(name: string): number[][] {
  const text = name.endsWith(".") && !name.endsWith("\\.") ? name.slice(0, -1) : name;
  if (text === "") return [];
  const labels: number[][] = [[]];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const label = labels.at(-1) as number[];
    if (code === 0x2e) {
      labels.push([]);
    } else if (code === 0x5c) {
      const digits = /^\d{3}/.exec(text.slice(i + 1))?.[0];
      label.push((digits === undefined ? text.charCodeAt(i + 1) : Number(digits)) & 0xff);
      i += digits?.length ?? 1;
    } else if (code < 0x21 || code > 0x7e) {
      throw wrongName(name, "write names of other alphabets in their ASCII form (xn--…), and no spaces");
    } else {
      label.push(code >= 0x41 && code <= 0x5a ? code + 0x20 : code);
    }
  }
  return labels;
}

/** The text by which a name is compared: lower case, without the last dot. Throws `invalid_argument`. */
export function canonicalName(name: string): string {
  return readName(encodeName(name), 0).name;
}

/** Whether `name` is `zone` or lies below it. */
export function isWithin(name: string, zone: string): boolean {
  return zone === "" || name === zone || name.endsWith(`.${zone}`);
}

function wrongName(name: string, why: string): RpcError {
  return new RpcError("invalid_argument",
    `${JSON.stringify(name.slice(0, 128))} is no name that DNS can be asked: ${why}`,
    { phase: "resolve", retryable: false });
}
