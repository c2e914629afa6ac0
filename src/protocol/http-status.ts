/** What an HTTP status means for a call whose response is in no dialect: an answer by a proxy, or by another server. */
import type { Code } from "../core/code.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Head } from "../http/message.ts";

/** By gRPC's table (`http-grpc-status-mapping.md`), which Connect's equals. */
export function codeFromHttpStatus(status: number): Code {
  switch (status) {
    case 400: return "internal";
    case 401: return "unauthenticated";
    case 403: return "permission_denied";
    case 404: return "unimplemented";
    case 429: case 502: case 503: case 504: return "unavailable";
    default: return "unknown";
  }
}

/** The error of a response whose status says all that is known. */
export function httpStatusError(head: Head): RpcError {
  const type = head.fields["content-type"];
  return expected(codeFromHttpStatus(head.status), `the server answered with HTTP status ${head.status}` +
    (type === undefined ? "" : ` and content type ${JSON.stringify(type.slice(0, 64))}`),
  { phase: "server", remote: true });
}
