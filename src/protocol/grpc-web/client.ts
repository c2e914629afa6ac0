/** The client's half of gRPC-Web. */
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
import { binaryType, readTrailerBlock, readType, textType, trailersFlag } from "./words.ts";

export interface GrpcWebClientOptions {
  /** Sends and asks for base64 instead of bytes, as some proxies expect. Default false. */
  readonly text?: boolean | undefined;
}

/** What is kept of a target: the fields that its requests share, and the head of the last that had nothing else. */
interface Kept {
  readonly fields: Readonly<Record<string, string>>;
  readonly path: string;
  timeoutMs: number | undefined;
  head: Head | undefined;
}

/** Makes the client's half of gRPC-Web. */
export function grpcWebClient(options: GrpcWebClientOptions = {}): ClientDialect {
  const type = options.text === true ? textType : binaryType;
  return {
    name: "grpc-web",
    framing: () => (options.text === true ? "enveloped-base64" : "enveloped"),
    request(target, context, timeoutMs) {
      const kept = (target.memo ??= keep(target, type)) as Kept;
      if (!isPlainCall(context)) return make(target, kept, context, timeoutMs);
      if (kept.head === undefined || kept.timeoutMs !== timeoutMs) {
        kept.head = make(target, kept, context, timeoutMs);
        kept.timeoutMs = timeoutMs;
      }
      return kept.head;
    },
    response: readResponse,
    readTrailers: (trailers, { coders }) =>
      (trailers?.fields[statusHeader] === undefined ? withoutTrailers() : readStatus(trailers.fields, coders)),
    readEnd: (flags, bytes, start, end, { coders }) => ((flags & trailersFlag) === 0 ? undefined
      : readStatus(readTrailerBlock(bytes, start, end), coders)),
  };
}

function keep({ method, coders, compression, accepts }: Target, type: string): Kept {
  const fields = Object.create(null) as Record<string, string>;
  fields["content-type"] = `${type}+${coders.codec}`;
  fields["accept"] = fields["content-type"];
  fields["x-grpc-web"] = "1";
  fields[loadWantedName] = loadWantedFormat;
  if (compression !== undefined) fields["grpc-encoding"] = compression;
  if (accepts.length > 0) fields["grpc-accept-encoding"] = accepts.join(", ");
  return { fields, path: `/${method.service}/${method.wireName}`, timeoutMs: undefined, head: undefined };
}

function make(target: Target, kept: Kept, context: Context, timeoutMs: number | undefined): Head {
  const fields = Object.assign(Object.create(null) as Record<string, string>, kept.fields);
  if (timeoutMs !== undefined) fields["grpc-timeout"] = writeGrpcTimeout(timeoutMs);
  writeCallHeaders(fields, context);
  return requestHead("POST", kept.path, target.scheme, target.authority, fields);
}

function readResponse(head: Head, last: boolean, { coders }: Target): ResponseHead {
  const { fields, status } = head;
  const read = readType(mediaType(fields["content-type"]));
  // A response without a body says all in its head, where its trailers are read from.
  if (last && fields[statusHeader] !== undefined) return trailersOnly;
  const header = metadataOf(fields);
  if (status !== 200) return { kind: "failed", error: httpStatusError(head), header };
  if (read === undefined) {
    const type = JSON.stringify(fields["content-type"]?.slice(0, 64) ?? "");
    return {
      kind: "failed", header, error: expected("unknown",
        `the server answered with content type ${type}, expected ${binaryType}+${coders.codec}`,
        { phase: "server", remote: true, metadata: header }),
    };
  }
  if (read.codec !== coders.codec) {
    return {
      kind: "failed", header, error: expected("internal",
        `the response's messages are ${JSON.stringify(read.codec.slice(0, 32))}, expected ${coders.codec}`,
        { phase: "decode", remote: true }),
    };
  }
  const encoding = fields["grpc-encoding"];
  const accepts = fields["grpc-accept-encoding"];
  return {
    kind: "body", header, trailer: undefined, framing: read.isText ? "enveloped-base64" : "enveloped",
    compression: encoding === undefined || encoding === "identity" ? undefined : encoding,
    accepts: accepts === undefined ? undefined : listedNames(accepts),
  };
}

const trailersOnly: ResponseHead = {
  kind: "body", header: emptyMetadata, trailer: undefined, framing: "enveloped", compression: undefined,
  accepts: undefined,
};

function withoutTrailers(): CallEnd {
  return {
    trailer: emptyMetadata,
    error: expected("internal", "the response ended without trailers", { phase: "server", remote: true }),
  };
}
