/** Signs of the wires that every server speaks: the first bytes by which each is known, and its words of refusal. */
import type { RpcError } from "../core/error.ts";
import { nativeApplicationProtocol, nativePreface, nativeRefusal } from "../protocol/native/index.ts";
import { begins, openingBytes, type WireSign } from "../protocol/wire.ts";

export const nativeSign: WireSign = {
  name: "native",
  applicationProtocol: nativeApplicationProtocol,
  recognises: (opening) => begins(opening, nativePreface) && (opening.length >= nativePreface.length || undefined),
  refusal: nativeRefusal,
};

/** The connection preface of RFC 9113, section 3.4; `PRI` alone is no method of HTTP/1.1. */
const http2Preface = Uint8Array.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (char) => char.charCodeAt(0));

export const http2Sign: WireSign = {
  name: "http/2",
  applicationProtocol: "h2",
  // "P" is the beginning of POST, PUT and PATCH as well.
  recognises: (opening) => begins(opening, http2Preface) && (opening.length >= 3 || undefined),
  refusal: http2Refusal,
};

export const http1Sign: WireSign = {
  name: "http/1.1",
  applicationProtocol: "http/1.1",
  recognises: isHttp1,
  refusal: http1Refusal,
};

/** A method is a token, in practice upper-case letters, and a space follows it (RFC 9112, section 3). */
function isHttp1(opening: Uint8Array): boolean | undefined {
  for (let i = 0; i < opening.length; i++) {
    const byte = opening[i] as number;
    if (byte === 0x20 && i >= 3) return true;
    if (!(byte >= 0x41 && byte <= 0x5a) && !(byte === 0x2d && i > 0) || i >= openingBytes - 1) return false;
  }
  return undefined;
}

function http1Refusal(error: RpcError): Uint8Array {
  const body = `${error.message}\n`;
  const length = new TextEncoder().encode(body).length;
  return new TextEncoder().encode("HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n" +
    `content-length: ${length}\r\nretry-after: 1\r\nconnection: close\r\n\r\n${body}`);
}

/** Empty settings and a GOAWAY that no stream came before (RFC 9113, sections 6.5 and 6.8): all may be repeated. */
function http2Refusal(error: RpcError): Uint8Array {
  const text = new TextEncoder().encode(error.message.slice(0, 512));
  const length = 8 + text.length;
  const refusedStream = 7;
  return Uint8Array.from([
    0, 0, 0, 4, 0, 0, 0, 0, 0,
    length >> 16, length >> 8, length, 7, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, refusedStream, ...text,
  ]);
}
