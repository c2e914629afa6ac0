/** Between the runner's words and ours: headers and metadata, its errors and RpcError. */
import {
  type Code, codeFromNumber, codeNumber, type ErrorDetail, type Metadata, RpcError,
} from "../../src/core/index.ts";
import type { AnyMessage, ErrorMessage, HeaderMessage } from "./messages.ts";
import { ConformanceCode } from "./messages.ts";

export const typePrefix = "type.googleapis.com/";

export function toHeaders(metadata: Metadata): HeaderMessage[] {
  return Object.keys(metadata).map((name) => ({ name, value: [metadata[name] as string] }));
}

/** Several values of a name become one, as in HTTP. */
export function toMetadata(headers: readonly HeaderMessage[]): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const { name = "", value } of headers) {
    const key = name.toLowerCase();
    const joined = value.join(", ");
    metadata[key] = key in metadata ? `${metadata[key]}, ${joined}` : joined;
  }
  return metadata;
}

export function toRpcError(error: ErrorMessage, more: readonly ErrorDetail[]): RpcError {
  return new RpcError(codeOf(error), error.message ?? "", { details: [...error.details.map(toDetail), ...more] });
}

function codeOf({ code = "CODE_UNSPECIFIED" }: ErrorMessage): Code {
  return codeFromNumber(ConformanceCode.options.indexOf(code));
}

export function toErrorMessage(error: unknown): ErrorMessage {
  const known = RpcError.from(error);
  return {
    code: ConformanceCode.options[codeNumber(known.code)] ?? "CODE_UNKNOWN", message: known.message,
    details: (known.details ?? []).map(({ type, value }) => ({ typeUrl: typePrefix + type, value })),
  };
}

function toDetail({ typeUrl, value }: AnyMessage): ErrorDetail {
  return { type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value };
}
