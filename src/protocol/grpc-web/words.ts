/** The words of gRPC-Web that both halves use. */
import { RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import { readText, writeText } from "../../wire/text.ts";

export const binaryType = "application/grpc-web";
/** The same in base64, for browsers that could not read bytes. */
export const textType = "application/grpc-web-text";

/** The flag of the frame that ends a body and holds the trailers. */
export const trailersFlag = 0x80;

/** What a media type says: `application/grpc-web+json`. Undefined for one that is not gRPC-Web's. */
export function readType(type: string): { readonly codec: string; readonly isText: boolean } | undefined {
  if (!type.startsWith(binaryType)) return undefined;
  const isText = type.startsWith(textType);
  const rest = type.slice(isText ? textType.length : binaryType.length);
  if (rest === "") return { codec: "proto", isText };
  return rest.startsWith("+") && rest.length > 1 ? { codec: rest.slice(1), isText } : undefined;
}

/** Trailers as the payload of the last frame: a block as in HTTP/1.1, names in lower case. */
export function writeTrailers(fields: Metadata): Uint8Array {
  let text = "";
  for (const name in fields) text += `${name}: ${fields[name] as string}\r\n`;
  const bytes = new Uint8Array(text.length * 3);
  return bytes.subarray(0, writeText(bytes, 0, text));
}

/** Most bytes of trailers, as of HTTP's own. */
const maxTrailerBytes = 65_536;

/** Reads the last frame. Throws `internal` for what is no block of fields. */
export function readTrailerBlock(bytes: Uint8Array, start: number, end: number): Metadata {
  if (end - start > maxTrailerBytes) throw malformed(`${end - start} bytes; at most ${maxTrailerBytes} are read`);
  const fields = Object.create(null) as Record<string, string>;
  for (const line of readText(bytes, start, end).split("\n")) {
    const text = line.trim();
    if (text === "") continue;
    const colon = text.indexOf(":");
    if (colon <= 0) throw malformed(`a line without a name: ${JSON.stringify(text.slice(0, 64))}`);
    const name = text.slice(0, colon).trim().toLowerCase();
    const value = text.slice(colon + 1).trim();
    fields[name] = name in fields ? `${fields[name] as string}, ${value}` : value;
  }
  return fields;
}

function malformed(what: string): RpcError {
  return new RpcError("internal", `the trailers have ${what}`, { phase: "decode", retryable: false });
}
