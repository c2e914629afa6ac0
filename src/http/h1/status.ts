/** Status codes of HTTP: their phrases, and errors that say with which one a message is refused. */
import type { Code } from "../../core/code.ts";
import { expected, type RpcError } from "../../core/error.ts";

const phrases: Readonly<Record<number, string>> = {
  100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
  200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
  205: "Reset Content", 206: "Partial Content",
  300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
  307: "Temporary Redirect", 308: "Permanent Redirect",
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
  412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
  416: "Range Not Satisfiable", 417: "Expectation Failed", 418: "I'm a teapot", 421: "Misdirected Request",
  422: "Unprocessable Content", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required",
  429: "Too Many Requests", 431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
  499: "Client Closed Request",
  500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
  504: "Gateway Timeout", 505: "HTTP Version Not Supported", 511: "Network Authentication Required",
};

/** What stands behind a status code in a status line; empty for codes without a phrase. */
export function phraseOf(status: number): string {
  return phrases[status] ?? "";
}

/** Whether a response of this status never has a body (RFC 9110, section 6.4.1). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

/** Thrown by readers: what is wrong with a peer's message, and the status a server refuses it with. */
export function refusal(status: number, message: string): RpcError {
  return expected(codes[status] ?? "invalid_argument", message, { phase: "decode", data: status, retryable: false });
}

/** The status that an error of a reader names; 500 for any other. */
export function statusOf(error: RpcError): number {
  return typeof error.data === "number" ? error.data : 500;
}

const codes: Readonly<Record<number, Code>> = {
  408: "deadline_exceeded", 413: "resource_exhausted", 414: "resource_exhausted", 431: "resource_exhausted",
  500: "internal", 501: "unimplemented", 503: "unavailable", 505: "unimplemented",
};
