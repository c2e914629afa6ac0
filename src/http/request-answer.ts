/** What drivers make of a foreign server's answer: JSON, or an error that says what came instead. */
import type { Code } from "../core/code.ts";
import { RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";

const codes: Readonly<Record<number, Code>> = {
  400: "invalid_argument", 401: "unauthenticated", 403: "permission_denied", 404: "not_found", 405: "unimplemented",
  408: "deadline_exceeded", 409: "aborted", 410: "out_of_range", 412: "failed_precondition", 413: "resource_exhausted",
  422: "invalid_argument", 429: "resource_exhausted", 501: "unimplemented", 504: "deadline_exceeded",
};

/** Most characters of a foreign answer in a message. */
const maxExcerptChars = 200;

/** `Consul at 10.0.0.5:8500 answered 403: Permission denied`, with the code that fits the status. */
export function statusError(server: string, answer: { readonly status: number; readonly text: string }): RpcError {
  const { status, text } = answer;
  const code = codes[status] ?? (status >= 500 ? "unavailable" : "unknown");
  const excerpt = excerptOf(text);
  return new RpcError(code, `${server} answered ${status}${excerpt === "" ? "" : `: ${excerpt}`}`,
    { remote: true, retryable: status >= 500 || status === 429, phase: "server" });
}

/** Reads the body as JSON. Throws `internal` saying what came instead: the page of a proxy, half an answer. */
export function jsonOf(server: string, answer: { readonly fields: Metadata; readonly text: string }): unknown {
  try {
    return JSON.parse(answer.text) as unknown;
  } catch (cause) {
    const type = (answer.fields["content-type"] ?? "").split(";", 1)[0] as string;
    const hint = /html/i.test(type) || /^\s*</.test(answer.text)
      ? "; a proxy or a login page may stand before it" : "";
    throw new RpcError("internal", `${server} answered no JSON (${type === "" ? "no content-type" : type}): ` +
      `${excerptOf(answer.text) || "an empty body"}${hint}`, { cause, phase: "decode", retryable: true });
  }
}

/** One line of printable text. */
function excerptOf(text: string): string {
  const line = text.slice(0, 4 * maxExcerptChars).replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length > maxExcerptChars ? `${line.slice(0, maxExcerptChars)}…` : line;
}
