/** The opening handshake of WebSocket (RFC 6455, section 4): a request by which a connection changes hands. */
import { toBase64 } from "../../wire/base64.ts";
import type { Head } from "../message.ts";
import { sha1 } from "./sha1.ts";

/** What a client asked for. */
export interface WebSocketRequest {
  readonly path: string;
  readonly authority: string;
  /** The page's origin; undefined of clients that are no browsers. */
  readonly origin: string | undefined;
  /** The protocols it would speak, best first. */
  readonly protocols: readonly string[];
  readonly key: string;
}

/** Why a request for a WebSocket cannot be granted, as an HTTP status and a sentence. */
export interface HandshakeRefusal {
  readonly status: number;
  readonly why: string;
}

const version = "13";
/** Section 1.3: what a server that knows WebSocket adds to the key. */
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Reads a request's head: undefined if it asks for no WebSocket. */
export function readHandshake(head: Head): WebSocketRequest | HandshakeRefusal | undefined {
  const { method, path, authority, fields } = head;
  if (!tokens(fields["upgrade"]).includes("websocket")) return undefined;
  const key = fields["sec-websocket-key"];
  if (method !== "GET") return { status: 405, why: `a WebSocket is asked for by GET, not by ${method}` };
  if (!tokens(fields["connection"]).includes("upgrade")) {
    return { status: 400, why: "a WebSocket is asked for without `Connection: Upgrade`: a proxy on the way drops it" };
  }
  if (fields["sec-websocket-version"] !== version) {
    return { status: 426, why: `only version ${version} of WebSocket is spoken here (Sec-WebSocket-Version)` };
  }
  if (key === undefined || !/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    return { status: 400, why: "Sec-WebSocket-Key is not 16 bytes in base64" };
  }
  const protocols = (fields["sec-websocket-protocol"] ?? "").split(",").map((one) => one.trim()).filter(Boolean);
  return { path, authority, origin: fields["origin"], protocols, key };
}

/** The head of the response that grants it. */
export function grant(key: string, protocol: string | undefined): string {
  return "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n" +
    `sec-websocket-accept: ${acceptOf(key)}\r\n` +
    (protocol === undefined ? "\r\n" : `sec-websocket-protocol: ${protocol}\r\n\r\n`);
}

/** The head of a client's request. */
export function handshakeRequest(
  { path, authority, protocol, key }: { path: string; authority: string; protocol: string; key: string },
): string {
  return `GET ${path} HTTP/1.1\r\nhost: ${authority}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n` +
    `sec-websocket-version: ${version}\r\nsec-websocket-key: ${key}\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`;
}

/** What is wrong with the response to {@link handshakeRequest}; undefined if it grants the WebSocket. */
export function wrongGrant({ status, fields }: Head, protocol: string, key: string): string | undefined {
  if (status !== 101) return `it answered ${status}, not 101: it speaks HTTP there, but no WebSocket`;
  if (!tokens(fields["upgrade"]).includes("websocket")) return "it changes to another protocol than WebSocket";
  if (fields["sec-websocket-accept"] !== acceptOf(key)) return "its Sec-WebSocket-Accept is not that of our key";
  if (fields["sec-websocket-extensions"] !== undefined) return "it uses an extension that nobody offered";
  if (fields["sec-websocket-protocol"] !== protocol) {
    return `it does not agree to speak "${protocol}" (Sec-WebSocket-Protocol), so it is no Meridian server`;
  }
  return undefined;
}

function acceptOf(key: string): string {
  return toBase64(sha1(Uint8Array.from(key + guid, (char) => char.charCodeAt(0))));
}

function tokens(list = ""): string[] {
  return list.toLowerCase().split(",").map((one) => one.trim());
}
