/**
 * Codes of JSON-RPC 2.0, section 5.1, and what they mean here. Those that the specification leaves to servers are
 * -32000 less the number of our code: `not_found` (5) is -32005.
 */
import { type Code, codeFromNumber, codeNumber } from "../../core/code.ts";

export const JsonRpcCode = {
  parseError: -32_700, invalidRequest: -32_600, methodNotFound: -32_601, invalidParams: -32_602, internalError: -32_603,
} as const;

/** The first number that servers may use as they like. */
const serverError = -32_000;
const lastCode = 16;

/** `isParams` tells `invalid_argument` of the request itself from that of a handler. */
export function jsonRpcCode(code: Code, isParams: boolean): number {
  if (code === "unimplemented") return JsonRpcCode.methodNotFound;
  if (code === "internal") return JsonRpcCode.internalError;
  if (code === "invalid_argument" && isParams) return JsonRpcCode.invalidParams;
  return serverError - codeNumber(code);
}

/** What a number means that a server of others sent, or one of ours. */
export function codeFromJsonRpc(number: number): Code {
  switch (number) {
    case JsonRpcCode.methodNotFound: return "unimplemented";
    case JsonRpcCode.invalidParams: return "invalid_argument";
    case JsonRpcCode.parseError: case JsonRpcCode.invalidRequest: case JsonRpcCode.internalError: return "internal";
    default: {
      const own = serverError - number;
      return own >= 1 && own <= lastCode ? codeFromNumber(own) : "unknown";
    }
  }
}
