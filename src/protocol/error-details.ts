/**
 * An error's details, which every HTTP dialect carries alike: those that were attached, and two more that tell a
 * declared error. A google.rpc.ErrorInfo has its name as `reason` and its service as `domain`; the other one is its
 * data as the message that `.proto` files have for it, so that clients of other makes can read both. For callers in
 * another codec than Protobuf, and where the message is not known, the ErrorInfo's metadata have the data too: `codec`,
 * and `data` in base64.
 */
import type { Code } from "../core/code.ts";
import { type ErrorDetail, expected, type RpcError, type RpcErrorOptions } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import type { Coder } from "../contract/codec.ts";
import type { MethodCoders } from "../contract/coders.ts";
import { fromAnyBase64, toBase64Unpadded } from "../wire/base64.ts";
import { Writer } from "../wire/writer.ts";
import { pushbackHeader } from "./call-headers.ts";
import { readErrorMarks } from "./error-marks.ts";
import { decodeErrorInfo, encodeErrorInfo, type ErrorInfo, errorInfoType } from "./rpc-status.ts";

const maxDataBytes = 8_192;
const none: readonly ErrorDetail[] = Object.freeze([]);

/** What the details of `error` are on a wire. `domain` is the service that declares it. */
export function detailsToSend(
  error: RpcError, coders: MethodCoders | undefined, domain: string,
): readonly ErrorDetail[] {
  const given = error.details ?? none;
  if (error.reason === undefined) return given;
  // Passed on by somebody without the contract, who left all details as they came.
  if (given.some((one) => infoOf(one)?.reason === error.reason)) return given;
  const { reason } = error;
  const detail = error.data === undefined ? undefined : coders?.detail?.(reason);
  const message = detail === undefined ? undefined : encodeData(error.data, () => detail.coder);
  const metadata: Record<string, string> = {};
  if (detail !== undefined && message !== undefined) metadata["detail"] = detail.type;
  if (error.data !== undefined && coders !== undefined && (message === undefined || coders.codec !== "proto")) {
    const data = encodeData(error.data, () => coders.error(reason));
    if (data !== undefined) Object.assign(metadata, { codec: coders.codec, data: toBase64Unpadded(data) });
  }
  const info = { type: errorInfoType, value: encodeErrorInfo({ reason, domain, metadata }) };
  if (detail === undefined || message === undefined) return [info, ...given];
  return [info, { type: detail.type, value: message }, ...given];
}

function encodeData(data: unknown, coderOf: () => Coder | undefined): Uint8Array | undefined {
  const writer = new Writer(256);
  try {
    const coder = coderOf();
    if (coder === undefined) return undefined;
    coder.encode(data, writer);
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
  const declared = details.length === 0 || coders === undefined ? undefined : declaredIn(details, coders);
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

type Declared = Pick<RpcErrorOptions, "reason" | "data" | "details">;

/**
 * The declared error among the details. Details that were added for it are taken out again, all others stay as they
 * came; data that cannot be read are undefined. Without the contract every detail stays.
 */
function declaredIn(details: readonly ErrorDetail[], coders: MethodCoders): Declared | undefined {
  try {
    for (const one of details) {
      const info = infoOf(one);
      if (info === undefined || coders.error(info.reason) === undefined) continue;
      return readDeclared(one, info, details, coders);
    }
    return readForeign(details, coders);
  } catch {
    return undefined; // A declared type that this codec cannot say: the plain error stands.
  }
}

function readDeclared(
  info: ErrorDetail, { reason, metadata }: ErrorInfo, details: readonly ErrorDetail[], coders: MethodCoders,
): Declared {
  const detail = coders.detail?.(reason);
  const type = detail?.type ?? metadata["detail"];
  const message = type === undefined ? undefined : details.find((one) => one.type === type);
  // Bytes in Protobuf are for whoever knows the type, or passes them on as they are.
  const coder = detail?.coder ?? (coders.codec === "proto" ? coders.error(reason) : undefined);
  const text = metadata["codec"] === coders.codec ? metadata["data"] : undefined;
  const data = message !== undefined && coder !== undefined ? decodeData(message.value, coder)
    : text === undefined ? undefined : decodeData(fromAnyBase64(text), coders.error(reason));
  if (coders.reasonsOf === undefined) return { reason, data };
  const isOurs = Object.keys(metadata).every((key) => key === "detail" || key === "codec" || key === "data");
  return { reason, data, details: some(details.filter((one) => one !== message && !(isOurs && one === info))) };
}

/** A server that knows the contract's `.proto` alone attaches the message without a name. */
function readForeign(details: readonly ErrorDetail[], coders: MethodCoders): Declared | undefined {
  for (const one of details) {
    const reasons = coders.reasonsOf?.(one.type);
    const reason = reasons?.length === 1 ? reasons[0] : undefined;
    if (reason === undefined) continue;
    const data = decodeData(one.value, coders.detail?.(reason)?.coder);
    if (data !== undefined) return { reason, data, details: some(details.filter((other) => other !== one)) };
  }
  return undefined;
}

function infoOf({ type, value }: ErrorDetail): ErrorInfo | undefined {
  if (type !== errorInfoType) return undefined;
  try {
    return decodeErrorInfo(value);
  } catch {
    return undefined;
  }
}

function decodeData(bytes: Uint8Array | undefined, coder: Coder | undefined): unknown {
  if (bytes === undefined || coder === undefined) return undefined;
  try {
    return coder.decode(bytes, 0, bytes.length);
  } catch {
    return undefined; // What a stranger sent need not be what the contract says.
  }
}

function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
