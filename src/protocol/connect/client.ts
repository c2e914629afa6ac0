/** The client's half of Connect: unary calls as plain POSTs (or GETs), streams in envelopes. */
import type { Context } from "../../core/context.ts";
import { expected, type RpcError } from "../../core/error.ts";
import { emptyMetadata, type Metadata, metadataName } from "../../core/metadata.ts";
import { type Head, requestHead } from "../../http/message.ts";
import { isPlainCall, isReservedHeader, metadataOf, writeCallHeaders } from "../call-headers.ts";
import { listedNames, mediaType } from "../content-type.ts";
import type { CallEnd, ClientDialect, ResponseHead, Target } from "../dialect.ts";
import { receivedError } from "../error-details.ts";
import { codeFromHttpStatus, httpStatusError } from "../http-status.ts";
import { loadWantedFormat, loadWantedName } from "../orca.ts";
import { readEndJson, readErrorJson } from "./error-json.ts";
import { writeGetQuery } from "./get.ts";
import { endStreamFlag, streamPrefix, trailerPrefix, unaryPrefix, versionHeader } from "./words.ts";

export interface ConnectClientOptions {
  /**
   * Makes unary calls of methods declared `safe: true` by GET, so that caches on the way may answer. Default
   * false.
   */
  readonly get?: boolean | undefined;
  /** Longest path and query of a GET; calls with more to say go by POST. Default 4,096. */
  readonly maxGetUrlBytes?: number | undefined;
}

/** What is kept of a target: the fields that its requests share, and the head of the last that had nothing else. */
interface Kept {
  readonly fields: Readonly<Record<string, string>>;
  readonly path: string;
  timeoutMs: number | undefined;
  compressed: boolean;
  head: Head | undefined;
}

/** Makes the client's half of Connect. */
export function connectClient(options: ConnectClientOptions = {}): ClientDialect {
  const maxGetUrlBytes = options.maxGetUrlBytes ?? 4_096;
  return {
    name: "connect",
    framing: (method) => (method.kind === "unary" ? "bare" : "enveloped"),
    request(target, context, timeoutMs, compressed, message) {
      const kept = (target.memo ??= keep(target)) as Kept;
      if (options.get === true && message !== undefined && target.method.safe === true) {
        const query = writeGetQuery(target.coders.codec, compressed ? target.compression : undefined, message);
        if (kept.path.length + 1 + query.length <= maxGetUrlBytes) {
          return requestHead("GET", `${kept.path}?${query}`, target.scheme, target.authority,
            getFields(target, context, timeoutMs));
        }
      }
      if (!isPlainCall(context)) return post(target, kept, context, timeoutMs, compressed);
      if (kept.head === undefined || kept.timeoutMs !== timeoutMs || kept.compressed !== compressed) {
        kept.head = post(target, kept, context, timeoutMs, compressed);
        kept.timeoutMs = timeoutMs;
        kept.compressed = compressed;
      }
      return kept.head;
    },
    response: (head, last, target) => (target.method.kind === "unary" ? unaryResponse(head, last, target)
      : streamResponse(head, target)),
    readError,
    readTrailers: () => ({ error: broken("the stream ended without saying how"), trailer: emptyMetadata }),
    readEnd,
  };
}

function keep({ method, coders, accepts, compression }: Target): Kept {
  const fields = Object.create(null) as Record<string, string>;
  const isUnary = method.kind === "unary";
  fields["content-type"] = (isUnary ? unaryPrefix : streamPrefix) + coders.codec;
  fields[versionHeader] = "1";
  fields[loadWantedName] = loadWantedFormat;
  if (accepts.length > 0) fields[isUnary ? "accept-encoding" : "connect-accept-encoding"] = accepts.join(", ");
  // A stream names what its messages may be compressed with; a bare body only what it is compressed with.
  if (!isUnary && compression !== undefined) fields["connect-content-encoding"] = compression;
  return {
    fields, path: `/${method.service}/${method.wireName}`, timeoutMs: undefined, compressed: false, head: undefined,
  };
}

function post(
  target: Target, kept: Kept, context: Context, timeoutMs: number | undefined, compressed: boolean,
): Head {
  const fields = Object.assign(Object.create(null) as Record<string, string>, kept.fields);
  if (compressed && target.method.kind === "unary") fields["content-encoding"] = target.compression as string;
  addCall(fields, context, timeoutMs);
  return requestHead("POST", kept.path, target.scheme, target.authority, fields);
}

function getFields(target: Target, context: Context, timeoutMs: number | undefined): Metadata {
  const fields = Object.create(null) as Record<string, string>;
  if (target.accepts.length > 0) fields["accept-encoding"] = target.accepts.join(", ");
  addCall(fields, context, timeoutMs);
  return fields;
}

/** Ten digits are the most that the protocol has for a timeout. */
const maxTimeoutMs = 9_999_999_999;

function addCall(fields: Record<string, string>, context: Context, timeoutMs: number | undefined): void {
  if (timeoutMs !== undefined) fields["connect-timeout-ms"] = String(Math.min(Math.ceil(timeoutMs), maxTimeoutMs));
  writeCallHeaders(fields, context);
}

function unaryResponse(head: Head, last: boolean, target: Target): ResponseHead {
  const { fields, status } = head;
  const type = mediaType(fields["content-type"]);
  const { header, trailer } = splitMetadata(fields);
  if (status !== 200) {
    return last || type !== "application/json" ? { kind: "failed", error: httpStatusError(head), header }
      : { kind: "error", header, compression: named(fields["content-encoding"]) };
  }
  const wrong = wrongType(type, unaryPrefix, target);
  if (wrong !== undefined) return { kind: "failed", error: wrong, header };
  return {
    kind: "body", header, trailer: metadataOf(trailer), framing: "bare", compression: named(fields["content-encoding"]),
    accepts: acceptsOf(fields["accept-encoding"]),
  };
}

function streamResponse(head: Head, target: Target): ResponseHead {
  const { fields, status } = head;
  const header = metadataOf(fields);
  if (status !== 200) return { kind: "failed", error: httpStatusError(head), header };
  const wrong = wrongType(mediaType(fields["content-type"]), streamPrefix, target);
  if (wrong !== undefined) return { kind: "failed", error: wrong, header };
  return {
    kind: "body", header, trailer: undefined, framing: "enveloped",
    compression: named(fields["connect-content-encoding"]), accepts: acceptsOf(fields["connect-accept-encoding"]),
  };
}

/** A response in another codec breaks the protocol; one of another kind was not sent by a server of Connect. */
function wrongType(type: string, prefix: string, { coders }: Target): RpcError | undefined {
  if (type === prefix + coders.codec) return undefined;
  const isConnect = type === "application/json" || type === "application/proto" || type.startsWith(streamPrefix);
  return expected(isConnect ? "internal" : "unknown",
    `the response is ${JSON.stringify(type.slice(0, 64))}, expected ${prefix}${coders.codec}`,
    { phase: "decode", remote: true });
}

function named(compression: string | undefined): string | undefined {
  return compression === undefined || compression === "" || compression === "identity" ? undefined : compression;
}

function acceptsOf(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : listedNames(value);
}

/** The trailing metadata still has what belongs to the protocol. */
function splitMetadata(fields: Metadata): { header: Metadata; trailer: Metadata } {
  let header: Record<string, string> | undefined;
  let trailer: Record<string, string> | undefined;
  for (const name in fields) {
    if (name.startsWith(trailerPrefix)) {
      trailer ??= Object.create(null) as Record<string, string>;
      trailer[name.slice(trailerPrefix.length)] = fields[name] as string;
    } else if (!isReservedHeader(name) && metadataName.test(name)) {
      header ??= Object.create(null) as Record<string, string>;
      header[name] = fields[name] as string;
    }
  }
  return { header: header ?? emptyMetadata, trailer: trailer ?? emptyMetadata };
}

/** An error's response is a head and its text: what the server says beside the error may stand there either way. */
function readError(head: Head, body: Uint8Array, { coders }: Target): CallEnd {
  const { header, trailer: raw } = splitMetadata(head.fields);
  const trailing = metadataOf(raw);
  const trailer = header === emptyMetadata ? trailing
    : Object.assign(Object.create(null) as Record<string, string>, header, trailing);
  const wire = readErrorJson(body, 0, body.length, codeFromHttpStatus(head.status));
  const error = wire === undefined ? httpStatusError(head)
    : receivedError(wire.code, wire.message, wire.details, trailer, raw, coders);
  return { error, trailer };
}

function readEnd(flags: number, bytes: Uint8Array, start: number, end: number, target: Target): CallEnd | undefined {
  if ((flags & endStreamFlag) === 0) return undefined;
  const { error, trailer: raw } = readEndJson(bytes, start, end);
  const trailer = metadataOf(raw);
  return {
    trailer,
    error: error === undefined ? undefined
      : receivedError(error.code, error.message, error.details, trailer, raw, target.coders),
  };
}

function broken(what: string): RpcError {
  return expected("internal", what, { phase: "decode", remote: true });
}
