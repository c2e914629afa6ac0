/** The handshake by which each side learns the other's protocol (Avro 1.12, section "Handshake"). */
import { latin1Text } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";
import { type AvroCursor, writeLong, writeString } from "./binary.ts";

export const hashBytes = 16;

export interface HandshakeRequest {
  readonly clientHash: Uint8Array;
  /** The client's protocol; absent where the client hopes that the server knows it. */
  readonly clientProtocol: string | undefined;
  /** What the client takes the hash of the server's protocol to be. */
  readonly serverHash: Uint8Array;
}

/** Whether the server knows the client's protocol, and the client the server's. */
export type Match = "BOTH" | "CLIENT" | "NONE";

const matches: readonly Match[] = ["BOTH", "CLIENT", "NONE"];

export interface HandshakeResponse {
  readonly match: Match;
  readonly serverProtocol: string | undefined;
  readonly serverHash: Uint8Array | undefined;
}

/** Entries and bytes of a handshake's own metadata, of which none are used here. */
const maxMeta = { entries: 128, bytes: 16_384 } as const;

export function readHandshakeRequest(cursor: AvroCursor, maxChars: number): HandshakeRequest {
  const clientHash = readHash(cursor, "the client's hash");
  const clientProtocol = cursor.branch(2, "the client's protocol") === 0 ? undefined
    : cursor.text(maxChars, "the client's protocol");
  const serverHash = readHash(cursor, "the server's hash");
  readMeta(cursor);
  return { clientHash, clientProtocol, serverHash };
}

export function writeHandshakeRequest(writer: Writer, request: HandshakeRequest): void {
  writer.writeBytes(request.clientHash);
  writeOptional(writer, request.clientProtocol, writeString);
  writer.writeBytes(request.serverHash);
  writer.writeByte(0);
}

export function readHandshakeResponse(cursor: AvroCursor, maxChars: number): HandshakeResponse {
  const match = matches[cursor.branch(3, "the handshake's match")] as Match;
  const serverProtocol = cursor.branch(2, "the server's protocol") === 0 ? undefined
    : cursor.text(maxChars, "the server's protocol");
  const serverHash = cursor.branch(2, "the server's hash") === 0 ? undefined : readHash(cursor, "the server's hash");
  readMeta(cursor);
  return { match, serverProtocol, serverHash };
}

export function writeHandshakeResponse(writer: Writer, response: HandshakeResponse): void {
  writeLong(writer, matches.indexOf(response.match));
  writeOptional(writer, response.serverProtocol, writeString);
  writeOptional(writer, response.serverHash, (to, hash: Uint8Array) => to.writeBytes(hash));
  writer.writeByte(0);
}

function writeOptional<T>(writer: Writer, value: T | undefined, write: (writer: Writer, value: T) => void): void {
  writer.writeByte(value === undefined ? 0 : 2);
  if (value !== undefined) write(writer, value);
}

/** A copy: what was received may be written to again. */
function readHash(cursor: AvroCursor, what: string): Uint8Array {
  const start = cursor.skip(hashBytes, what);
  return new Uint8Array(cursor.bytes.subarray(start, cursor.position));
}

function readMeta(cursor: AvroCursor): void {
  if (cursor.branch(2, "the handshake's metadata") === 1) cursor.map(maxMeta.entries, maxMeta.bytes, () => undefined);
}

/** A hash as the key of a table. */
export function hashKey(hash: Uint8Array): string {
  return latin1Text(hash, 0, hash.length) || String.fromCharCode(...hash);
}

export function sameHash(one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < hashBytes; i++) if (one[i] !== other[i]) return false;
  return true;
}
