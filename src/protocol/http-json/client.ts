/**
 * The client's half of plain HTTP: it calls any server whose paths the contract declares, ours or another's. What a
 * coder writes here is a line with the method and the path, then the body: the head takes the one, the body the other.
 */
import type { Coder } from "../../contract/codec.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { type BoundPath, declaredPaths, standardPaths } from "../../contract/http/bindings.ts";
import { jsonNameOf, memberNamed } from "../../contract/http/fields.ts";
import { errorMessageOf } from "../../contract/proto/describe-names.ts";
import type { AnyMethod } from "../../contract/method.ts";
import type { FieldModel, Model } from "../../contract/model.ts";
import type { Schema } from "../../contract/schema.ts";
import type { Context } from "../../core/context.ts";
import { expected, type RpcError } from "../../core/error.ts";
import { emptyMetadata, type Metadata } from "../../core/metadata.ts";
import type { MethodInfo } from "../../core/method.ts";
import { type Head, requestHead } from "../../http/message.ts";
import { readText, writeText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { isReservedHeader, metadataOf, writeCallHeaders } from "../call-headers.ts";
import { mediaType } from "../content-type.ts";
import { type CallEnd, type ClientDialect, errorMark, type ResponseHead, type Target } from "../dialect.ts";
import { writeGrpcTimeout } from "../grpc-timeout.ts";
import { codeFromHttpStatus, httpStatusError } from "../http-status.ts";
import { eventsType, linesTypes } from "./media.ts";
import { type ErrorTypes, errorOf, readStatusJson } from "./status.ts";
import { writePath } from "./write-path.ts";

/** Before the names of trailing metadata. */
const trailerPrefix = "trailer-";
const lineFeed = 0x0a;
/** Lines first: they are read no faster than they are taken. */
const streamTypes = `${linesTypes[0]}, ${linesTypes[1]};q=0.9, ${eventsType};q=0.8`;

/** Makes the client's half of plain HTTP. */
export function httpJsonClient(): ClientDialect {
  return {
    name: "http-json",
    framing: ({ kind }) => (kind === "client_stream" || kind === "bidi_stream" ? "lines" : "bare"),
    request(target, context, timeoutMs, _compressed, message) {
      const line = message === undefined ? firstLine(pathOf(target.method))
        : readText(message, 0, endOfLine(message));
      const space = line.indexOf(" ");
      const verb = line.slice(0, space);
      const fields = requestFields(target, context, timeoutMs, verb);
      return requestHead(verb, line.slice(space + 1), target.scheme, target.authority, fields);
    },
    body(head, message) {
      const start = endOfLine(message) + 1;
      return head.method === "GET" || head.method === "DELETE" ? undefined : message.subarray(start);
    },
    response: readResponse,
    readError,
    // What ends without another word ended well: a body that was cut short is known as such by HTTP.
    readTrailers: (trailers) => ({
      error: undefined,
      trailer: trailers === undefined || trailers.status > 0 ? emptyMetadata : metadataOf(trailers.fields),
    }),
    readEnd,
  };
}

function endOfLine(message: Uint8Array): number {
  const end = message.indexOf(lineFeed);
  return end < 0 ? message.length : end;
}

/** The path that calls of a method are made by: the first that it declares. */
function pathOf(method: MethodInfo): BoundPath {
  const known = method as AnyMethod;
  return (known.http === undefined ? undefined : declaredPaths(known)[0]) ?? standardPaths(known)[0] as BoundPath;
}

function firstLine({ verb, path }: BoundPath): string {
  return `${verb} ${path}`;
}

function requestFields(
  { method, accepts }: Target, context: Context, timeoutMs: number | undefined, verb: string,
): Metadata {
  const fields = Object.create(null) as Record<string, string>;
  const streamsIn = method.kind === "client_stream" || method.kind === "bidi_stream";
  const streamsOut = method.kind === "server_stream" || method.kind === "bidi_stream";
  if (verb !== "GET" && verb !== "DELETE") fields["content-type"] = streamsIn ? linesTypes[0] : "application/json";
  fields["accept"] = streamsOut ? streamTypes : "application/json";
  if (accepts.length > 0 && !streamsOut) fields["accept-encoding"] = accepts.join(", ");
  if (timeoutMs !== undefined) fields["grpc-timeout"] = writeGrpcTimeout(timeoutMs);
  writeCallHeaders(fields, context);
  return fields;
}

/** A method's coders as this protocol writes them: requests behind the line of their path. */
export function httpJsonCoders(method: MethodInfo, coders: MethodCoders): MethodCoders {
  const bound = pathOf(method);
  const { kind } = method;
  const request = kind === "client_stream" || kind === "bidi_stream" ? lineOf(coders.request)
    : requestOf(bound, coders.request);
  const { responseBody } = bound;
  if (responseBody === undefined) return { ...coders, request, response: orEmpty(coders.response, coders.response) };
  const field = memberNamed(bound.method.output.model as Model, responseBody) as FieldModel;
  return { ...coders, request, response: orEmpty(coders.response, wrapping(coders.response, jsonNameOf(field))) };
}

const noFields = new TextEncoder().encode("{}");

/** Reads a body of no bytes as a message without fields. */
function orEmpty(whole: Coder, inner: Coder): Coder {
  return {
    ...inner,
    decode: (bytes, start, end) => start === end ? whole.decode(noFields, 0, noFields.length)
      : inner.decode(bytes, start, end),
  };
}

function lineOf(inner: Coder): Coder {
  return {
    ...inner,
    encode(value, writer) {
      inner.encode(value, writer);
      writer.writeByte(lineFeed);
    },
  };
}

function requestOf(bound: BoundPath, inner: Coder): Coder {
  const line = `${firstLine(bound)}\n`;
  const isWhole = bound.body === "*" && bound.fields.length === 0;
  return {
    ...inner,
    encode(value, writer) {
      if (isWhole) {
        append(writer, line);
        inner.encode(value, writer);
        return;
      }
      const text = new Writer(512);
      inner.encode(value, text);
      const { path, body } = writePath(bound, JSON.parse(readText(text.bytes, 0, text.position)) as object);
      append(writer, `${bound.verb} ${path}\n${body}`);
    },
  };
}

/** Reads a response that is one field of what the contract says. */
function wrapping(inner: Coder, key: string): Coder {
  return {
    ...inner,
    decode(bytes, start, end) {
      const whole = new Writer(end - start + 128);
      append(whole, `{${JSON.stringify(key)}:`);
      whole.writeBytes(bytes.subarray(start, end));
      append(whole, "}");
      return inner.decode(whole.bytes, 0, whole.position);
    },
  };
}

function append(writer: Writer, text: string): void {
  writer.ensure(3 * text.length);
  writer.position += writeText(writer.bytes, writer.position, text);
}

function readResponse(head: Head, last: boolean, target: Target): ResponseHead {
  const { fields, status } = head;
  const type = mediaType(fields["content-type"]);
  const { header, trailer } = splitMetadata(fields);
  const compression = fields["content-encoding"];
  const named = compression === undefined || compression === "identity" ? undefined : compression;
  if (status < 200 || status > 299) {
    return last || !isJson(type) ? { kind: "failed", error: httpStatusError(head), header }
      : { kind: "error", header, compression: named };
  }
  const streams = target.method.kind === "server_stream" || target.method.kind === "bidi_stream";
  const framing = !streams ? "bare" : type === eventsType ? "events" : "marked-lines";
  // Others answer what has nothing to say without a body, by 204 or with no type: a message without fields.
  const isEmpty = status === 204 || status === 205 || (last && type === "");
  const isRead = isEmpty || (streams ? type === eventsType || isLines(type) : isJson(type));
  if (!isRead) {
    const wanted = streams ? `${eventsType} or ${linesTypes[0]}` : "application/json";
    return {
      kind: "failed", header,
      error: expected("unknown", `the response is ${JSON.stringify(type.slice(0, 64))}, expected ${wanted}`,
        { phase: "decode", remote: true }),
    };
  }
  return { kind: "body", header, trailer, framing, compression: named, accepts: undefined };
}

function isJson(type: string): boolean {
  return type === "application/json" || type.endsWith("+json");
}

/** grpc-gateway says application/json of lines too. */
function isLines(type: string): boolean {
  return (linesTypes as readonly string[]).includes(type) || type === "application/json";
}

function splitMetadata(fields: Metadata): { header: Metadata; trailer: Metadata } {
  const header = Object.create(null) as Record<string, string>;
  const trailer = Object.create(null) as Record<string, string>;
  for (const name in fields) {
    if (name.startsWith(trailerPrefix)) trailer[name.slice(trailerPrefix.length)] = fields[name] as string;
    else if (!isReservedHeader(name)) header[name] = fields[name] as string;
  }
  return { header: metadataOf(header), trailer: metadataOf(trailer) };
}

function readError(head: Head, body: Uint8Array, target: Target): CallEnd {
  const { header, trailer: trailing } = splitMetadata(head.fields);
  const trailer: Metadata = Object.assign(Object.create(null) as Record<string, string>, header, trailing);
  let read: ReturnType<typeof readStatusJson>;
  try {
    read = readStatusJson(readText(body, 0, body.length), codeFromHttpStatus(head.status), errorTypes(target));
  } catch {
    read = undefined; // Not even text: the status must do.
  }
  return { trailer, error: read === undefined ? httpStatusError(head) : errorOf(read, trailer, head.fields) };
}

/** The last event of a stream, or the last of its lines. */
function readEnd(flags: number, bytes: Uint8Array, start: number, end: number, target: Target): CallEnd | undefined {
  const text = readText(bytes, start, end);
  if (flags !== errorMark) return { error: undefined, trailer: trailerIn(text) };
  const read = readStatusJson(text, "unknown", errorTypes(target));
  const error: RpcError = read === undefined
    ? expected("unknown", `the stream ended with an error that cannot be read: ${text.slice(0, 128)}`, { remote: true })
    : errorOf(read, emptyMetadata, emptyMetadata);
  return { error, trailer: emptyMetadata };
}

function trailerIn(text: string): Metadata {
  try {
    const { metadata } = JSON.parse(text) as { metadata?: unknown };
    if (typeof metadata !== "object" || metadata === null) return emptyMetadata;
    const texts = Object.entries(metadata).filter((one): one is [string, string] => typeof one[1] === "string");
    return metadataOf(Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(texts)));
  } catch {
    return emptyMetadata;
  }
}

function errorTypes({ method, coders }: Target): ErrorTypes {
  const { errors } = method as Partial<AnyMethod>;
  return {
    service: method.service,
    coder: (reason) => coders.error(reason),
    type(reason) {
      const schema: Schema | undefined = errors !== undefined && Object.hasOwn(errors, reason) ? errors[reason]
        : undefined;
      return schema === undefined ? undefined : errorMessageOf(schema, method.service);
    },
  };
}
