/** What stands in the way of TLS between us and the agent, and what to do about it. */
import { expected, RpcError } from "../../core/error.ts";
import { statusError } from "../../http/request-answer.ts";
import type { HttpAnswer } from "../../http/request.ts";

/** What is said of a connection that fails, and what helps. */
const hints: readonly (readonly [said: RegExp, hint: string])[] = [
  [/altnames/, "connect by a name that the certificate is for, or give one of those: tls({ serverName })"],
  // Alerts of RFC 8446, 6.2, that a server sends about a certificate: those from bad_certificate to
  // certificate_unknown, unknown_ca, certificate_required.
  [/SSL alert number (?:4[2-68]|116)\b/, "the agent asks for our certificate (verify_incoming), and " +
    "that an authority vouches for it which it trusts: tls({ ca, cert, key })"],
  [/wrong version number|packet length too long/, "the agent speaks no TLS on this port: name its HTTPS port, or " +
    "leave out the option `tls`"],
];

/** OpenSSL's own words of an error among places in its source. */
const placesOfOpenssl = /[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):[^:]*:\d+:(?:SSL alert number \d+)?\s*/g;

/** The error with what helps, where it is one of TLS; else the same. */
export function explainTls(error: unknown): unknown {
  if (!RpcError.is(error)) return error;
  const hint = hints.find(([said]) => said.test(error.message))?.[1];
  if (hint === undefined) return error;
  const { code, neverStarted, retryable, phase } = error;
  const said = error.message.replaceAll(placesOfOpenssl, "$1 ").replace(/[\s:]+$/, "");
  return expected(code, `${said}; ${hint}`, { neverStarted, retryable, phase, cause: error });
}

/** Whether an HTTPS port says that it was not asked by TLS. */
export function isPlain({ text }: HttpAnswer): boolean {
  return text.includes("HTTP request to an HTTPS server");
}

/** The error for that. */
export function plain(server: string, answer: HttpAnswer): RpcError {
  const { code, message } = statusError(server, answer);
  return new RpcError(code, `${message.trim()}; give the option \`tls\``, { remote: true, phase: "resolve" });
}
