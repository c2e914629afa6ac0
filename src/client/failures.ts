/** What a failure says of the endpoint that it came from. */
import type { RpcError } from "../core/error.ts";

/** Whether the server had no room for the call, or no time: it says so itself, and did nothing of it. */
export function isShed({ code, neverStarted }: RpcError): boolean {
  return neverStarted && (code === "resource_exhausted" || code === "deadline_exceeded");
}

/** Whether a failure says something about the endpoint, rather than about the request or its caller. */
export function speaksAgainstEndpoint(error: RpcError): boolean {
  switch (error.code) {
    case "unavailable":
    case "deadline_exceeded":
    case "resource_exhausted":
    case "internal":
    case "unknown":
    case "data_loss":
      return true;
    default:
      return false;
  }
}
