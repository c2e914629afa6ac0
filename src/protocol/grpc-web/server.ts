/** The server's half of gRPC-Web: gRPC's calls with the trailers in the body, as bytes or in base64. */
import type { ReplyMetadata } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import { Head } from "../../http/message.ts";
import { toBase64 } from "../../wire/base64.ts";
import { writeText } from "../../wire/text.ts";
import { readCallHeaders, writeMetadata, writeSendableMetadata } from "../call-headers.ts";
import { listedNames, mediaType } from "../content-type.ts";
import type { End, ErrorCoders, Reply, RequestHead, ServerDialect } from "../dialect.ts";
import { envelopeHeaderBytes, writeEnvelopeHeader } from "../envelope.ts";
import { writeStatus } from "../grpc-status.ts";
import { readGrpcTimeout } from "../grpc-timeout.ts";
import { binaryType, readType, textType, trailersFlag, writeTrailers } from "./words.ts";

interface GrpcWebRequest extends RequestHead {
  readonly contentType: string;
  /** What this server can decompress, as responses tell it. */
  readonly offers: string;
}

/** Makes the server's half of gRPC-Web. */
export function grpcWebServer(): ServerDialect {
  return {
    name: "grpc-web",
    http1: true,
    contentTypes: [binaryType, textType],
    claims: (request) =>
      request.method === "POST" && readType(mediaType(request.fields["content-type"])) !== undefined,
    read(request, compressions) {
      try {
        return readRequest(request, compressions.join(", "));
      } catch (error) {
        return RpcError.from(error, "internal");
      }
    },
    head(request, compression, reply) {
      const fields = headFields(request as GrpcWebRequest, compression);
      writeMetadata(fields, reply?.header, "");
      return new Head(fields, 200);
    },
    end: endOf,
    refusal: refusalOf,
  };
}

function readRequest(request: Head, offers: string): GrpcWebRequest {
  const { fields } = request;
  const contentType = mediaType(fields["content-type"]);
  const { codec, isText } = readType(contentType) ?? { codec: "proto", isText: false };
  const encoding = fields["grpc-encoding"];
  const compression = encoding === undefined || encoding === "identity" ? undefined : encoding;
  const accepted = fields["grpc-accept-encoding"];
  return {
    ...readCallHeaders(fields), contentType, offers, path: request.path.slice(1), codec,
    framing: isText ? "enveloped-base64" : "enveloped", kind: undefined,
    timeoutMs: readGrpcTimeout(fields["grpc-timeout"]), compression,
    accepts: accepted === undefined && compression !== undefined ? [compression] : listedNames(accepted),
    message: undefined,
  };
}

function headFields({ contentType, offers }: GrpcWebRequest, compression: string | undefined): Record<string, string> {
  const fields = Object.create(null) as Record<string, string>;
  fields["content-type"] = contentType;
  if (compression !== undefined) fields["grpc-encoding"] = compression;
  if (offers !== "") fields["grpc-accept-encoding"] = offers;
  return fields;
}

function endOf(
  request: RequestHead, error: RpcError | undefined, trailer: Metadata | undefined, coders: ErrorCoders,
): End {
  const fields = Object.create(null) as Record<string, string>;
  if (error === undefined) writeMetadata(fields, trailer, "");
  else writeFailureMetadata(fields, error, trailer);
  writeStatus(fields, error, coders, serviceOf(request));
  return { flags: trailersFlag, payload: writeTrailers(fields) };
}

/** The status in the body, where it is for every other end: a script in a browser sees few of the headers. */
function refusalOf(
  request: RequestHead | undefined, head: Head, error: RpcError, reply: ReplyMetadata | undefined, coders: ErrorCoders,
): Reply {
  const contentType = request === undefined ? mediaType(head.fields["content-type"])
    : (request as GrpcWebRequest).contentType;
  const trailer = Object.create(null) as Record<string, string>;
  writeFailureMetadata(trailer, error, reply?.trailer);
  writeStatus(trailer, error, coders, request === undefined ? "" : serviceOf(request));
  const payload = writeTrailers(trailer);
  const framed = new Uint8Array(envelopeHeaderBytes + payload.length);
  writeEnvelopeHeader(framed, 0, trailersFlag, payload.length);
  framed.set(payload, envelopeHeaderBytes);
  const body = readType(contentType)?.isText === true ? inBase64(framed) : framed;
  const fields = Object.create(null) as Record<string, string>;
  fields["content-type"] = contentType;
  writeSendableMetadata(fields, reply?.header, "");
  fields["content-length"] = String(body.length);
  return { head: new Head(fields, 200), body };
}

function inBase64(bytes: Uint8Array): Uint8Array {
  const text = toBase64(bytes);
  const encoded = new Uint8Array(text.length * 3);
  return encoded.subarray(0, writeText(encoded, 0, text));
}

/** What an error holds, and what the handler set. */
function writeFailureMetadata(
  fields: Record<string, string>, error: RpcError, trailer: Metadata | undefined,
): void {
  writeSendableMetadata(fields, error.metadata, "");
  writeSendableMetadata(fields, trailer, "");
}

function serviceOf(request: RequestHead): string {
  return request.path.slice(0, Math.max(0, request.path.lastIndexOf("/")));
}
