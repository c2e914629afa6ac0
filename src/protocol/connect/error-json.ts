/** Errors and ends of streams as the JSON of Connect. */
import type { Code } from "../../core/code.ts";
import { type ErrorDetail, RpcError } from "../../core/error.ts";
import { emptyMetadata, type Metadata, metadataLimits, metadataName } from "../../core/metadata.ts";
import { fromAnyBase64, toBase64Unpadded } from "../../wire/base64.ts";
import { allocateBytes, readText, writeText } from "../../wire/text.ts";
import { codeFromConnect, connectCode } from "./codes.ts";

/** Longer messages are cut, and more details are left out. */
const maxMessageChars = 8_192;
const maxDetails = 64;
const maxTypeChars = 512;

/** What an error says on the wire. */
export interface WireError {
  readonly code: Code;
  readonly message: string;
  readonly details: readonly ErrorDetail[];
}

/** How a stream ended. */
export interface WireEnd {
  readonly error: WireError | undefined;
  readonly trailer: Metadata;
}

/** The body of a unary call's error response. */
export function writeErrorJson(error: RpcError, details: readonly ErrorDetail[]): Uint8Array {
  return toUtf8(JSON.stringify(errorObject(error, details)));
}

/** The payload of a stream's last envelope. */
export function writeEndJson(
  error: RpcError | undefined, details: readonly ErrorDetail[], trailer: Metadata | undefined,
): Uint8Array {
  if (error === undefined && trailer === undefined) return plainEnd;
  return toUtf8(JSON.stringify({
    error: error === undefined ? undefined : errorObject(error, details),
    metadata: trailer === undefined ? undefined
      : Object.fromEntries(Object.keys(trailer).map((name) => [name, [trailer[name]]])),
  }));
}

function errorObject(error: RpcError, details: readonly ErrorDetail[]): object {
  return {
    code: connectCode(error.code),
    message: error.message === "" ? undefined : error.message.slice(0, maxMessageChars),
    details: details.length === 0 ? undefined : details.slice(0, maxDetails).map((detail) => ({
      type: detail.type, value: toBase64Unpadded(detail.value),
    })),
  };
}

/**
 * Reads an error; `fallback` is its code where it names none that is known. Undefined for what is no error, as an
 * object that has neither code nor message: some proxy's own JSON.
 */
export function readErrorJson(bytes: Uint8Array, start: number, end: number, fallback: Code): WireError | undefined {
  const value = parsed(bytes, start, end);
  const isError = isObject(value) && (typeof value["code"] === "string" || typeof value["message"] === "string");
  return isError ? wireError(value, fallback) : undefined;
}

/** Reads how a stream ended. Throws `internal` for what is not the JSON of an end. */
export function readEndJson(bytes: Uint8Array, start: number, end: number): WireEnd {
  const value = parsed(bytes, start, end);
  if (!isObject(value)) {
    throw new RpcError("internal", "the end of the stream is not a JSON object", { phase: "decode", retryable: false });
  }
  const error = value["error"];
  return {
    error: error === undefined || error === null ? undefined
      : wireError(error, "unknown") ?? { code: "unknown", message: "the server's error is not an object", details: [] },
    trailer: wireMetadata(value["metadata"]),
  };
}

function wireError(value: unknown, fallback: Code): WireError | undefined {
  if (!isObject(value)) return undefined;
  const { code, message, details } = value;
  return {
    code: codeFromConnect(code) ?? fallback,
    message: typeof message === "string" ? message.slice(0, maxMessageChars) : "",
    details: Array.isArray(details) ? details.slice(0, maxDetails).flatMap(wireDetail) : [],
  };
}

/** What a peer puts beside type and value (`debug`) is for people. A detail that cannot be read is left out. */
function wireDetail(value: unknown): ErrorDetail[] {
  if (!isObject(value)) return [];
  const { type, value: text } = value;
  if (typeof type !== "string" || typeof text !== "string" || type.length > maxTypeChars) return [];
  const bytes = fromAnyBase64(text);
  return bytes === undefined ? [] : [{ type: type.slice(type.lastIndexOf("/") + 1), value: bytes }];
}

/** Metadata of the end: what is not text under a name, or above the limits, is left out. */
function wireMetadata(value: unknown): Metadata {
  if (!isObject(value)) return emptyMetadata;
  let metadata: Record<string, string> | undefined;
  let count = 0;
  let chars = 0;
  for (const key of Object.keys(value)) {
    const name = key.toLowerCase();
    const values = value[key];
    if (!metadataName.test(name) || !Array.isArray(values)) continue;
    const text = values.filter((one) => typeof one === "string").join(", ");
    chars += name.length + text.length;
    if (++count > metadataLimits.maxEntries || chars > metadataLimits.maxBytes) break;
    metadata ??= Object.create(null) as Record<string, string>;
    metadata[name] = name in metadata ? `${metadata[name]}, ${text}` : text;
  }
  return metadata ?? emptyMetadata;
}

function parsed(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(readText(bytes, start, end)) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toUtf8(text: string): Uint8Array {
  const bytes = allocateBytes(text.length * 3);
  return bytes.subarray(0, writeText(bytes, 0, text));
}

const plainEnd = toUtf8("{}");
