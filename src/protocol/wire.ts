/**
 * A Wire is how one protocol is taken on a server's port: known by a connection's first bytes, served, and refused in
 * its own words. A server's built-in wires are values of this type, and so may a user's be.
 */
import type { Accept, AcceptOwner } from "../core/connection.ts";
import type { RpcError } from "../core/error.ts";
import type { Serving } from "./router.ts";

/** What tells one wire from another, and what those hear who cannot stay. */
export interface WireSign {
  /** For logs and limits: `native`, `http/2`, `thrift`. One of a server's; another of the same name replaces it. */
  readonly name: string;
  /** Its name in TLS (ALPN, RFC 7301), by which a client may agree on it. Default none: the first bytes tell. */
  readonly applicationProtocol?: string | undefined;
  /**
   * Whether a connection that opened with these bytes (at least one, at most {@link openingBytes}) speaks it. Undefined
   * while it still could; never undefined at `openingBytes`. Wires are asked in a server's order, and the first that is
   * sure has it, so it must be sure of nothing that could be another's.
   */
  recognises(opening: Uint8Array): boolean | undefined;
  /** What a peer is told that cannot stay, before it is closed. */
  refusal(error: RpcError): Uint8Array;
}

export interface Wire extends WireSign {
  /** Makes the acceptor of one server's connections. */
  serve(serving: Serving, owner: AcceptOwner): Accept;
}

/** A wire as it stands at one server's door. */
export interface ServedWire extends WireSign {
  readonly accept: Accept;
}

/** Most bytes of a connection's beginning by which its wire must be known. */
export const openingBytes = 24;

/** What most wires begin with: whether the shorter of the two is the beginning of the longer. */
export function begins(opening: Uint8Array, pattern: Uint8Array): boolean {
  const length = Math.min(opening.length, pattern.length);
  for (let i = 0; i < length; i++) if (opening[i] !== pattern[i]) return false;
  return true;
}
