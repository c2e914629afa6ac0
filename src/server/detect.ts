/** Detection tells from the first bytes of a connection which wire it speaks, so that one port serves all. */
import { nativePreface } from "../protocol/native/index.ts";

export type WireName = "native" | "http/2" | "http/1.1";

/** What the first bytes are: a wire; what else they look like; or, while they could still become one, nothing. */
export type Detected =
  | { readonly wire: WireName }
  | { readonly wire: undefined; readonly guess: string }
  | undefined;

/** Most bytes that detection needs: the longest method of HTTP and a space. */
export const detectionBytes = 24;

/** The connection preface of RFC 9113, section 3.4; `PRI` alone is no method of HTTP/1.1. */
const http2Preface = latin1("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The application protocols that servers offer in TLS (ALPN, RFC 7301), best first. */
export const applicationProtocols = ["h2", "http/1.1", "meridian"] as const;

/** The wire that was agreed on in TLS; undefined where the first bytes must tell. */
export function wireOfProtocol(protocol: string | undefined): WireName | undefined {
  switch (protocol) {
    case "h2": return "http/2";
    case "http/1.1": return "http/1.1";
    case "meridian": return "native";
    default: return undefined;
  }
}

/** Reads the first bytes of a connection. */
export function detect(bytes: Uint8Array): Detected {
  if (begins(bytes, nativePreface)) return bytes.length >= nativePreface.length ? { wire: "native" } : undefined;
  if (begins(bytes, http2Preface)) {
    // "P" is the beginning of POST, PUT and PATCH as well.
    return bytes.length >= 3 ? { wire: "http/2" } : undefined;
  }
  return http1(bytes);
}

/** A method is a token, in practice upper-case letters, and a space follows it (RFC 9112, section 3). */
function http1(bytes: Uint8Array): Detected {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x20 && i >= 3) return { wire: "http/1.1" };
    if (!(byte >= 0x41 && byte <= 0x5a) && !(byte === 0x2d && i > 0) || i >= detectionBytes - 1) {
      return { wire: undefined, guess: guessOf(bytes) };
    }
  }
  return undefined;
}

/** What usually is wrong is a port number or a scheme, so say whose bytes these probably are. */
function guessOf(bytes: Uint8Array): string {
  if (bytes[0] === 0x16 && (bytes.length < 2 || bytes[1] === 0x03)) return "TLS, which this port does not take";
  if (bytes[0] === 0x53 && bytes[1] === 0x53 && bytes[2] === 0x48) return "SSH";
  const shown = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `nothing that is served here: it opened with ${shown}`;
}

/** Whether the shorter of the two is the beginning of the longer. */
function begins(bytes: Uint8Array, pattern: Uint8Array): boolean {
  const length = Math.min(bytes.length, pattern.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== pattern[i]) return false;
  return true;
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
