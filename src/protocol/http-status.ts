/** What an HTTP status means for a call whose response is in no dialect: an answer of a proxy, or of another server. */
import type { Code } from "../core/code.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Head } from "../http/message.ts";
import { metadataOf } from "./call-headers.ts";

/** By gRPC's table ("HTTP to gRPC Status Code Mapping"), which Connect's equals. */
const codes: Readonly<Record<number, Code>> = {
  400: "internal", 401: "unauthenticated", 403: "permission_denied", 404: "unimplemented", 429: "unavailable",
  502: "unavailable", 503: "unavailable", 504: "unavailable",
};

/** The code that an HTTP status other than 200 means. */
export function codeFromHttpStatus(status: number): Code {
  return codes[status] ?? "unknown";
}

/** What a call ends with whose answer has an HTTP status other than 200, or is in no dialect, and says no more. */
export function httpStatusError({ status, fields }: Head): RpcError {
  const type = fields["content-type"];
  return expected(codeFromHttpStatus(status), `the server answered with HTTP status ${status}` +
    (type === undefined ? "" : ` and content type ${JSON.stringify(type.slice(0, 64))}`),
  { remote: true, phase: "server", metadata: metadataOf(fields) });
}

/** The HTTP status that each code comes with: Connect's table "Error Codes", which google.rpc.Code has too. */
export const httpStatuses: Readonly<Record<Code, number>> = {
  cancelled: 499, unknown: 500, invalid_argument: 400, deadline_exceeded: 504, not_found: 404, already_exists: 409,
  permission_denied: 403, resource_exhausted: 429, failed_precondition: 400, aborted: 409, out_of_range: 400,
  unimplemented: 501, internal: 500, unavailable: 503, data_loss: 500, unauthenticated: 401,
};

/** The HTTP status of an error. A method that nobody serves here is a page that is not there: 404. */
export function httpStatusOf(error: RpcError): number {
  return error.code === "unimplemented" && error.neverStarted ? 404 : httpStatuses[error.code];
}
