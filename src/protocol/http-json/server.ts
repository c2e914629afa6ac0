/** The server's half of plain HTTP: requests by path, query and body, in JSON, XML or MessagePack. */
import type { Codec, Coder } from "../../contract/codec.ts";
import type { BoundPath } from "../../contract/http/bindings.ts";
import { jsonNameOf, memberNamed } from "../../contract/http/fields.ts";
import type { FieldModel, Model, StructModel } from "../../contract/model.ts";
import type { Schema } from "../../contract/schema.ts";
import type { ReplyMetadata } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import { Head } from "../../http/message.ts";
import { readText, writeText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { pushbackHeader, readCallHeaders, writeMetadata, writeSendableMetadata } from "../call-headers.ts";
import { listedNames, mediaType } from "../content-type.ts";
import type { Reply, ReplyForm, RequestHead, ServerDialect } from "../dialect.ts";
import { pushbackOf } from "../error-details.ts";
import { writeErrorMarks } from "../error-marks.ts";
import { readGrpcTimeout } from "../grpc-timeout.ts";
import { emptyText, joinBody, joiningCoder, memberText, readParameters } from "./bind.ts";
import { bodyTypes, eventsType, linesTypes, names, negotiate } from "./media.ts";
import { errorTypesOf, statusJson, statusXml } from "./status.ts";
import { eventCoder, eventsEnd, heartbeat, lastEventNumber, lastId, lineCoder, linesEnd } from "./streams.ts";
import type { Found, PathTable } from "./table.ts";
import { tagged } from "./unchanged.ts";

export interface HttpJsonServerOptions {
  /** The paths that are served. */
  readonly table: PathTable;
  /** The codec of a name: those of `bodyTypes` are asked for. */
  readonly codec: (name: string) => Codec;
  /** How often an event stream that is silent shows that it lives, in milliseconds. Default 15,000. */
  readonly heartbeatMs?: number | undefined;
  /** Whether replies to GET have an `etag`, and are not sent to who has them already. Default true. */
  readonly etag?: boolean | undefined;
  /** Whether paths that are not there are left to another handler. */
  readonly leavesUnknown: boolean;
}

interface HttpJsonRequest extends RequestHead {
  readonly bound: BoundPath;
  /** The media type of the reply. */
  readonly replyType: string;
  readonly isHead: boolean;
  /** Whether the reply has a tag, by which it need not be sent again. */
  readonly isTagged: boolean;
  readonly ifNoneMatch: string | undefined;
}

/** Before the names of trailing metadata, which plain HTTP has no other place for. */
export const trailerPrefix = "trailer-";
const offers = Object.keys(bodyTypes);
const streamOffers: readonly string[] = [linesTypes[0], eventsType, linesTypes[1]];
/** What a GET of Connect says, be it whole or not. */
const connectQuery = /[?&](?:connect|encoding|message)=/;
const nearPaths = 5;
const defaultHeartbeatMs = 15_000;

/** Makes the server's half of plain HTTP. */
export function httpJsonServer(options: HttpJsonServerOptions): ServerDialect {
  const { table } = options;
  const dialect: ServerDialect = {
    name: "http-json", http1: true, contentTypes: [...offers, ...linesTypes],
    claims: (request) => claims(request, options),
    read(request) {
      const [path, query] = split(request.path);
      const found = table.find(request.method, path);
      if (found.kind !== "found") return unserved(request, path, found, table);
      try {
        return readRequest(request, found.path, found.values, query, options);
      } catch (error) {
        return refusalOf(undefined, request, RpcError.from(error, "internal"), undefined, options);
      }
    },
    head: (request, compression, reply, bodyBytes) =>
      replyHead(request as HttpJsonRequest, compression, reply, bodyBytes),
    conditional(request, head, bytes, length) {
      const { isTagged, ifNoneMatch } = request as HttpJsonRequest;
      return isTagged ? tagged(head, ifNoneMatch, bytes, length) : head;
    },
    end(request, error, trailer) {
      const { bound, replyType } = request as HttpJsonRequest;
      const status = error === undefined ? undefined
        : statusJson(error, errorTypesOf(bound.method, options.codec("json")));
      if (replyType === eventsType) return { flags: 0, payload: eventsEnd(status, trailer) };
      if (status !== undefined || trailer === undefined) return { flags: 0, payload: linesEnd(status) };
      const fields = fieldsOf({});
      writeMetadata(fields, trailer, "");
      return { trailers: new Head(fields) };
    },
    refusal: (request, head, error, reply) =>
      refusalOf(request as HttpJsonRequest | undefined, head, error, reply, options),
  };
  return dialect;
}

function split(path: string): [string, string] {
  const question = path.indexOf("?");
  return question < 0 ? [path, ""] : [path.slice(0, question), path.slice(question + 1)];
}

/** What is another dialect's is left to it: theirs are known by their content types, and by queries of Connect. */
function claims(request: Head, { table, leavesUnknown }: HttpJsonServerOptions): boolean {
  const { method, fields } = request;
  const type = mediaType(fields["content-type"]);
  if (type.startsWith("application/grpc") || type.startsWith("application/connect+")) return false;
  const [path] = split(request.path);
  const preflight = method === "OPTIONS" && fields["access-control-request-method"] !== undefined;
  if (preflight) return false;
  const found = table.find(method, path);
  if (found.kind === "none") return !leavesUnknown && isBelowDeclared(path, table);
  // Of what every method has, others may be meant, and say so themselves.
  if (found.kind === "method") return found.isDeclared;
  if (found.path.isDeclared) return true;
  if (method === "GET") return !connectQuery.test(request.path);
  // Connect's clients name their protocol; others of a post in its types are told from them by what they would read.
  const isConnect = method === "POST" &&
    (type === "application/json" || type === "application/proto" || type === "application/msgpack");
  if (!isConnect) return offers.includes(type) || type === linesTypes[0] || type === linesTypes[1];
  return fields["connect-protocol-version"] === undefined && names(fields["accept"], [...offers, ...streamOffers]);
}

/** Whether a path begins as a declared one does: then it is this dialect that says that it is not there. */
function isBelowDeclared(path: string, table: PathTable): boolean {
  const first = path.split("/", 2)[1] ?? "";
  return first !== "" && table.declared.some(({ template }) => {
    const [segment] = template.segments;
    return segment?.kind === "literal" && segment.text === first;
  });
}

function unserved(request: Head, path: string, found: Exclude<Found, { kind: "found" }>, table: PathTable): Reply {
  if (found.kind === "method") {
    const allow = [...found.allowed, "OPTIONS"].join(", ");
    if (request.method === "OPTIONS") return { head: new Head(fieldsOf({ allow }), 204), body: undefined };
    return errorReply(405, "UNIMPLEMENTED", `${request.method.slice(0, 16)} ${path.slice(0, 256)} is not served; ` +
      `allowed are ${allow}`, { allow });
  }
  const near = table.near(path, nearPaths);
  return errorReply(404, "NOT_FOUND", `${path.slice(0, 256)} is not served here` +
    (near.length === 0 ? "" : `; near are ${near.join(", ")}`), {});
}

function readRequest(
  request: Head, bound: BoundPath, values: readonly string[], query: string, options: HttpJsonServerOptions,
): HttpJsonRequest | Reply {
  const { fields } = request;
  const { method } = bound;
  const streamsIn = method.kind === "client_stream" || method.kind === "bidi_stream";
  const streamsOut = method.kind === "server_stream" || method.kind === "bidi_stream";
  const type = mediaType(fields["content-type"]);
  const hasBody = bound.body !== undefined;
  const taken = streamsIn ? linesTypes as readonly string[] : offers;
  const isTaken = type === "" || !hasBody || (streamsIn ? taken.includes(type) : Object.hasOwn(bodyTypes, type));
  if (!isTaken) {
    return errorReply(415, "INVALID_ARGUMENT", `content type ${JSON.stringify(type.slice(0, 64))} is not taken here; ` +
      `taken are ${taken.join(", ")}`, { "accept-post": taken.join(", ") });
  }
  const codec = streamsIn || !hasBody ? "json" : bodyTypes[type] ?? "json";
  const own = type !== "" && hasBody && !streamsIn ? [type, ...offers.filter((one) => one !== type)] : offers;
  const given = streamsOut ? streamOffers : own;
  const replyType = negotiate(fields["accept"], given);
  if (replyType === undefined) {
    const asked = JSON.stringify((fields["accept"] ?? "").slice(0, 128));
    return errorReply(406, "INVALID_ARGUMENT", `no reply is ${asked}; ` +
      `offered are ${given.join(", ")}`, {});
  }
  if (replyType === eventsType && fields["last-event-id"] === lastId) {
    // A browser that asks again for a stream that has ended stops at this.
    return { head: new Head(fieldsOf({}), 204), body: undefined };
  }
  const parameters = readParameters(bound, values, query);
  const isDirect = hasBody && bound.body === "*" && parameters === undefined && !streamsIn;
  const replyCodec = streamsOut ? "json" : bodyTypes[replyType] as string;
  return {
    ...readCallHeaders(fields), bound, replyType, isHead: request.method === "HEAD",
    isTagged: options.etag !== false && bound.verb === "GET" && !streamsOut, ifNoneMatch: fields["if-none-match"],
    path: method.path, codec: isDirect ? codec : "json", framing: streamsIn ? "lines" : "bare", kind: method.kind,
    timeoutMs: readTimeout(fields), compression: named(fields["content-encoding"]),
    accepts: streamsOut ? [] : listedNames(fields["accept-encoding"]), message: undefined,
    requestCoder: isDirect && codec !== "json" ? undefined
      : (coders) => streamsIn ? coders.request : requestCoder(bound, parameters, codec, coders.request, options),
    reply: replyForm(bound, streamsOut, replyType, replyCodec, fields["last-event-id"], options),
  };
}

/** Reads a body in any codec, joined with what path and query say. */
function requestCoder(
  bound: BoundPath, parameters: Record<string, unknown> | undefined, codec: string, json: Coder,
  options: HttpJsonServerOptions,
): Coder {
  const join = (bytes: Uint8Array, start: number, end: number): Uint8Array =>
    joinBody(bound, parameters, bytes, start, end);
  if (codec === "json") return joiningCoder(json, join);
  const coder = bodyCoder(bound, codec, options);
  return joiningCoder(json, (bytes, start, end) => {
    const writer = new Writer(Math.max(256, 2 * (end - start)));
    coder.write(coder.read.decode(bytes, start, end), writer);
    return join(writer.bytes, 0, writer.position);
  });
}

/** What a body in another codec is, and how it becomes JSON. What else is checked is, when all is together. */
function bodyCoder(
  { body, method, fields }: BoundPath, codec: string, { codec: codecOf }: HttpJsonServerOptions,
): { readonly read: Coder; write(value: unknown, writer: Writer): void } {
  const input = method.input.model as Model;
  const member = body === "*" || body === undefined ? undefined : memberNamed(input, body);
  let model = member?.model ?? input;
  if (member === undefined && model.kind === "struct") {
    const inPath = new Set(fields.map(({ keys }) => keys[0]));
    const struct: StructModel = { ...model, fields: model.fields.filter((one) => !inPath.has(jsonNameOf(one))) };
    model = struct;
  }
  const schema = unchecked(model, member?.name ?? method.input.name);
  const read = codecOf(codec).compile(schema, "request");
  const write = codecOf("json").compile(schema, "request");
  return { read, write: (value, writer) => write.encode(value, writer) };
}

function unchecked(model: Model, name: string | undefined): Schema {
  return { model, name, refine: undefined, validate: (value) => value };
}

function replyForm(
  bound: BoundPath, streams: boolean, type: string, codec: string, lastEventId: string | undefined,
  { codec: codecOf, heartbeatMs = defaultHeartbeatMs }: HttpJsonServerOptions,
): ReplyForm {
  const { method, responseBody } = bound;
  if (streams) {
    return type === eventsType
      ? {
        framing: "lines", coder: (coders) => eventCoder(coders.response, lastEventNumber(lastEventId)),
        heartbeat: { bytes: heartbeat, everyMs: heartbeatMs },
      }
      : { framing: "lines", coder: (coders) => lineCoder(coders.response) };
  }
  return {
    framing: "bare",
    coder(coders) {
      const coder = coders.codec === codec ? coders.response : codecOf(codec).compile(method.output, "response");
      if (responseBody === undefined) return coder;
      return fieldCoder(coder, memberNamed(method.output.model as Model, responseBody) as FieldModel, codec, codecOf);
    },
  };
}

/** Writes one field of a response as if it were all. */
function fieldCoder(whole: Coder, field: FieldModel, codec: string, codecOf: (name: string) => Codec): Coder {
  if (codec === "json") {
    return {
      ...whole,
      encode(value, writer) {
        const inner = new Writer(1_024);
        whole.encode(value, inner);
        const text = memberText(readText(inner.bytes, 0, inner.position), jsonNameOf(field), emptyText(field.model));
        writer.ensure(3 * text.length);
        writer.position += writeText(writer.bytes, writer.position, text);
      },
    };
  }
  const coder = codecOf(codec).compile(unchecked(field.model, field.name), "response");
  return { ...whole, encode: (value, writer) => coder.encode((value as Record<string, unknown>)[field.name], writer) };
}

/** `grpc-timeout`, as grpc-gateway and Envoy read it, or `connect-timeout-ms`. */
function readTimeout(fields: Metadata): number | undefined {
  const ms = fields["connect-timeout-ms"];
  if (ms === undefined) return readGrpcTimeout(fields["grpc-timeout"]);
  if (/^\d{1,10}$/.test(ms)) return Number(ms);
  throw new RpcError("invalid_argument", `connect-timeout-ms is ${JSON.stringify(ms.slice(0, 32))}, expected at most ` +
    "ten digits", { phase: "decode" });
}

function named(compression: string | undefined): string | undefined {
  return compression === undefined || compression === "" || compression === "identity" ? undefined : compression;
}

function replyHead(
  { replyType }: HttpJsonRequest, compression: string | undefined, reply: ReplyMetadata | undefined,
  bodyBytes: number | undefined,
): Head {
  const fields = fieldsOf({ "content-type": replyType });
  if (bodyBytes !== undefined) fields["content-length"] = String(bodyBytes);
  if (compression !== undefined) fields["content-encoding"] = compression;
  if (replyType === eventsType) fields["cache-control"] = "no-store";
  // Proxies that gather replies must not gather this one (nginx).
  if (bodyBytes === undefined) fields["x-accel-buffering"] = "no";
  else fields["vary"] = "accept, accept-encoding";
  writeMetadata(fields, reply?.header, "");
  if (bodyBytes !== undefined) writeMetadata(fields, reply?.trailer, trailerPrefix);
  return new Head(fields, 200);
}

function refusalOf(
  request: HttpJsonRequest | undefined, head: Head, error: RpcError, reply: ReplyMetadata | undefined,
  { codec }: HttpJsonServerOptions,
): Reply {
  const status = statusJson(error, request === undefined ? undefined
    : errorTypesOf(request.bound.method, codec("json")));
  const asked = request?.replyType ?? negotiate(head.fields["accept"], offers) ?? "application/json";
  const type = Object.hasOwn(bodyTypes, asked) ? asked : "application/json";
  const extra: Record<string, string> = {};
  writeSendableMetadata(extra, reply?.header, "");
  writeSendableMetadata(extra, error.metadata, trailerPrefix);
  writeSendableMetadata(extra, reply?.trailer, trailerPrefix);
  const pushback = pushbackOf(error);
  if (pushback !== undefined) {
    extra[pushbackHeader] = pushback;
    // Whole seconds, rounded up: sooner than asked would be refused again.
    if (Number(pushback) >= 0) extra["retry-after"] = String(Math.ceil(Number(pushback) / 1_000));
  }
  writeErrorMarks(extra, error);
  const body = errorBody(type, status, codec);
  const fields = fieldsOf({ "content-type": type, "content-length": String(body.length), ...extra });
  return { head: new Head(fields, status.error.code), body: head.method === "HEAD" ? undefined : body };
}

const anything: Schema = unchecked({ kind: "unknown" }, "error");

function errorBody(type: string, status: ReturnType<typeof statusJson>, codec: (name: string) => Codec): Uint8Array {
  switch (bodyTypes[type]) {
    case "xml": return utf8.encode(statusXml(status));
    case "msgpack": {
      const writer = new Writer(256);
      codec("msgpack").compile(anything, "error").encode(status, writer);
      return writer.finish();
    }
    default: return utf8.encode(`${JSON.stringify(status)}\n`);
  }
}

const utf8 = new TextEncoder();

function errorReply(status: number, name: string, message: string, extra: Readonly<Record<string, string>>): Reply {
  const body = utf8.encode(`${JSON.stringify({ error: { code: status, status: name, message, details: [] } })}\n`);
  return {
    head: new Head(fieldsOf({ "content-type": "application/json", "content-length": String(body.length), ...extra }),
      status),
    body,
  };
}

function fieldsOf(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.assign(Object.create(null) as Record<string, string>, fields);
}
