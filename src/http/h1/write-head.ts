/** Writes heads as bytes of HTTP/1.1: checked, so that nothing in a head can begin another line or message. */
import { RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { Head } from "../message.ts";
import { isBodiless, phraseOf } from "./status.ts";
import { authority, latin1Bytes } from "./syntax.ts";

/** A head as it is sent, up to the fields that delimit the body. */
export interface SentHead {
  readonly bytes: Uint8Array;
  /** The length of the body, where the head names it itself; -1 where the connection is to delimit it. */
  readonly contentLength: number;
  /** Whether the head alone makes the whole message: a status without a body. */
  readonly isBodiless: boolean;
  /** Where the value of `date` is put; 0 for nowhere. */
  readonly dateAt: number;
  /** The second whose date is there. */
  dateSecond: number;
}

/** Fields that belong to the connection and are written by it, if at all. */
const ours = new Set(["connection", "transfer-encoding", "keep-alive", "proxy-connection", "upgrade", "trailer"]);

/** What the value of `date` is as long as (RFC 9110, section 5.6.7). */
const datePlace = "Thu, 01 Jan 1970 00:00:00 GMT";

/** Encodes a response's head, with room for a date unless it has one. Throws `invalid_argument` with what is wrong. */
export function encodeResponseHead(head: Head): SentHead {
  const { status } = head;
  if (!Number.isInteger(status) || status < 200 || status > 599) throw wrong(`status ${status} is not 200 to 599`);
  const lines = `HTTP/1.1 ${status} ${phraseOf(status)}\r\n${fieldLines(head.fields)}`;
  const own = head.fields["date"] === undefined ? `date: ${datePlace}\r\n` : "";
  return {
    bytes: latin1Bytes(lines + own), contentLength: lengthOf(head.fields), isBodiless: isBodiless(status),
    dateAt: own === "" ? 0 : lines.length + "date: ".length, dateSecond: 0,
  };
}

/** Encodes a request's head. Throws `invalid_argument` naming what is wrong. */
export function encodeRequestHead(head: Head): SentHead {
  const { method, path, fields } = head;
  const host = head.authority === "" ? fields["host"] ?? "" : head.authority;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method) || method === "CONNECT") {
    throw wrong(`${show(method)} is no method that can be sent`);
  }
  if (!/^(?:\/[!-"$-~]*|\*)$/.test(path)) {
    throw wrong(`${show(path)} is no path: a slash and visible ASCII, without "#"`);
  }
  if (!authority.test(host)) throw wrong(`${show(host)} is no authority: expected host or host:port`);
  return {
    bytes: latin1Bytes(`${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${fieldLines(fields, "host")}`),
    contentLength: lengthOf(fields), isBodiless: false, dateAt: 0, dateSecond: 0,
  };
}

/** Encodes trailers: field lines alone. Throws `invalid_argument` naming what is wrong. */
export function encodeTrailers(trailers: Head): Uint8Array {
  return latin1Bytes(fieldLines(trailers.fields, "content-length"));
}

function fieldLines(fields: Metadata, without?: string): string {
  let lines = "";
  for (const name in fields) {
    if (ours.has(name) || name === without) continue;
    const value: unknown = fields[name];
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) throw wrong(`${show(name)} is no name of a field in lower case`);
    if (typeof value !== "string") throw wrong(`the value of field "${name}" is ${typeof value}, expected a string`);
    // Only what a strict reader takes: no line breaks, no NUL, and one byte a character.
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw wrong(`the value of field "${name}" has a character that HTTP cannot carry: ${show(value)}`);
    }
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

function lengthOf(fields: Metadata): number {
  const length = fields["content-length"];
  if (length === undefined) return -1;
  if (!/^[0-9]{1,15}$/.test(length)) throw wrong(`content-length ${show(length)} is no number`);
  return Number(length);
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function wrong(why: string): RpcError {
  return new RpcError("invalid_argument", why, { phase: "encode", retryable: false });
}
