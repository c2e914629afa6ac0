/**
 * Rich error details: the messages of google/rpc/error_details.proto, which clients of every language can read,
 * to be attached to an RpcError (`details`) and to be found in one.
 *
 * ```ts
 * throw new RpcError("invalid_argument", "the order is not valid", {
 *   details: [badRequest({ fieldViolations: [{ field: "items[0].count", description: "must be above 0" }] })],
 * });
 * // The caller: findDetail(error, "BadRequest")?.fieldViolations
 * ```
 */
import type { ErrorDetail, RpcError } from "../core/error.ts";
import type { Cursor } from "../wire/cursor.ts";
import {
  fieldKey, readFields, readInt64, writeBytesField, writeIntegerField, writeTextField,
} from "../wire/fields.ts";
import { Writer } from "../wire/writer.ts";

/** What each detail says; names and meanings are those of error_details.proto. */
export interface RichDetails {
  /** Why it failed, by a constant name within a domain; `metadata` has the particulars. */
  readonly ErrorInfo: {
    readonly reason: string; readonly domain: string; readonly metadata: Readonly<Record<string, string>>;
  };
  /** How long to wait before a retry, in milliseconds. */
  readonly RetryInfo: { readonly retryDelayMs: number };
  readonly DebugInfo: { readonly stackEntries: readonly string[]; readonly detail: string };
  readonly QuotaFailure: { readonly violations: readonly QuotaViolation[] };
  readonly PreconditionFailure: {
    readonly violations: readonly { readonly type: string; readonly subject: string; readonly description: string }[];
  };
  /** Which fields of the request are wrong; `field` is a path such as `items[0].count`. */
  readonly BadRequest: { readonly fieldViolations: readonly FieldViolation[] };
  readonly RequestInfo: { readonly requestId: string; readonly servingData: string };
  readonly ResourceInfo: {
    readonly resourceType: string; readonly resourceName: string; readonly owner: string; readonly description: string;
  };
  readonly Help: { readonly links: readonly { readonly description: string; readonly url: string }[] };
  /** A message for the end user; `locale` by BCP 47, e.g. `de-CH`. */
  readonly LocalizedMessage: LocalizedMessage;
}

export interface QuotaViolation {
  readonly subject: string;
  readonly description: string;
  readonly apiService: string;
  readonly quotaMetric: string;
  readonly quotaId: string;
  readonly quotaDimensions: Readonly<Record<string, string>>;
  readonly quotaValue: bigint;
  readonly futureQuotaValue?: bigint | undefined;
}

export interface FieldViolation {
  readonly field: string;
  readonly description: string;
  readonly reason: string;
  readonly localizedMessage?: LocalizedMessage | undefined;
}

export interface LocalizedMessage {
  readonly locale: string;
  readonly message: string;
}

/** What may be left out is empty. */
type Given<T> = T extends readonly (infer Item)[] ? readonly Given<Item>[]
  : T extends string | number | bigint ? T : { readonly [K in keyof T]?: Given<T[K]> | undefined };

/** How a field is written; `"int64?"` has presence, and `[shape]` is a list of messages. */
type Kind = "text" | "texts" | "map" | "milliseconds" | "int64" | "int64?" | Shape | readonly [Shape];
interface Shape {
  readonly [name: string]: readonly [number: number, kind: Kind];
}

const localizedMessageShape: Shape = { locale: [1, "text"], message: [2, "text"] };

const shapes: { readonly [K in keyof RichDetails]: Shape } = {
  ErrorInfo: { reason: [1, "text"], domain: [2, "text"], metadata: [3, "map"] },
  RetryInfo: { retryDelayMs: [1, "milliseconds"] },
  DebugInfo: { stackEntries: [1, "texts"], detail: [2, "text"] },
  QuotaFailure: {
    violations: [1, [{
      subject: [1, "text"], description: [2, "text"], apiService: [3, "text"], quotaMetric: [4, "text"],
      quotaId: [5, "text"], quotaDimensions: [6, "map"], quotaValue: [7, "int64"], futureQuotaValue: [8, "int64?"],
    }]],
  },
  PreconditionFailure: { violations: [1, [{ type: [1, "text"], subject: [2, "text"], description: [3, "text"] }]] },
  BadRequest: {
    fieldViolations: [1, [{
      field: [1, "text"], description: [2, "text"], reason: [3, "text"], localizedMessage: [4, localizedMessageShape],
    }]],
  },
  RequestInfo: { requestId: [1, "text"], servingData: [2, "text"] },
  ResourceInfo: {
    resourceType: [1, "text"], resourceName: [2, "text"], owner: [3, "text"], description: [4, "text"],
  },
  Help: { links: [1, [{ description: [1, "text"], url: [2, "text"] }]] },
  LocalizedMessage: localizedMessageShape,
};

/** Makes a detail of a kind; what is left out is empty. The functions below do the same by their names. */
export function richDetail<K extends keyof RichDetails>(kind: K, fields: Given<RichDetails[K]>): ErrorDetail {
  return { type: `google.rpc.${kind}`, value: write(shapes[kind], fields) };
}

export const errorInfo = (fields: Given<RichDetails["ErrorInfo"]>): ErrorDetail => richDetail("ErrorInfo", fields);
export const retryInfo = (fields: Given<RichDetails["RetryInfo"]>): ErrorDetail => richDetail("RetryInfo", fields);
export const debugInfo = (fields: Given<RichDetails["DebugInfo"]>): ErrorDetail => richDetail("DebugInfo", fields);
export const quotaFailure = (fields: Given<RichDetails["QuotaFailure"]>): ErrorDetail =>
  richDetail("QuotaFailure", fields);
export const preconditionFailure = (fields: Given<RichDetails["PreconditionFailure"]>): ErrorDetail =>
  richDetail("PreconditionFailure", fields);
export const badRequest = (fields: Given<RichDetails["BadRequest"]>): ErrorDetail => richDetail("BadRequest", fields);
export const requestInfo = (fields: Given<RichDetails["RequestInfo"]>): ErrorDetail =>
  richDetail("RequestInfo", fields);
export const resourceInfo = (fields: Given<RichDetails["ResourceInfo"]>): ErrorDetail =>
  richDetail("ResourceInfo", fields);
export const help = (fields: Given<RichDetails["Help"]>): ErrorDetail => richDetail("Help", fields);
export const localizedMessage = (fields: Given<RichDetails["LocalizedMessage"]>): ErrorDetail =>
  richDetail("LocalizedMessage", fields);

/** The first detail of that kind in an error; undefined if there is none, or if what a peer sent is malformed. */
export function findDetail<K extends keyof RichDetails>(error: RpcError, kind: K): RichDetails[K] | undefined {
  const detail = error.details?.find(({ type }) => type === `google.rpc.${kind}`);
  return detail === undefined ? undefined : readDetail(detail, kind);
}

/** Reads a detail as one of that kind; undefined if it is another, or malformed. */
export function readDetail<K extends keyof RichDetails>(detail: ErrorDetail, kind: K): RichDetails[K] | undefined {
  if (detail.type !== `google.rpc.${kind}`) return undefined;
  try {
    return read(shapes[kind], detail.value) as unknown as RichDetails[K];
  } catch {
    return undefined;
  }
}

type Fields = Record<string, unknown>;

function write(shape: Shape, fields: object): Uint8Array {
  const writer = new Writer(128);
  for (const [name, [number, kind]] of Object.entries(shape)) {
    const value = (fields as Fields)[name];
    if (value !== undefined) writeOne(writer, number, kind, value);
  }
  return writer.finish();
}

function writeOne(writer: Writer, number: number, kind: Kind, value: unknown): void {
  if (typeof kind !== "string") {
    const [shape, items] = Array.isArray(kind) ? [kind[0] as Shape, value as object[]] : [kind as Shape, [value]];
    for (const item of items) writeBytesField(writer, number, write(shape, item as object));
    return;
  }
  switch (kind) {
    case "text":
      if (value !== "") writeTextField(writer, number, value as string);
      return;
    case "texts":
      for (const text of value as readonly string[]) writeTextField(writer, number, text);
      return;
    case "map":
      for (const [key, text] of Object.entries(value as Record<string, string>)) {
        writeBytesField(writer, number, write(entryShape, { key, value: text }));
      }
      return;
    case "int64": case "int64?":
      if (value !== 0n || kind === "int64?") writeIntegerField(writer, number, value as bigint);
      return;
    case "milliseconds": {
      const milliseconds = Math.max(0, Math.trunc(value as number));
      writeBytesField(writer, number, write(durationShape, {
        seconds: BigInt(Math.trunc(milliseconds / 1_000)), nanos: BigInt(milliseconds % 1_000 * 1_000_000),
      }));
      return;
    }
    default: kind satisfies never;
  }
}

const entryShape: Shape = { key: [1, "text"], value: [2, "text"] };
const durationShape: Shape = { seconds: [1, "int64"], nanos: [2, "int64"] };
/** No text of a detail is longer than the detail, which its wire has limited. */
const anyLength = Number.MAX_SAFE_INTEGER;

function read(shape: Shape, bytes: Uint8Array): Fields {
  const fields: Fields = {};
  const entries = Object.entries(shape);
  for (const [name, [, kind]] of entries) if (hasEmpty(kind)) fields[name] = emptyOf(kind);
  readFields(bytes, (key, cursor) => {
    for (const [name, [number, kind]] of entries) {
      const isInteger = kind === "int64" || kind === "int64?";
      if (key !== fieldKey(number, isInteger ? 0 : 2)) continue;
      readOne(fields, name, kind, cursor);
      return true;
    }
    return false;
  });
  return fields;
}

/** What has presence is not there unless it came. */
function hasEmpty(kind: Kind): boolean {
  return kind !== "int64?" && (typeof kind === "string" || Array.isArray(kind));
}

function emptyOf(kind: Kind): unknown {
  if (kind === "text") return "";
  if (kind === "map") return Object.create(null) as object;
  if (kind === "int64") return 0n;
  return kind === "milliseconds" ? 0 : [];
}

function readOne(fields: Fields, name: string, kind: Kind, cursor: Cursor): void {
  if (kind === "int64" || kind === "int64?") {
    fields[name] = readInt64(cursor);
    return;
  }
  if (kind === "text") {
    fields[name] = cursor.text(anyLength);
    return;
  }
  if (kind === "texts") {
    (fields[name] as string[]).push(cursor.text(anyLength));
    return;
  }
  const bytes = cursor.run(anyLength);
  if (kind === "map") {
    const entry = read(entryShape, bytes);
    (fields[name] as Fields)[entry["key"] as string] = entry["value"];
  } else if (kind === "milliseconds") {
    const { seconds, nanos } = read(durationShape, bytes);
    fields[name] = Number(seconds) * 1_000 + Number(nanos) / 1_000_000;
  } else if (Array.isArray(kind)) {
    (fields[name] as Fields[]).push(read(kind[0] as Shape, bytes));
  } else {
    fields[name] = read(kind as Shape, bytes);
  }
}
