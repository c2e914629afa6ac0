/** Connect's names of the status codes, and the HTTP status that each error of a unary call comes with. */
import type { Code } from "../../core/code.ts";
import { httpStatuses } from "../http-status.ts";

export { httpStatusOf } from "../http-status.ts";

/** The name of a code on the wire: ours but for `canceled`. */
export function connectCode(code: Code): string {
  return code === "cancelled" ? "canceled" : code;
}

/** The code of a name on the wire; undefined for anything that names none. */
export function codeFromConnect(name: unknown): Code | undefined {
  if (typeof name !== "string") return undefined;
  if (name === "canceled") return "cancelled";
  return Object.hasOwn(httpStatuses, name) && name !== "cancelled" ? (name as Code) : undefined;
}
