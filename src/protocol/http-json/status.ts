/**
 * Errors as bodies: google.rpc.Status in JSON, as Google's APIs say it over HTTP
 * (https://google.aip.dev/193): `{ "error": { "code": 404, "status": "NOT_FOUND", "message", "details" } }`.
 */
import type { Codec, Coder } from "../../contract/codec.ts";
import { errorMessageOf } from "../../contract/proto/describe-names.ts";
import type { AnyMethod } from "../../contract/method.ts";
import type { Schema } from "../../contract/schema.ts";
import { type Code, codeFromNumber, codeNumber } from "../../core/code.ts";
import { type ErrorDetail, expected, type RpcError, type RpcErrorOptions } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import { fromAnyBase64, toBase64 } from "../../wire/base64.ts";
import { readText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { pushbackHeader } from "../call-headers.ts";
import { readErrorMarks } from "../error-marks.ts";
import { httpStatusOf } from "../http-status.ts";
import { readDetail, richDetail, type RichDetails } from "../rich-details.ts";

type Json = Record<string, unknown>;

/** What the body of an error says. */
export interface StatusJson {
  readonly error: {
    /** The HTTP status. */
    readonly code: number;
    /** The code by its name in gRPC: `NOT_FOUND`. */
    readonly status: string;
    readonly message: string;
    readonly details: readonly Json[];
  };
}

const typePrefix = "type.googleapis.com/";
const maxMessageChars = 8_192;
const maxDetails = 64;
const maxDataBytes = 65_536;
const errorInfoType = "google.rpc.ErrorInfo";
const richKinds: readonly (keyof RichDetails)[] = [
  "ErrorInfo", "RetryInfo", "DebugInfo", "QuotaFailure", "PreconditionFailure", "BadRequest", "RequestInfo",
  "ResourceInfo", "Help", "LocalizedMessage",
];

/** What of an error depends on its method: undefined where no method was found. */
export interface ErrorTypes {
  readonly service: string;
  /** Of a declared error's data, in JSON; undefined for one that is not declared. */
  coder(reason: string): Coder | undefined;
  /** The full name of the message that `.proto` has for them. */
  type(reason: string): string | undefined;
}

/** The declared errors of a method, by the codec `json`. */
export function errorTypesOf(method: AnyMethod, json: Codec): ErrorTypes {
  const schema = (reason: string): Schema | undefined =>
    (Object.hasOwn(method.errors, reason) ? method.errors[reason] : undefined);
  return {
    service: method.service,
    coder(reason) {
      const declared = schema(reason);
      return declared === undefined ? undefined : json.compile(declared, "error");
    },
    type(reason) {
      const declared = schema(reason);
      return declared === undefined ? undefined : errorMessageOf(declared, method.service);
    },
  };
}

export function statusJson(error: RpcError, types: ErrorTypes | undefined): StatusJson {
  const details = (error.details ?? []).slice(0, maxDetails).map(detailJson);
  const declared = error.reason === undefined ? [] : declaredJson(error, error.reason, types, details);
  return {
    error: {
      code: httpStatusOf(error), status: codeName(error.code),
      message: error.message.slice(0, maxMessageChars).toWellFormed(), details: [...declared, ...details],
    },
  };
}

/** The name of a code in gRPC: `NOT_FOUND`. */
export function codeName(code: Code): string {
  return code.toUpperCase();
}

/** A declared error: its name in an ErrorInfo, and its data as the message that `.proto` has for it. */
function declaredJson(
  { data }: RpcError, reason: string, types: ErrorTypes | undefined, given: readonly Json[],
): Json[] {
  // Passed on by somebody without the contract, who left all details as they came.
  if (given.some((one) => one["@type"] === typePrefix + errorInfoType && one["reason"] === reason)) return [];
  const domain = types?.service ?? "";
  const info: Json = { "@type": typePrefix + errorInfoType, reason, domain };
  const value = data === undefined || types === undefined ? undefined : dataJson(data, reason, types);
  if (value === undefined) return [info];
  const type = types?.type(reason);
  return [info, type === undefined || !isObject(value)
    ? { "@type": `${typePrefix}${domain}.${reason}`, value } : { "@type": typePrefix + type, ...value }];
}

function dataJson(data: unknown, reason: string, types: ErrorTypes): unknown {
  const writer = new Writer(256);
  try {
    const coder = types.coder(reason);
    if (coder === undefined) return undefined;
    coder.encode(data, writer);
    if (writer.position > maxDataBytes) return undefined;
    return JSON.parse(readText(writer.bytes, 0, writer.position));
  } catch {
    return undefined; // The error itself matters more than its data.
  }
}

function detailJson(detail: ErrorDetail): Json {
  for (const kind of richKinds) {
    const value = readDetail(detail, kind);
    if (value === undefined) continue;
    const fields = kind === "RetryInfo" ? { retryDelay: `${(value as RichDetails["RetryInfo"]).retryDelayMs / 1_000}s` }
      : JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? String(one) : one))) as Json;
    return { "@type": typePrefix + detail.type, ...fields };
  }
  // Of a type that is not known here: its bytes, as the JSON of well-known types has `value`.
  return { "@type": typePrefix + detail.type, value: toBase64(detail.value) };
}

/** An error as a caller sees it. */
export interface ReadStatus {
  readonly code: Code;
  readonly message: string;
  readonly options: RpcErrorOptions;
}

/** Reads the JSON of an error; undefined for what is none. `fallback` is its code where it names none that is known. */
export function readStatusJson(text: string, fallback: Code, types: ErrorTypes | undefined): ReadStatus | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(json)) return undefined;
  // Google's and ours have it under `error`; of grpc-gateway and Envoy it is the Status itself, with a code of gRPC.
  const isWrapped = isObject(json["error"]);
  const status = isWrapped ? json["error"] as Json : json;
  const { code, message, details } = status;
  if (typeof message !== "string" && typeof status["status"] !== "string") return undefined;
  const named = codeNamed(status["status"]) ??
    (!isWrapped && typeof code === "number" && code <= 16 ? codeFromNumber(code) : undefined);
  const list = Array.isArray(details) ? (details as unknown[]).filter(isObject).slice(0, maxDetails) : [];
  const declared = types === undefined ? undefined : declaredIn(list, types);
  const rest = list.filter((one) => declared?.used.includes(one) !== true).flatMap(readDetailJson);
  return {
    code: named ?? fallback, message: typeof message === "string" ? message.slice(0, maxMessageChars) : "",
    options: {
      details: rest.length === 0 ? undefined : rest,
      ...(declared === undefined ? {} : { reason: declared.reason, data: declared.data }),
    },
  };
}

/** The error of what {@link readStatusJson} read, with what the fields beside it say. */
export function errorOf({ code, message, options }: ReadStatus, metadata: Metadata, fields: Metadata): RpcError {
  return expected(code, message, {
    remote: true, phase: "server", metadata, ...readErrorMarks(fields), ...options,
    retryAfterMs: retryAfterMs(fields),
  });
}

/** gRPC's push-back, to the millisecond, or HTTP's own. */
function retryAfterMs(fields: Metadata): number | undefined {
  const pushback = fields[pushbackHeader];
  if (pushback !== undefined) return /^-?\d{1,10}$/.test(pushback) ? Number(pushback) : -1;
  const seconds = fields["retry-after"];
  return seconds !== undefined && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1_000 : undefined;
}

function codeNamed(name: unknown): Code | undefined {
  if (typeof name !== "string") return undefined;
  const code = name.toLowerCase() as Code;
  return codeFromNumber(codeNumber(code)) === code ? code : undefined;
}

function declaredIn(
  details: readonly Json[], types: ErrorTypes,
): { readonly reason: string; readonly data: unknown; readonly used: readonly Json[] } | undefined {
  const info = details.find((one) => typeOf(one) === errorInfoType && typeof one["reason"] === "string" &&
    types.coder(one["reason"]) !== undefined);
  if (info === undefined) return undefined;
  const reason = info["reason"] as string;
  const type = types.type(reason);
  const message = details.find((one) => one !== info &&
    (typeOf(one) === type || typeOf(one) === `${types.service}.${reason}`));
  if (message === undefined) return { reason, data: undefined, used: [info] };
  const { "@type": _, ...members } = message;
  const bytes = new TextEncoder().encode(JSON.stringify(type === typeOf(message) ? members : members["value"]));
  try {
    return { reason, data: types.coder(reason)?.decode(bytes, 0, bytes.length), used: [info, message] };
  } catch {
    return { reason, data: undefined, used: [info] }; // What a stranger sent need not be what the contract says.
  }
}

function readDetailJson(json: Json): ErrorDetail[] {
  const type = typeOf(json);
  if (type === undefined) return [];
  const { "@type": _, ...fields } = json;
  const kind = richKinds.find((one) => `google.rpc.${one}` === type);
  try {
    if (kind === "RetryInfo") {
      return [richDetail(kind, { retryDelayMs: Number.parseFloat(String(fields["retryDelay"])) * 1_000 })];
    }
    if (kind !== undefined) return [richDetail(kind, fields as never)];
  } catch {
    return [];
  }
  const value = typeof fields["value"] === "string" ? fromAnyBase64(fields["value"]) : undefined;
  return value === undefined ? [] : [{ type, value }];
}

function typeOf(json: Json): string | undefined {
  const type = json["@type"];
  return typeof type === "string" && type.length <= 512 ? type.slice(type.lastIndexOf("/") + 1) : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A status as XML: members are elements, lists repeated ones. What `@type` says stands in `type`. */
export function statusXml({ error }: StatusJson): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<error>${membersXml({ ...error })}</error>\n`;
}

function membersXml(json: Json): string {
  return Object.keys(json).map((key) => {
    const value = json[key];
    const name = key === "@type" ? "type" : /^[A-Za-z_][\w.-]*$/.test(key) ? key : "entry";
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    return items
      .map((one) => `<${name}>${isObject(one) ? membersXml(one) : textXml(one)}</${name}>`).join("");
  }).join("");
}

function textXml(value: unknown): string {
  const text = typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
  return text.toWellFormed().replaceAll(/[&<>]/g, (one) => (one === "&" ? "&amp;" : one === "<" ? "&lt;" : "&gt;"))
    // What XML has no characters for (its production `Char`).
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD");
}
