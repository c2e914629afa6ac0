/** How a call ended, in the fields that gRPC puts into trailers, and gRPC-Web into the last part of a body. */
import { codeFromNumber, codeNumber, type Code } from "../core/code.ts";
import { expected, type RpcError } from "../core/error.ts";
import { emptyMetadata, type Metadata } from "../core/metadata.ts";
import { fromAnyBase64, toBase64Unpadded } from "../wire/base64.ts";
import { metadataOf, pushbackHeader, writeMetadata, writeSendableMetadata } from "./call-headers.ts";
import type { CallEnd, ErrorCoders } from "./dialect.ts";
import { detailsToSend, pushbackOf, receivedError } from "./error-details.ts";
import { writeErrorMarks } from "./error-marks.ts";
import { percentDecode, percentEncode } from "./percent.ts";
import { decodeStatus, encodeStatus } from "./rpc-status.ts";

/** Longer messages are cut, and longer details left out: peers bound a block of headers, most at 8 or 16 KiB. */
const maxMessageChars = 2_048;
const maxDetailsChars = 12_288;

/** Adds the end of a successful call. Throws `invalid_argument` for metadata that cannot be sent. */
export function writeSuccess(fields: Record<string, string>, trailer: Metadata | undefined): void {
  fields["grpc-status"] = "0";
  writeMetadata(fields, trailer, "");
}

/** Adds the end of a failed call. `path` is that of the method, whose service declares its errors. */
export function writeFailure(
  fields: Record<string, string>, error: RpcError, trailer: Metadata | undefined, coders: ErrorCoders, path: string,
): void {
  fields["grpc-status"] = String(codeNumber(error.code));
  const message = error.message.slice(0, maxMessageChars);
  if (message !== "") fields["grpc-message"] = percentEncode(message);
  const details = detailsToSend(error, coders, path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  if (details.length > 0) {
    const text = toBase64Unpadded(encodeStatus({ code: error.code, message, details }));
    if (text.length <= maxDetailsChars) fields["grpc-status-details-bin"] = text;
  }
  const pushback = pushbackOf(error);
  if (pushback !== undefined) fields[pushbackHeader] = pushback;
  writeErrorMarks(fields, error);
  writeSendableMetadata(fields, error.metadata, "");
  writeSendableMetadata(fields, trailer, "");
}

/** Reads how a call ended; undefined where no status is among the fields. */
export function readStatus(fields: Metadata, coders: ErrorCoders): CallEnd | undefined {
  const text = fields["grpc-status"];
  if (text === undefined) return undefined;
  const trailer = metadataOf(fields);
  if (text === "0") return trailer === emptyMetadata ? success : { error: undefined, trailer };
  // A number that nobody knows yet is "unknown", and so is what is no number.
  const code: Code = /^\d{1,3}$/.test(text) ? codeFromNumber(Number(text)) : "unknown";
  const message = percentDecode(fields["grpc-message"] ?? "");
  const bytes = fromAnyBase64(fields["grpc-status-details-bin"] ?? "");
  return { error: receivedError(code, message, detailsIn(bytes), trailer, fields, coders), trailer };
}

const success: CallEnd = Object.freeze({ error: undefined, trailer: emptyMetadata });

/** Details that cannot be read are none: the status itself is. */
function detailsIn(bytes: Uint8Array | undefined): ReturnType<typeof decodeStatus>["details"] {
  if (bytes === undefined || bytes.length === 0) return [];
  try {
    return decodeStatus(bytes).details;
  } catch {
    return [];
  }
}

/** By gRPC's table ("HTTP to gRPC Status Code Mapping"): for answers of proxies and others that speak no gRPC. */
const codesByHttpStatus: Readonly<Record<number, Code>> = {
  400: "internal", 401: "unauthenticated", 403: "permission_denied", 404: "unimplemented", 429: "unavailable",
  502: "unavailable", 503: "unavailable", 504: "unavailable",
};

/** What a call ends with whose answer has an HTTP status other than 200 and says no more. */
export function httpStatusError(status: number, fields: Metadata): RpcError {
  return expected(codesByHttpStatus[status] ?? "unknown", `the server answered with HTTP status ${status}`,
    { remote: true, phase: "server", metadata: metadataOf(fields) });
}
