/** Detection tells from the first bytes of a connection which wire it speaks, so that one port serves all. */
import { openingBytes, type ServedWire } from "../protocol/wire.ts";

/** What the first bytes are: a wire; what else they look like; or, while they could still become one, nothing. */
export type Detected =
  | { readonly wire: ServedWire }
  | { readonly wire: undefined; readonly guess: string }
  | undefined;

/** Reads the first bytes of a connection. */
export function detect(bytes: Uint8Array, wires: readonly ServedWire[]): Detected {
  const opening = bytes.length <= openingBytes ? bytes : bytes.subarray(0, openingBytes);
  if (opening.length === 0) return undefined;
  let couldBe = false;
  for (const wire of wires) {
    const sure = wire.recognises(opening);
    if (sure === true) return { wire };
    couldBe ||= sure === undefined;
  }
  return couldBe && opening.length < openingBytes ? undefined : { wire: undefined, guess: guessOf(opening) };
}

/** What usually is wrong is a port number or a scheme, so say whose bytes these probably are. */
function guessOf(bytes: Uint8Array): string {
  if (bytes[0] === 0x16 && (bytes.length < 2 || bytes[1] === 0x03)) return "TLS, which this port does not take";
  if (bytes[0] === 0x53 && bytes[1] === 0x53 && bytes[2] === 0x48) return "SSH";
  const shown = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `nothing that is served here: it opened with ${shown}`;
}
