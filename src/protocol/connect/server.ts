/** The server's half of Connect: bare bodies for unary calls, enveloped ones for streams, errors as JSON. */
import { RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { ReplyMetadata } from "../../core/context.ts";
import { Head } from "../../http/message.ts";
import {
  type CallHeaders, pushbackHeader, readCallHeaders, writeMetadata, writeSendableMetadata,
} from "../call-headers.ts";
import { listedNames, mediaType } from "../content-type.ts";
import type { End, ErrorCoders, Reply, RequestHead, ServerDialect } from "../dialect.ts";
import { envelopeHeaderBytes, writeEnvelopeHeader } from "../envelope.ts";
import { detailsToSend, pushbackOf } from "../error-details.ts";
import { writeErrorMarks } from "../error-marks.ts";
import { httpStatusOf } from "./codes.ts";
import { writeEndJson, writeErrorJson } from "./error-json.ts";
import { isGetCall, readGetQuery } from "./get.ts";
import { endStreamFlag, streamPrefix, trailerPrefix, unaryPrefix, versionHeader } from "./words.ts";

export interface ConnectServerOptions {
  /** Codecs whose media types are taken to be unary calls. Default `proto`, `json` and `msgpack`. */
  readonly codecs?: readonly string[] | undefined;
  /** Refuses requests that do not say `connect-protocol-version: 1`. Default false, so that curl needs no header. */
  readonly requireVersion?: boolean | undefined;
}

interface ConnectRequest extends RequestHead {
  /** What responses have in common, by what they are compressed with. */
  readonly heads: Templates;
}

const timeoutPattern = /^\d{1,10}$/;

/** Makes the server's half of Connect. */
export function connectServer(options: ConnectServerOptions = {}): ServerDialect {
  const codecs = options.codecs ?? ["proto", "json", "msgpack"];
  const unaryTypes = new Set(codecs.map((one) => unaryPrefix + one));
  const contentTypes = [...unaryTypes, ...codecs.map((one) => streamPrefix + one)];
  const templates = new Map<string, Templates>();
  const templatesOf = (contentType: string, compressions: readonly string[]): Templates => {
    let found = templates.get(contentType);
    if (found === undefined) {
      found = new Templates(contentType, compressions);
      // Content types come from peers: whoever makes one up must not keep others from theirs.
      if (contentTypes.includes(contentType)) templates.set(contentType, found);
    }
    return found;
  };

  return {
    name: "connect",
    http1: true,
    contentTypes,
    claims(request) {
      if (request.method === "GET") return isGetCall(request.path);
      if (request.method !== "POST") return false;
      const type = mediaType(request.fields["content-type"]);
      return type.startsWith(streamPrefix) || unaryTypes.has(type);
    },
    read(request, compressions) {
      try {
        const isGet = request.method === "GET";
        const refusal = isGet ? undefined : versionRefusal(request.fields[versionHeader], options.requireVersion);
        if (refusal !== undefined) return refusal;
        const common = readCommon(request);
        return isGet
          ? readGet(request, common, (type) => templatesOf(type, compressions))
          : readPost(request, common, (type) => templatesOf(type, compressions));
      } catch (error) {
        return RpcError.from(error, "internal");
      }
    },
    head: (request, compression, reply, bodyBytes) =>
      (request as ConnectRequest).heads.head(compression, reply, bodyBytes),
    end: (request, error, trailer, coders) => endOf(request, error, trailer, coders),
    refusal(request, head, error, reply, coders) {
      const type = request === undefined ? mediaType(head.fields["content-type"])
        : (request as ConnectRequest).heads.contentType;
      return type.startsWith(streamPrefix)
        ? streamRefusal(type, request, error, reply, coders)
        : unaryRefusal(request, error, reply, coders);
    },
  };
}

interface Common extends CallHeaders {
  readonly timeoutMs: number | undefined;
}

function readCommon({ fields }: Head): Common {
  const timeout = fields["connect-timeout-ms"];
  if (timeout !== undefined && !timeoutPattern.test(timeout)) {
    throw new RpcError("invalid_argument",
      `connect-timeout-ms is ${JSON.stringify(timeout.slice(0, 32))}, expected at most ten digits`,
      { phase: "decode" });
  }
  return { ...readCallHeaders(fields), timeoutMs: timeout === undefined ? undefined : Number(timeout) };
}

function readPost(request: Head, common: Common, templates: (contentType: string) => Templates): ConnectRequest {
  const { fields } = request;
  const type = mediaType(fields["content-type"]);
  const isStream = type.startsWith(streamPrefix);
  const compression = named(fields[isStream ? "connect-content-encoding" : "content-encoding"]);
  const accepted = fields[isStream ? "connect-accept-encoding" : "accept-encoding"];
  return {
    ...common, heads: templates(type), path: request.path.slice(1),
    codec: type.slice(isStream ? streamPrefix.length : unaryPrefix.length),
    framing: isStream ? "enveloped" : "bare", kind: isStream ? undefined : "unary",
    compression, accepts: acceptedNames(accepted, compression), message: undefined,
  };
}

function readGet(request: Head, common: Common, templates: (contentType: string) => Templates): ConnectRequest {
  const question = request.path.indexOf("?");
  const { codec, compression, message } = readGetQuery(request.path.slice(question + 1));
  return {
    ...common, heads: templates(unaryPrefix + codec), path: request.path.slice(1, question), codec,
    framing: "bare", kind: "unary", compression,
    accepts: acceptedNames(request.fields["accept-encoding"], compression), message,
  };
}

/** A caller that does not say what it accepts accepts what it uses. */
function acceptedNames(value: string | undefined, compression: string | undefined): readonly string[] {
  return value === undefined && compression !== undefined ? [compression] : listedNames(value);
}

function named(compression: string | undefined): string | undefined {
  return compression === undefined || compression === "" || compression === "identity" ? undefined : compression;
}

function versionRefusal(version: string | undefined, isRequired: boolean | undefined): RpcError | undefined {
  if (version === "1" || (version === undefined && isRequired !== true)) return undefined;
  return new RpcError("invalid_argument", version === undefined
    ? `the header ${versionHeader} is missing; send it with the value 1`
    : `${versionHeader} is ${JSON.stringify(version.slice(0, 16))}, expected 1`, { phase: "decode" });
}

type Names = readonly string[];

/** Heads kept by the length of their body, so that a connection compresses each once. */
const maxHeads = 1_024;

/** Response heads of one content type. Those without metadata are made once. */
class Templates {
  readonly contentType: string;
  readonly #accepts: string;
  readonly #isStream: boolean;
  readonly #plain = new Map<string | undefined, Map<number | undefined, Head>>();

  constructor(contentType: string, compressions: Names) {
    this.contentType = contentType;
    this.#accepts = compressions.join(", ");
    this.#isStream = contentType.startsWith(streamPrefix);
  }

  head(compression: string | undefined, reply: ReplyMetadata | undefined, bodyBytes: number | undefined): Head {
    if (reply !== undefined) return this.#make(compression, reply, bodyBytes);
    let heads = this.#plain.get(compression);
    if (heads === undefined) this.#plain.set(compression, heads = new Map());
    let head = heads.get(bodyBytes);
    if (head === undefined) {
      head = this.#make(compression, undefined, bodyBytes);
      if (heads.size < maxHeads) heads.set(bodyBytes, head);
    }
    return head;
  }

  #make(compression: string | undefined, reply: ReplyMetadata | undefined, bodyBytes: number | undefined): Head {
    const fields = fieldsOf(this.contentType);
    if (bodyBytes !== undefined) fields["content-length"] = String(bodyBytes);
    if (this.#isStream) {
      if (compression !== undefined) fields["connect-content-encoding"] = compression;
      if (this.#accepts !== "") fields["connect-accept-encoding"] = this.#accepts;
    } else {
      if (compression !== undefined) fields["content-encoding"] = compression;
      if (this.#accepts !== "") fields["accept-encoding"] = this.#accepts;
      writeMetadata(fields, reply?.trailer, trailerPrefix);
    }
    writeMetadata(fields, reply?.header, "");
    return new Head(fields, 200);
  }
}

function fieldsOf(contentType: string): Record<string, string> {
  const fields = Object.create(null) as Record<string, string>;
  fields["content-type"] = contentType;
  return fields;
}

const plainEnd: End = { flags: endStreamFlag, payload: writeEndJson(undefined, [], undefined) };

function endOf(
  request: RequestHead, error: RpcError | undefined, trailer: Metadata | undefined, coders: ErrorCoders,
): End {
  if (error === undefined && trailer === undefined) return plainEnd;
  const metadata = Object.create(null) as Record<string, string>;
  writeSendableMetadata(metadata, error?.metadata, "");
  writeMetadata(metadata, trailer, "");
  return { flags: endStreamFlag, payload: endPayload(request, error, metadata, coders) };
}

function endPayload(
  request: RequestHead | undefined, error: RpcError | undefined, metadata: Record<string, string>, coders: ErrorCoders,
): Uint8Array {
  if (error !== undefined) writeErrorHeaders(metadata, error, "");
  const details = error === undefined ? [] : detailsToSend(error, coders, serviceOf(request));
  return writeEndJson(error, details, Object.keys(metadata).length === 0 ? undefined : metadata);
}

/** A stream that fails before its first message succeeds as HTTP, and says the error in its only envelope. */
function streamRefusal(
  type: string, request: RequestHead | undefined, error: RpcError, reply: ReplyMetadata | undefined,
  coders: ErrorCoders,
): Reply {
  const metadata = Object.create(null) as Record<string, string>;
  writeSendableMetadata(metadata, error.metadata, "");
  writeSendableMetadata(metadata, reply?.trailer, "");
  const payload = endPayload(request, error, metadata, coders);
  const body = new Uint8Array(envelopeHeaderBytes + payload.length);
  writeEnvelopeHeader(body, 0, endStreamFlag, payload.length);
  body.set(payload, envelopeHeaderBytes);
  const fields = fieldsOf(type);
  writeSendableMetadata(fields, reply?.header, "");
  fields["content-length"] = String(body.length);
  return { head: new Head(fields, 200), body };
}

function unaryRefusal(
  request: RequestHead | undefined, error: RpcError, reply: ReplyMetadata | undefined, coders: ErrorCoders,
): Reply {
  const body = writeErrorJson(error, detailsToSend(error, coders, serviceOf(request)));
  const fields = fieldsOf("application/json");
  writeSendableMetadata(fields, reply?.header, "");
  writeSendableMetadata(fields, error.metadata, trailerPrefix);
  writeSendableMetadata(fields, reply?.trailer, trailerPrefix);
  writeErrorHeaders(fields, error, trailerPrefix);
  fields["content-length"] = String(body.length);
  return { head: new Head(fields, httpStatusOf(error)), body };
}

/** What an error says beside its JSON: when to try again, and the marks of our own. */
function writeErrorHeaders(fields: Record<string, string>, error: RpcError, prefix: string): void {
  const own: Record<string, string> = {};
  const pushback = pushbackOf(error);
  if (pushback !== undefined) own[pushbackHeader] = pushback;
  writeErrorMarks(own, error);
  for (const name of Object.keys(own)) fields[prefix + name] = own[name] as string;
}

function serviceOf(request: RequestHead | undefined): string {
  return request === undefined ? "" : request.path.slice(0, Math.max(0, request.path.lastIndexOf("/")));
}
