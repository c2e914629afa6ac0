/**
 * Failures are what a response says instead of a value: a text, or one of the errors that its message declares. What an
 * RpcError has beyond that stands in the metadata, for those who read it; the text alone says the code as well.
 */
import type { Code } from "../../core/code.ts";
import { codeFromNumber, codeNumber } from "../../core/code.ts";
import { expected, type RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { Coder } from "../../contract/codec.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import type { DeclaredError } from "../../contract/avro/export.ts";
import { Writer } from "../../wire/writer.ts";
import { type AvroCursor, writeLong, writeString } from "./binary.ts";
import { names, splitReply, writeReplyMetadata } from "./call-metadata.ts";

/** Longer messages are cut. */
const maxMessageChars = 2_048;

/** Writes metadata, the error flag, and the error. Only what the peer may know leaves: never the cause. */
export function writeFailure(
  writer: Writer, error: RpcError, coders: MethodCoders | undefined, declared: readonly DeclaredError[],
  trailer: Metadata | undefined,
): void {
  const message = error.message.slice(0, maxMessageChars);
  const data = encodedData(error, coders, declared);
  writeReplyMetadata(writer, undefined, trailer ?? error.metadata, {
    [names.code]: error.code, [names.message]: message,
    ...(error.reason === undefined ? {} : { [names.reason]: error.reason.slice(0, 128) }),
    ...(error.retryable ? { [names.retryable]: "true" } : {}),
    ...(error.neverStarted ? { [names.neverStarted]: "true" } : {}),
    ...(error.retryAfterMs === undefined ? {} : { [names.retryAfterMs]: String(error.retryAfterMs) }),
  });
  writer.writeByte(1);
  if (data === undefined) {
    writer.writeByte(0);
    writeString(writer, `${error.code}: ${message}`);
  } else {
    writeLong(writer, declared.findIndex(({ reason }) => reason === error.reason) + 1);
    writer.writeBytes(data);
  }
}

function encodedData(
  error: RpcError, coders: MethodCoders | undefined, declared: readonly DeclaredError[],
): Uint8Array | undefined {
  if (error.reason === undefined || error.data === undefined) return undefined;
  if (!declared.some(({ reason }) => reason === error.reason)) return undefined;
  const coder = coders?.error(error.reason);
  if (coder === undefined) return undefined;
  const aside = new Writer(256);
  try {
    coder.encode(error.data, aside);
  } catch {
    // That the call failed, and why, matters more than the data.
    return undefined;
  }
  return aside.finish();
}

/** How one branch of a message's errors is read. */
export interface ErrorReading {
  /** Undefined for the text, and for an error that the contract does not declare. */
  readonly reason: string | undefined;
  readonly coder: Coder | undefined;
  readonly type: string;
  readonly code: Code;
}

/** Reads what follows the error flag. */
export function readFailure(
  cursor: AvroCursor, errors: readonly ErrorReading[], entries: Readonly<Record<string, string>> | undefined,
): RpcError {
  const branch = cursor.branch(errors.length + 1, "the error");
  if (branch === 0) {
    const text = cursor.text(cursor.end, "the error");
    return failureOf(entries, said(text));
  }
  const { reason, coder, type, code } = errors[branch - 1] as ErrorReading;
  const start = cursor.position;
  cursor.position = cursor.end;
  if (coder === undefined) {
    return failureOf(entries, { code: "unknown",
      message: `the server failed with the error ${type}, which the contract ` +
      "does not declare" });
  }
  return failureOf(entries, { code, message: reason ?? type }, reason, coder.decode(cursor.bytes, start, cursor.end));
}

interface Said {
  readonly code: Code;
  readonly message: string;
}

/** `not_found: no city 99`, as ours say it; others' texts are of an unknown code. */
function said(text: string): Said {
  const colon = text.indexOf(": ");
  const code = colon === -1 ? undefined : knownCode(text.slice(0, colon));
  return code === undefined ? { code: foreignCode(text), message: text } : { code, message: text.slice(colon + 2) };
}

const unserved =
  /^(?:Unknown (?:remote|local) message|No such (?:remote|local) method|unsupported message|not implemented)/i;

/** What Avro's own libraries say where a message is not served. */
function foreignCode(text: string): Code {
  return unserved.test(text)
    ? "unimplemented" : "unknown";
}

function knownCode(name: string): Code | undefined {
  const code = name as Code;
  return codeFromNumber(codeNumber(code)) === code ? code : undefined;
}

function failureOf(
  entries: Readonly<Record<string, string>> | undefined, { code, message }: Said, reason?: string, data?: unknown,
): RpcError {
  const options = { remote: true, phase: "server", reason, data } as const;
  if (entries === undefined) return expected(code, message, options);
  const after = Number(entries[names.retryAfterMs]);
  const { header, trailer } = splitReply(entries);
  return expected(knownCode(entries[names.code] ?? "") ?? code, entries[names.message] ?? message, {
    ...options, reason: reason ?? entries[names.reason],
    retryable: entries[names.retryable] === "true", neverStarted: entries[names.neverStarted] === "true",
    retryAfterMs: Number.isFinite(after) ? after : undefined, metadata: { ...header, ...trailer },
  });
}
