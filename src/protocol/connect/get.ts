/** A unary call of a method without side effects as a GET request: everything but metadata lies in the query. */
import { RpcError } from "../../core/error.ts";
import { fromAnyBase64, toBase64Url } from "../../wire/base64.ts";
import { allocateBytes, readText, writeText } from "../../wire/text.ts";

/** What a query says. */
export interface GetQuery {
  readonly codec: string;
  readonly compression: string | undefined;
  readonly message: Uint8Array;
}

/** Most parameters that are looked at; unknown ones are passed over. */
const maxParameters = 64;

/** Whether a path with a query is a call: others may serve pages on the same port. */
export function isGetCall(path: string): boolean {
  const query = path.indexOf("?");
  if (query === -1) return false;
  const names = parameters(path.slice(query + 1));
  return names.has("encoding") && names.has("message");
}

/** Reads the query of a call. Throws `invalid_argument` naming the parameter that is wrong. */
export function readGetQuery(query: string): GetQuery {
  const found = parameters(query);
  const version = found.get("connect");
  if (version !== undefined && version !== "v1") {
    throw refused(`the query's connect is ${JSON.stringify(version.slice(0, 16))}, expected v1`);
  }
  const codec = found.get("encoding");
  const message = found.get("message");
  if (codec === undefined || message === undefined) throw refused("the query must have encoding and message");
  const compression = found.get("compression");
  return {
    codec: unescaped("encoding", codec),
    compression: compression === undefined || compression === "identity" ? undefined
      : unescaped("compression", compression),
    message: found.get("base64") === "1" ? fromBase64Parameter(message) : textBytes(unescaped("message", message)),
  };
}

/** The query of a call, its parameters in the order that shared caches count on. JSON stays readable. */
export function writeGetQuery(codec: string, compression: string | undefined, message: Uint8Array): string {
  const isText = codec === "json" && compression === undefined;
  const compressed = compression === undefined ? "" : `&compression=${encodeURIComponent(compression)}`;
  return "connect=v1" + (isText ? "" : "&base64=1") + compressed + `&encoding=${encodeURIComponent(codec)}&message=` +
    (isText ? encodeURIComponent(readText(message, 0, message.length)) : toBase64Url(message));
}

/** Parameters as they stand, the first of each name. */
function parameters(query: string): Map<string, string> {
  const found = new Map<string, string>();
  let start = 0;
  for (let count = 0; count < maxParameters && start <= query.length; count++) {
    const end = query.indexOf("&", start);
    const pair = end === -1 ? query.slice(start) : query.slice(start, end);
    const equals = pair.indexOf("=");
    const name = equals === -1 ? pair : pair.slice(0, equals);
    if (!found.has(name)) found.set(name, equals === -1 ? "" : pair.slice(equals + 1));
    if (end === -1) break;
    start = end + 1;
  }
  return found;
}

function unescaped(name: string, value: string): string {
  try {
    return decodeURIComponent(value.replaceAll("+", "%20"));
  } catch {
    throw refused(`the query's ${name} is not percent-encoded UTF-8`);
  }
}

function fromBase64Parameter(value: string): Uint8Array {
  const bytes = fromAnyBase64(value.includes("%") ? unescaped("message", value.replaceAll("+", "%2B")) : value);
  if (bytes === undefined) throw refused("the query's message is not base64");
  return bytes;
}

function textBytes(text: string): Uint8Array {
  const bytes = allocateBytes(text.length * 3);
  return bytes.subarray(0, writeText(bytes, 0, text));
}

function refused(why: string): RpcError {
  return new RpcError("invalid_argument", why, { phase: "decode" });
}
