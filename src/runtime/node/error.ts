/** The operating system's network errors in words: what happened, and what to do about it. */
import { expected, RpcError } from "../../core/error.ts";

/** What Node says of a certificate that nobody known vouches for. */
const unvouched = "no authority that is trusted here vouches for its certificate; give the one that does: " +
  "tls({ ca: { file } })";

const speaksNoTls = "it speaks no TLS on this port: name the port that does, or leave out the option `tls`";
const refusesUs = "it asks for a certificate of ours that an authority vouches for which it trusts: tls({ cert, key })";

/** Alerts about a certificate (RFC 8446, 6.2), as versions of OpenSSL name them; they come also behind the opening. */
const refusal = /^ERR_SSL_.*ALERT_.*(?:CERTIFICATE|UNKNOWN_CA)/;

const connectReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there; is the server running, and on this port?",
  ENOENT: "there is no such socket; is the server running?",
  ENOTFOUND: "the host name is unknown",
  EAI_AGAIN: "the name server did not answer",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to the network",
  ETIMEDOUT: "the host did not answer",
  EACCES: "permission was denied",
  ECONNRESET: "the peer ended the connection before it was open; does it speak TLS on this port?",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unvouched,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unvouched,
  SELF_SIGNED_CERT_IN_CHAIN: unvouched,
  DEPTH_ZERO_SELF_SIGNED_CERT: unvouched,
  ERR_SSL_WRONG_VERSION_NUMBER: speaksNoTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: speaksNoTls,
  EMFILE: "this process has too many open files; raise its limit (ulimit -n)",
};

const streamReasons: Readonly<Record<string, string>> = {
  ECONNRESET: "the peer reset it",
  EPIPE: "the peer had closed it",
  ETIMEDOUT: "the peer stopped answering",
};

const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "the address is in use; stop the other process or choose another port (0 picks a free one)",
  EACCES: "permission was denied; ports below 1024 need privileges, a socket path needs a writable directory",
  EADDRNOTAVAIL: "this machine does not have the address; 0.0.0.0 or [::] listens on all it has",
  ENOTFOUND: "the host name is unknown",
  ENOENT: "the directory of the socket does not exist",
  EINVAL: "the system does not accept the address; a socket path may have at most 107 bytes",
};

/** The error with which a stream to `peer` closes. Before it opened, no request can have reached anybody. */
export function connectionError(peer: string, cause: Error, wasOpen: boolean): RpcError {
  const reason = explain(cause, wasOpen ? streamReasons : connectReasons);
  return wasOpen
    ? expected("unavailable", `the connection to ${peer} broke: ${reason}`, { phase: "network", cause })
    : expected("unavailable", `cannot connect to ${peer}: ${reason}`, { phase: "connect", neverStarted: true, cause });
}

/** The error with which listening on `address` fails. */
export function listenError(address: string, cause: Error): RpcError {
  const message = `cannot listen on ${address}: ${explain(cause, listenReasons)}`;
  return new RpcError("failed_precondition", message, { cause });
}

/** The system's name for an error, such as ECONNREFUSED; empty if it has none. */
export function systemCode(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "";
}

function explain(cause: Error, reasons: Readonly<Record<string, string>>): string {
  const code = systemCode(cause);
  // Its message names the host and the names of the certificate.
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const said = cause.message.replace(/[\s:]+$/, "");
    return `${said}; connect by a name that the certificate is for, or give one: tls({ serverName })`;
  }
  const reason = refusal.test(code) ? refusesUs : reasons[code];
  return reason === undefined ? cause.message || code : `${reason} (${code})`;
}
