/** Refusing a connection in its own words: the client learns that the server is full, not that it vanished. */
import type { RpcError } from "../core/error.ts";
import type { ByteStream, Clock } from "../core/runtime.ts";
import { nativeRefusal } from "../protocol/native/index.ts";
import type { WireName } from "./detect.ts";

/** How long a refused peer has to read why and close, in milliseconds. */
const lingerMs = 500;

/** Says why, closes, and cuts off who does not close too. */
export function refuse(clock: Clock, stream: ByteStream, wire: WireName, error: RpcError): void {
  stream.write(refusalOf(wire, error));
  stream.end();
  clock.after(lingerMs, () => stream.destroy()).unref();
}

function refusalOf(wire: WireName, error: RpcError): Uint8Array {
  switch (wire) {
    case "native": return nativeRefusal(error);
    case "http/1.1": return http1Refusal(error);
    case "http/2": return http2Refusal(error);
  }
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
