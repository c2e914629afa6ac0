/** The client half of gRPC over HTTP/2 (PROTOCOL-HTTP2 of github.com/grpc/grpc, and gRFCs A6 and A51). */
import type { Context } from "../../core/context.ts";
import { expected } from "../../core/error.ts";
import { emptyMetadata } from "../../core/metadata.ts";
import { type Head, requestHead } from "../../http/message.ts";
import { isPlainCall, metadataOf, writeCallHeaders } from "../call-headers.ts";
import { listedNames, mediaType } from "../content-type.ts";
import type { CallEnd, ClientDialect, ResponseHead, Target } from "../dialect.ts";
import { readStatus, statusHeader } from "../grpc-status.ts";
import { writeGrpcTimeout } from "../grpc-timeout.ts";
import { httpStatusError } from "../http-status.ts";
import { loadWantedFormat, loadWantedName } from "../orca.ts";
import { grpcCodec, grpcContentTypeOf } from "./content-type.ts";

/** Makes the client's half of gRPC. */
export function grpcClient(): ClientDialect {
  return {
    name: "grpc",
    framing: () => "enveloped",
    request: headOf,
    response: readResponse,
    readTrailers,
    // gRPC ends in HTTP trailers only.
    readEnd: () => undefined,
  };
}

/** The head that a target's last plain call had: the next has the same, unless its timeout differs. */
interface Plain {
  readonly timeoutMs: number | undefined;
  readonly head: Head;
}

function headOf(target: Target, context: Context, timeoutMs: number | undefined): Head {
  const isPlain = isPlainCall(context);
  const known = target.memo as Plain | undefined;
  if (isPlain && known !== undefined && known.timeoutMs === timeoutMs) return known.head;
  const { method, coders, compression, accepts } = target;
  const fields = Object.create(null) as Record<string, string>;
  fields["content-type"] = grpcContentTypeOf(coders.codec);
  fields["te"] = "trailers";
  fields["user-agent"] = "meridian-rpc";
  fields[loadWantedName] = loadWantedFormat;
  if (timeoutMs !== undefined) fields["grpc-timeout"] = writeGrpcTimeout(timeoutMs);
  if (compression !== undefined) fields["grpc-encoding"] = compression;
  if (accepts.length > 0) fields["grpc-accept-encoding"] = accepts.join(",");
  if (!isPlain) writeCallHeaders(fields, context);
  const head = requestHead("POST", `/${method.service}/${method.wireName}`, target.scheme, target.authority, fields);
  if (isPlain) target.memo = { timeoutMs, head } satisfies Plain;
  return head;
}

function readResponse(head: Head, last: boolean, target: Target): ResponseHead {
  if (head.memo !== undefined) return head.memo as ResponseHead;
  const { fields, status } = head;
  // Without a body the head is the trailers; with a status of gRPC's, whatever HTTP's.
  if (last && fields[statusHeader] !== undefined) return trailersOnly;
  if (status !== 200) return { kind: "failed", error: httpStatusError(head), header: emptyMetadata };
  const contentType = fields["content-type"];
  const codec = grpcCodec(mediaType(contentType));
  if (codec !== target.coders.codec) {
    const error = expected(codec === undefined ? "unknown" : "internal",
      `the server answered with content type ${JSON.stringify(contentType?.slice(0, 64) ?? "")}, expected ` +
      grpcContentTypeOf(target.coders.codec), { remote: true, phase: "server", metadata: metadataOf(fields) });
    return { kind: "failed", error, header: emptyMetadata };
  }
  const encoding = fields["grpc-encoding"];
  const accepts = fields["grpc-accept-encoding"];
  const read: ResponseHead = {
    kind: "body", header: metadataOf(fields), trailer: undefined, framing: "enveloped",
    compression: encoding === "identity" ? undefined : encoding,
    accepts: accepts === undefined ? undefined : listedNames(accepts),
  };
  head.memo = read;
  return read;
}

const trailersOnly: ResponseHead = {
  kind: "body", header: emptyMetadata, trailer: undefined, framing: "enveloped", compression: undefined,
  accepts: undefined,
};

function readTrailers(trailers: Head | undefined, target: Target): CallEnd {
  // A response's head that stands for its trailers keeps what it was read as: a head.
  const isHead = trailers === undefined || trailers.status !== 0;
  if (!isHead && trailers.memo !== undefined) return trailers.memo as CallEnd;
  if (trailers?.fields[statusHeader] === undefined) return withoutStatus;
  const end = readStatus(trailers.fields, target.coders);
  // An error may hold what its caller changes, and its data are of one method's types.
  if (!isHead && end.error === undefined) trailers.memo = end;
  return end;
}

const withoutStatus: CallEnd = {
  get error() {
    return expected("internal", "the server ended the response without a status (no grpc-status trailer)",
      { remote: true, phase: "server" });
  },
  trailer: emptyMetadata,
};
