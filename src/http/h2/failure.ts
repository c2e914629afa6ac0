/** What goes wrong on HTTP/2, between its error codes and ours. */
import type { Code } from "../../core/code.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { ResetReason } from "../message.ts";
import { ErrorCode, errorName } from "./constants.ts";

/** A peer broke the rules in a way that ends the connection (RFC 9113, section 5.4.1). */
export class ConnectionFault extends RpcError {
  /** What the peer is told. */
  readonly errorCode: number;

  constructor(errorCode: number, message: string) {
    super(errorCode === ErrorCode.calm ? "resource_exhausted" : "internal", `${message} (${errorName(errorCode)})`,
      { phase: "network", retryable: true });
    this.errorCode = errorCode;
  }
}

/** Makes a {@link ConnectionFault} without a stack: a peer decides how many there are. */
export function fault(errorCode: number, message: string): ConnectionFault {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return new ConnectionFault(errorCode, message);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

const resetCodes: Readonly<Record<ResetReason, number>> = {
  cancel: ErrorCode.cancel, refused: ErrorCode.refused, protocol: ErrorCode.protocol, internal: ErrorCode.internal,
  calm: ErrorCode.calm, none: ErrorCode.none,
};

export function resetCode(reason: ResetReason): number {
  return resetCodes[reason];
}

/** By the mapping of gRPC ("gRPC over HTTP2", section Errors). */
const codes: Readonly<Record<number, Code>> = {
  [ErrorCode.refused]: "unavailable",
  [ErrorCode.cancel]: "cancelled",
  [ErrorCode.calm]: "resource_exhausted",
  [ErrorCode.inadequateSecurity]: "permission_denied",
};

/** What an exchange ends with that the peer reset. */
export function resetByPeer(errorCode: number, who: "client" | "server"): RpcError {
  const isRefused = errorCode === ErrorCode.refused;
  return expected(codes[errorCode] ?? "internal", `the ${who} reset the stream: ${errorName(errorCode)}`,
    { remote: true, phase: "network", neverStarted: isRefused });
}
