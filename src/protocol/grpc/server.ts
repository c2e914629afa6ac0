/** The server half of gRPC over HTTP/2 (PROTOCOL-HTTP2 of github.com/grpc/grpc, and gRFCs A6 and A51). */
import type { ReplyMetadata } from "../../core/context.ts";
import { expected, type RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import { Head } from "../../http/message.ts";
import { readCallHeaders, writeMetadata, writeSendableMetadata } from "../call-headers.ts";
import type { End, ErrorCoders, Reply, RequestHead, ServerDialect } from "../dialect.ts";
import { writeFailure, writeSuccess } from "../grpc-status.ts";
import { parseGrpcTimeout } from "../grpc-timeout.ts";
import { grpcCodec, grpcContentType, listed } from "./content-type.ts";

interface GrpcRequest extends RequestHead {
  readonly contentType: string;
  /** What this server can decompress, as it tells the client. */
  readonly offers: string;
}

/** Response heads kept ready, by what they say. */
const maxHeads = 256;

/** Makes the server's half of gRPC. */
export function grpcServerDialect(): ServerDialect {
  const heads = new Map<string, Head>();
  return {
    name: "grpc",
    contentTypes: [grpcContentType, `${grpcContentType}+proto`, `${grpcContentType}+json`],
    http1: false,
    claims: (request) => grpcCodec(request.fields["content-type"]) !== undefined,
    read: readRequest,
    head(request, compression, reply) {
      const { contentType, offers } = request as GrpcRequest;
      if (reply?.header !== undefined) {
        const fields = headFields(contentType, compression, offers);
        writeMetadata(fields, reply.header, "");
        return new Head(fields, 200);
      }
      const key = `${contentType} ${compression ?? ""} ${offers}`;
      let head = heads.get(key);
      if (head === undefined) {
        head = new Head(headFields(contentType, compression, offers), 200);
        if (heads.size < maxHeads) heads.set(key, head);
      }
      return head;
    },
    end: endOf,
    refusal,
  };
}

function readRequest(request: Head, compressions: readonly string[]): GrpcRequest | RpcError | Reply {
  const { fields } = request;
  if (request.method !== "POST") return wrongMethod;
  const timeout = fields["grpc-timeout"];
  const timeoutMs = timeout === undefined ? undefined : parseGrpcTimeout(timeout);
  if (timeout !== undefined && timeoutMs === undefined) {
    return expected("invalid_argument", `grpc-timeout ${JSON.stringify(timeout.slice(0, 32))} is not 1 to 8 digits ` +
      "and a unit (H, M, S, m, u or n)", { neverStarted: true, retryable: false });
  }
  const contentType = fields["content-type"] as string;
  const encoding = fields["grpc-encoding"];
  return {
    ...readCallHeaders(fields),
    path: request.path.slice(1),
    codec: grpcCodec(contentType) as string,
    framing: "enveloped",
    kind: undefined,
    timeoutMs,
    compression: encoding === undefined || encoding === "identity" ? undefined : encoding,
    accepts: listed(fields["grpc-accept-encoding"]),
    message: undefined,
    contentType: contentType.length > 64 ? grpcContentType : contentType,
    offers: ["identity", ...compressions].join(","),
  };
}

const wrongMethod: Reply = {
  head: new Head(withoutPrototype({ allow: "POST", "content-length": "0" }), 405), body: undefined,
};

function headFields(contentType: string, compression: string | undefined, offers: string): Record<string, string> {
  const fields = withoutPrototype({ "content-type": contentType });
  if (compression !== undefined) fields["grpc-encoding"] = compression;
  if (offers !== "identity") fields["grpc-accept-encoding"] = offers;
  return fields;
}

function withoutPrototype(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.assign(Object.create(null) as Record<string, string>, fields);
}

const success: End = { trailers: new Head(withoutPrototype({ "grpc-status": "0" })) };

function endOf(
  request: RequestHead, error: RpcError | undefined, trailer: Metadata | undefined, coders: ErrorCoders,
): End {
  if (error === undefined && trailer === undefined) return success;
  const fields = withoutPrototype({});
  if (error === undefined) writeSuccess(fields, trailer);
  else writeFailure(fields, error, trailer, coders, request.path);
  return { trailers: new Head(fields) };
}

/** A response of trailers alone; unless the handler set leading metadata, which then go before them. */
function refusal(
  request: RequestHead | undefined, head: Head, error: RpcError, reply: ReplyMetadata | undefined,
  coders: ErrorCoders,
): Reply {
  const known = request as GrpcRequest | undefined;
  const fields = headFields(known?.contentType ?? grpcContentType, undefined, known?.offers ?? "identity");
  const path = known?.path ?? head.path.slice(1);
  if (reply?.header === undefined) {
    writeFailure(fields, error, reply?.trailer, coders, path);
    return { head: new Head(fields, 200), body: undefined };
  }
  writeSendableMetadata(fields, reply.header, "");
  const trailers = withoutPrototype({});
  writeFailure(trailers, error, reply.trailer, coders, path);
  return { head: new Head(fields, 200), body: undefined, trailers: new Head(trailers) };
}
