/** The server half of gRPC over HTTP/2 (PROTOCOL-HTTP2 of github.com/grpc/grpc, and gRFCs A6 and A51). */
import type { ReplyMetadata } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import { Head } from "../../http/message.ts";
import { readCallHeaders, writeMetadata, writeSendableMetadata } from "../call-headers.ts";
import { listedNames, mediaType } from "../content-type.ts";
import type { End, ErrorCoders, Reply, RequestHead, ServerDialect } from "../dialect.ts";
import { writeStatus } from "../grpc-status.ts";
import { readGrpcTimeout } from "../grpc-timeout.ts";
import { grpcCodec, grpcContentType } from "./content-type.ts";

interface GrpcRequest extends RequestHead {
  readonly contentType: string;
  /** What this server can decompress, as it tells the client. */
  readonly offers: string;
}

/** Response heads kept ready, by what they say. */
const maxHeads = 256;
const maxContentTypeChars = 64;

/** Makes the server's half of gRPC. */
export function grpcServer(): ServerDialect {
  const heads = new Map<string, Head>();
  return {
    name: "grpc",
    contentTypes: [grpcContentType, `${grpcContentType}+proto`, `${grpcContentType}+json`],
    http1: false,
    mirrorsCompression: true,
    claims: (request) => grpcCodec(mediaType(request.fields["content-type"])) !== undefined,
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
  let timeoutMs: number | undefined;
  try {
    timeoutMs = readGrpcTimeout(fields["grpc-timeout"]);
  } catch (error) {
    return RpcError.from(error, "internal");
  }
  const contentType = mediaType(fields["content-type"]);
  const encoding = fields["grpc-encoding"];
  return {
    ...readCallHeaders(fields),
    path: request.path.slice(1),
    codec: grpcCodec(contentType) as string,
    framing: "enveloped",
    kind: undefined,
    timeoutMs,
    compression: encoding === undefined || encoding === "identity" ? undefined : encoding,
    accepts: listedNames(fields["grpc-accept-encoding"]),
    message: undefined,
    contentType: contentType.length > maxContentTypeChars ? grpcContentType : contentType,
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
  if (error === undefined) {
    writeMetadata(fields, trailer, "");
    writeStatus(fields, undefined, undefined, "");
  } else {
    writeFailure(fields, error, trailer, coders, request.path);
  }
  return { trailers: new Head(fields) };
}

/** What the handler set and what its error holds, and the status, which matters more. */
function writeFailure(
  fields: Record<string, string>, error: RpcError, trailer: Metadata | undefined, coders: ErrorCoders, path: string,
): void {
  writeSendableMetadata(fields, error.metadata, "");
  writeSendableMetadata(fields, trailer, "");
  writeStatus(fields, error, coders, path.slice(0, Math.max(0, path.lastIndexOf("/"))));
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
