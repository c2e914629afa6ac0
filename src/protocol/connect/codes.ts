/** Connect's names of the status codes, and the HTTP status that each error of a unary call comes with. */
import type { Code } from "../../core/code.ts";
import type { RpcError } from "../../core/error.ts";

/** By the table "Error Codes" of the protocol reference. */
const statuses: Readonly<Record<Code, number>> = {
  cancelled: 499, unknown: 500, invalid_argument: 400, deadline_exceeded: 504, not_found: 404, already_exists: 409,
  permission_denied: 403, resource_exhausted: 429, failed_precondition: 400, aborted: 409, out_of_range: 400,
  unimplemented: 501, internal: 500, unavailable: 503, data_loss: 500, unauthenticated: 401,
};

/** The name of a code on the wire: ours but for `canceled`. */
export function connectCode(code: Code): string {
  return code === "cancelled" ? "canceled" : code;
}

/** The code of a name on the wire; undefined for anything that names none. */
export function codeFromConnect(name: unknown): Code | undefined {
  if (typeof name !== "string") return undefined;
  if (name === "canceled") return "cancelled";
  return Object.hasOwn(statuses, name) && name !== "cancelled" ? (name as Code) : undefined;
}

/** The HTTP status of a unary call's error. A method that nobody serves here is a page that is not there: 404. */
export function httpStatusOf(error: RpcError): number {
  return error.code === "unimplemented" && error.neverStarted ? 404 : statuses[error.code];
}
