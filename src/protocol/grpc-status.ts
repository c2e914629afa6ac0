/** How a call ended, in the fields of gRPC: HTTP trailers there, the last frame of the body in gRPC-Web. */
import { codeFromNumber, codeNumber } from "../core/code.ts";
import { type ErrorDetail, expected, type RpcError } from "../core/error.ts";
import { emptyMetadata, type Metadata } from "../core/metadata.ts";
import type { MethodCoders } from "../contract/coders.ts";
import { fromAnyBase64, toBase64Unpadded } from "../wire/base64.ts";
import { metadataOf, pushbackHeader } from "./call-headers.ts";
import type { CallEnd, ErrorCoders } from "./dialect.ts";
import { detailsToSend, pushbackOf, receivedError } from "./error-details.ts";
import { writeErrorMarks } from "./error-marks.ts";
import { percentDecode, percentEncode } from "./percent.ts";
import { decodeStatus, encodeStatus } from "./rpc-status.ts";

export const statusHeader = "grpc-status";
export const messageHeader = "grpc-message";
export const detailsHeader = "grpc-status-details-bin";

/** Trailers must stay within what peers take of headers: longer messages are cut, larger details left out. */
const maxMessageChars = 2_048;
const maxDetailsBytes = 16_384;

/** The highest number that stands for a code. */
const mostStatus = 16;

/** Adds the end of a call to `fields`. `domain` is the service, by whose name declared errors go. */
export function writeStatus(
  fields: Record<string, string>, error: RpcError | undefined, coders: ErrorCoders, domain: string,
): void {
  if (error === undefined) {
    fields[statusHeader] = "0";
    return;
  }
  const message = error.message.slice(0, maxMessageChars).toWellFormed();
  fields[statusHeader] = String(codeNumber(error.code));
  if (message !== "") fields[messageHeader] = percentEncode(message);
  const details = detailsToSend(error, coders, domain);
  if (details.length > 0) {
    const bytes = encodeStatus({ code: error.code, message, details });
    if (bytes.length <= maxDetailsBytes) fields[detailsHeader] = toBase64Unpadded(bytes);
  }
  const pushback = pushbackOf(error);
  if (pushback !== undefined) fields[pushbackHeader] = pushback;
  writeErrorMarks(fields, error);
}

/** Reads the end of a call; one that says no status is an error. */
export function readStatus(fields: Metadata, coders: MethodCoders | undefined): CallEnd {
  const trailer = metadataOf(fields);
  const status = fields[statusHeader];
  if (status === "0") return trailer === emptyMetadata ? success : { error: undefined, trailer };
  if (status === undefined || !/^\d{1,9}$/.test(status)) {
    const what = status === undefined ? "did not say its status (grpc-status)"
      : `has the status ${JSON.stringify(status.slice(0, 16))} (grpc-status)`;
    return {
      trailer, error: expected("unknown", `the response ${what}`, { phase: "decode", remote: true, metadata: trailer }),
    };
  }
  const message = percentDecode(fields[messageHeader] ?? "") ||
    (Number(status) > mostStatus ? `the response has the status ${status}, which is no code (grpc-status)` : "");
  const details = detailsIn(fields[detailsHeader]);
  const error = receivedError(codeFromNumber(Number(status)), message, details, trailer, fields, coders);
  return { error, trailer };
}

const success: CallEnd = Object.freeze({ error: undefined, trailer: emptyMetadata });

const none: readonly ErrorDetail[] = Object.freeze([]);

/** Details that cannot be read are left out: the status says what matters. */
function detailsIn(text: string | undefined): readonly ErrorDetail[] {
  const bytes = text === undefined ? undefined : fromAnyBase64(text);
  if (bytes === undefined) return none;
  try {
    return decodeStatus(bytes).details;
  } catch {
    return none;
  }
}
