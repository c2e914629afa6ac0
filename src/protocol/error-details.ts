/**
 * An error's details, which every HTTP dialect carries alike: those that were attached, and one more that tells a
 * declared error's name and data. It is a google.rpc.ErrorInfo, so that clients of other makes can read the name.
 */
import type { Code } from "../core/code.ts";
import { type ErrorDetail, expected, type RpcError, type RpcErrorOptions } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { MethodCoders } from "../contract/coders.ts";
import { fromAnyBase64, toBase64Unpadded } from "../wire/base64.ts";
import { Writer } from "../wire/writer.ts";
import { pushbackHeader } from "./call-headers.ts";
import { readErrorMarks } from "./error-marks.ts";
import { decodeErrorInfo, encodeErrorInfo, errorInfoType } from "./rpc-status.ts";

const maxDataBytes = 8_192;
const none: readonly ErrorDetail[] = Object.freeze([]);

/** What the details of `error` are on a wire. `domain` is the service that declares it. */
export function detailsToSend(
  error: RpcError, coders: MethodCoders | undefined, domain: string,
): readonly ErrorDetail[] {
  const given = error.details ?? none;
  if (error.reason === undefined) return given;
  const data = encodeData(error, coders);
  const metadata = data === undefined || coders === undefined ? {}
    : { codec: coders.codec, data: toBase64Unpadded(data) };
  return [{ type: errorInfoType, value: encodeErrorInfo({ reason: error.reason, domain, metadata }) }, ...given];
}

function encodeData(error: RpcError, coders: MethodCoders | undefined): Uint8Array | undefined {
  const coder = error.data === undefined ? undefined : coders?.error(error.reason as string);
  if (coder === undefined) return undefined;
  const writer = new Writer(256);
  try {
    coder.encode(error.data, writer);
  } catch {
    return undefined; // The error itself matters more than its data.
  }
  return writer.position > maxDataBytes ? undefined : writer.finish();
}

/** The trailing metadata of an error on a wire: what the handler set, and when to try again. */
export function pushbackOf(error: RpcError): string | undefined {
  return error.retryAfterMs === undefined ? undefined : String(Math.ceil(error.retryAfterMs));
}

/** The error that a caller sees. `fields` are those of the head or trailers that it came with. */
export function receivedError(
  code: Code, message: string, details: readonly ErrorDetail[], trailer: Metadata, fields: Metadata,
  coders: MethodCoders | undefined,
): RpcError {
  const declared = declaredIn(details, coders);
  return expected(code, message, {
    remote: true, phase: "server", metadata: trailer, retryAfterMs: readPushback(fields[pushbackHeader]),
    ...readErrorMarks(fields),
    details: details.length === 0 ? undefined : details, ...declared,
  });
}

/** A push-back that cannot be read forbids retries, as gRFC A6 has it. */
function readPushback(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^-?\d{1,10}$/.test(text) ? Number(text) : -1;
}

/** The declared error among the details; the data's coder may refuse what a stranger sent. */
function declaredIn(
  details: readonly ErrorDetail[], coders: MethodCoders | undefined,
): Pick<RpcErrorOptions, "reason" | "data" | "details"> | undefined {
  const at = details.findIndex((one) => one.type === errorInfoType);
  const detail = details[at];
  if (detail === undefined) return undefined;
  try {
    const { reason, metadata } = decodeErrorInfo(detail.value);
    const coder = coders?.error(reason);
    if (coder === undefined) return undefined;
    const bytes = metadata["codec"] === coders?.codec ? fromAnyBase64(metadata["data"] ?? "") : undefined;
    const others = details.filter((_, i) => i !== at);
    return {
      reason, data: bytes === undefined ? undefined : coder.decode(bytes, 0, bytes.length),
      details: others.length === 0 ? undefined : others,
    };
  } catch {
    return undefined;
  }
}
