/** Reads heads and trailers of HTTP/1.1 messages (RFC 9112) out of whole sections, refusing all that is ambiguous. */
import type { Metadata } from "../../core/metadata.ts";
import { Head } from "../message.ts";
import type { Http1Limits, Http1ServerSettings } from "./settings.ts";
import { isBodiless, refusal } from "./status.ts";
import { authority, CR, latin1, LF, SP, TAB, targetBytes, tokenBytes, valueBytes } from "./syntax.ts";

/** How a body is delimited: its length in bytes, or one of these. */
export const Body = { chunked: -1, untilClose: -2 } as const;

/** A head as it was read, and what it says of its message. */
export interface ReadHead {
  readonly head: Head;
  /** Bytes of body to come, or how else its end shows. */
  readonly body: number;
  /** Whether the connection carries another message after this one. */
  readonly persists: boolean;
  /** Whether the sender speaks HTTP/1.0: no chunks, no 100 (Continue). */
  readonly isOld: boolean;
  /** A request that waits for 100 (Continue) before it sends its body. */
  readonly expectsContinue: boolean;
  /** How long a response says its connection is kept, in milliseconds; Infinity when it does not. */
  readonly keepAliveMs: number;
}

/** Longest method: all that are registered fit. */
const maxMethodBytes = 32;

/**
 * Reads a request's head: `bytes[start, end)`, ending with its empty line. Throws a refusal that names the status.
 */
export function readRequestHead(
  bytes: Uint8Array, start: number, end: number, scheme: string, settings: Http1ServerSettings,
): ReadHead {
  let at = start;
  while (tokenBytes[bytes[at] as number] === 1) at++;
  if (at === start || bytes[at] !== SP) throw refusal(400, "the request line does not begin with a method and a space");
  if (at - start > maxMethodBytes) throw refusal(501, `a method of ${at - start} bytes`);
  const method = latin1(bytes, start, at);
  if (method === "CONNECT" || method === "TRACE") throw refusal(501, `${method} is not served here`);
  const targetAt = ++at;
  while (targetBytes[bytes[at] as number] === 1) at++;
  if (at - targetAt > settings.maxTargetBytes) {
    throw refusal(414, `a request target of ${at - targetAt} bytes exceeds maxTargetBytes ${settings.maxTargetBytes}`);
  }
  if (at === targetAt || bytes[at] !== SP) {
    throw refusal(400, "the request line has no target, or a byte in it is invalid");
  }
  const target = latin1(bytes, targetAt, at);
  const isOld = readVersion(bytes, at + 1, 400);
  at += 9;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) throw refusal(400, "the request line goes on after the version");
  const fields = readFields(bytes, at + 2, end - 2, settings, 400);
  const { path, host } = readTarget(method, target, fields, isOld);
  const body = bodyOf(fields, isOld, 400) ?? 0;
  if (body > settings.maxBodyBytes) {
    throw refusal(413, `a body of ${body} bytes exceeds maxBodyBytes ${settings.maxBodyBytes}`);
  }
  return {
    head: new Head(fields, 0, method, path, scheme, host), body, isOld, persists: persists(fields, isOld),
    expectsContinue: expectsContinue(fields, isOld), keepAliveMs: Infinity,
  };
}

/**
 * Reads a response's head, as if it answered anything but a HEAD request. Throws a refusal with a status that a proxy
 * would answer with.
 */
export function readResponseHead(bytes: Uint8Array, start: number, end: number, limits: Http1Limits): ReadHead {
  const isOld = readVersion(bytes, start, 502);
  let at = start + 8;
  const status = latin1(bytes, at + 1, at + 4);
  if (bytes[at] !== SP || !/^[1-9][0-9][0-9]$/.test(status)) throw refusal(502, "the status line has no status");
  at += 4;
  if (bytes[at] === SP) while (valueBytes[bytes[++at] as number] === 1);
  if (bytes[at] !== CR || bytes[at + 1] !== LF) throw refusal(502, "the status line has an invalid byte");
  const fields = readFields(bytes, at + 2, end - 2, limits, 502);
  const code = Number(status);
  const framed = bodyOf(fields, isOld, 502);
  const body = isBodiless(code) ? 0 : framed ?? Body.untilClose;
  const hint = /(?:^|[ ,])timeout=(\d{1,9})/.exec(fields["keep-alive"] ?? "")?.[1];
  return {
    head: new Head(fields, code), body, isOld, persists: persists(fields, isOld),
    expectsContinue: false, keepAliveMs: hint === undefined ? Infinity : Number(hint) * 1_000,
  };
}

/** Fields that a trailer section cannot carry: they would speak of a head that has been acted on. */
const neverTrailers = new Set(["transfer-encoding", "content-length", "host", "connection", "trailer"]);

/** Reads a trailer section with its empty line; undefined when it has no field that may be one. */
export function readTrailers(
  bytes: Uint8Array, start: number, end: number, limits: Http1Limits, status: number,
): Head | undefined {
  const fields = readFields(bytes, start, end - 2, limits, status);
  let some = false;
  for (const name in fields) {
    if (neverTrailers.has(name)) delete fields[name];
    else some = true;
  }
  return some ? new Head(fields) : undefined;
}

/** Whether `HTTP/1.0` stands there rather than `HTTP/1.1`. */
function readVersion(bytes: Uint8Array, at: number, status: number): boolean {
  const version = latin1(bytes, at, Math.min(at + 8, bytes.length));
  if (version === "HTTP/1.1") return false;
  if (version === "HTTP/1.0") return true;
  throw /^HTTP\/[0-9]\.[0-9]$/.test(version)
    ? refusal(status === 400 ? 505 : status, `${version} is not spoken here, only HTTP/1.1 and HTTP/1.0`)
    : refusal(status, "the first line names no version of HTTP");
}

/** Reads field lines, each with its CR LF. Values of one name are joined; duplicates that matter fail further on. */
function readFields(
  bytes: Uint8Array, start: number, end: number, limits: Http1Limits, status: number,
): Record<string, string> {
  const fields = Object.create(null) as Record<string, string>;
  let count = 0;
  let at = start;
  while (at < end) {
    const nameAt = at;
    while (tokenBytes[bytes[at] as number] === 1) at++;
    if (at === nameAt || bytes[at] !== 0x3a) throw refusal(status, badName(bytes, nameAt, at));
    const name = latin1(bytes, nameAt, at).toLowerCase();
    at++;
    while (bytes[at] === SP || bytes[at] === TAB) at++;
    const valueAt = at;
    while (valueBytes[bytes[at] as number] === 1) at++;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) throw refusal(status, `the value of "${name}" has an invalid byte`);
    let valueEnd = at;
    while (valueEnd > valueAt && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === TAB)) valueEnd--;
    at += 2;
    if (++count > limits.maxFields) {
      throw refusal(status === 400 ? 431 : status, `more than ${limits.maxFields} fields (maxFields)`);
    }
    const value = latin1(bytes, valueAt, valueEnd);
    const before = fields[name];
    fields[name] = before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`;
  }
  return fields;
}

function badName(bytes: Uint8Array, start: number, at: number): string {
  const byte = bytes[at];
  if (at === start && (byte === SP || byte === TAB)) return "a field goes on in a second line (obs-fold)";
  if (byte === SP || byte === TAB) return "white space before the colon of a field";
  return at === start ? "a field without a name" : "a field's name has an invalid byte, or no colon follows it";
}

/** The path in origin form, and the authority asked for. */
function readTarget(method: string, target: string, fields: Metadata, isOld: boolean): { path: string; host: string } {
  const host = fields["host"];
  if (host === undefined ? !isOld : !authority.test(host)) {
    throw refusal(400, host === undefined ? "a request without host" : "several hosts, or an invalid one");
  }
  if (target.startsWith("/")) return { path: target, host: host ?? "" };
  if (target === "*" && method === "OPTIONS") return { path: target, host: host ?? "" };
  const absolute = /^https?:\/\/([^/?]+)([/?].*)?$/i.exec(target);
  const [, named = "", rest = "/"] = absolute ?? [];
  // The target's authority counts, not that of the field (RFC 9112, section 3.2.2).
  if (absolute === null || !authority.test(named)) throw refusal(400, "the request target is neither a path nor a URL");
  return { path: rest.startsWith("/") ? rest : `/${rest}`, host: named };
}

/** How the fields delimit a body; undefined when they do not. What two readers could understand in two ways fails. */
function bodyOf(fields: Metadata, isOld: boolean, status: number): number | undefined {
  const coding = fields["transfer-encoding"];
  const length = fields["content-length"];
  if (coding !== undefined) {
    if (length !== undefined) throw refusal(status, "both transfer-encoding and content-length");
    if (isOld) throw refusal(status, "transfer-encoding in HTTP/1.0");
    if (coding.toLowerCase() === "chunked") return Body.chunked;
    const codings = coding.toLowerCase().split(",").map((one) => one.trim());
    const at = codings.indexOf("chunked");
    const isOdd = (at >= 0 && at !== codings.length - 1) || codings.includes("");
    throw refusal(isOdd || status !== 400 ? status : 501, isOdd
      ? "transfer-encoding does not end with chunked, or names it twice"
      : "a transfer-encoding other than chunked");
  }
  if (length === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(length)) throw refusal(status, "several content-lengths, or one that is no number");
  return Number(length);
}

function persists(fields: Metadata, isOld: boolean): boolean {
  const connection = fields["connection"];
  if (connection === undefined) return !isOld;
  const options = connection.toLowerCase().split(",").map((one) => one.trim());
  return !options.includes("close") && (!isOld || options.includes("keep-alive"));
}

function expectsContinue(fields: Metadata, isOld: boolean): boolean {
  const expectation = fields["expect"];
  if (expectation === undefined || isOld) return false;
  if (expectation.toLowerCase() === "100-continue") return true;
  throw refusal(417, "an expectation other than 100-continue");
}
