/** Responses of JSON-RPC 2.0, section 5; what of an error has no place there goes in its `data`. */
import type { Context } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { readText, writeText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { JsonRpcCode } from "./codes.ts";
import { NoJson } from "./message.ts";

export type Id = string | number | null;

/** What an error's `data` holds, of servers of ours. */
export interface ErrorData {
  readonly code: string;
  /** The name of a declared error, and its data as the JSON codec has them. */
  readonly reason?: string;
  readonly data?: unknown;
  readonly retryAfterMs?: number;
  readonly neverStarted?: true;
  readonly retryable?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

const maxMessageChars = 8_192;

export function invalid(message: string): RpcError {
  return new RpcError("invalid_argument", message, { phase: "decode", neverStarted: true });
}

/** What was wrong with a message, before there was a call. */
export function errorOf(error: unknown): RpcError {
  return error instanceof NoJson ? invalid(`this is no JSON: ${error.message}`) : RpcError.from(error, "internal");
}

export function codeOf(error: unknown): number {
  return error instanceof NoJson ? JsonRpcCode.parseError : JsonRpcCode.invalidRequest;
}

/** Where a response is written: it is a view of this until the next is, which its receiver must copy to keep. */
const scratch = new Writer(16_384);
const mostKeptBytes = 262_144;

function begun(): Writer {
  if (scratch.bytes.length > mostKeptBytes) scratch.bytes = new Writer(16_384).bytes;
  scratch.position = 0;
  return scratch;
}

const utf8 = new TextEncoder();
const head = utf8.encode('{"jsonrpc":"2.0","id":');
const resultHead = utf8.encode(',"result":');

/** A response with a result; without coders the result is null. */
export function success(
  id: Id, coders: MethodCoders | undefined, value: unknown, context: Context | undefined,
): Uint8Array {
  const writer = begun();
  writer.writeBytes(head);
  appendText(writer, typeof id === "number" ? String(id) : JSON.stringify(id));
  writer.writeBytes(resultHead);
  if (coders === undefined) {
    appendText(writer, "null");
  } else {
    try {
      coders.response.encode(value, writer);
    } catch (error) {
      const { message } = RpcError.from(error, "internal");
      return failure(id, new RpcError("internal", `the reply cannot be encoded: ${message}`, { retryable: false }),
        JsonRpcCode.internalError);
    }
  }
  const reply = context?.reply;
  if (reply !== undefined) {
    const { header, trailer } = reply;
    appendText(writer, `,"meridian":${JSON.stringify({ header, trailer })}`);
  }
  writer.writeByte(0x7d);
  return writer.bytes.subarray(0, writer.position);
}

export function failure(
  id: Id, error: RpcError, code: number, coders?: MethodCoders, context?: Context,
): Uint8Array {
  const { reason, retryAfterMs, neverStarted, retryable } = error;
  const metadata = context?.reply?.trailer ?? error.metadata;
  const data: ErrorData = {
    code: error.code,
    ...(reason === undefined ? undefined : { reason, ...dataOf(error, reason, coders) }),
    ...(retryAfterMs === undefined ? undefined : { retryAfterMs }),
    ...(neverStarted ? { neverStarted } : undefined),
    ...(retryable === (error.code === "unavailable" || neverStarted) ? undefined : { retryable }),
    ...(metadata === undefined || Object.keys(metadata).length === 0 ? undefined : { metadata }),
  };
  const message = error.message.slice(0, maxMessageChars);
  return utf8.encode(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data } }));
}

function dataOf(error: RpcError, reason: string, coders: MethodCoders | undefined): { data?: unknown } {
  const coder = error.data === undefined ? undefined : coders?.error(reason);
  if (coder === undefined) return {};
  try {
    const writer = new Writer(256);
    coder.encode(error.data, writer);
    return { data: JSON.parse(readText(writer.bytes, 0, writer.position)) as unknown };
  } catch {
    // Data that do not fit their declaration: the error itself matters more.
    return {};
  }
}

/** The responses of a batch. */
export function joined(replies: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(replies.reduce((sum, one) => sum + one.length + 1, 2));
  replies.forEach((one, i) => {
    writer.writeByte(i === 0 ? 0x5b : 0x2c);
    writer.writeBytes(one);
  });
  writer.writeByte(0x5d);
  return writer.finish();
}

export function appendText(writer: Writer, text: string): void {
  writer.ensure(text.length * 3);
  writer.position += writeText(writer.bytes, writer.position, text);
}
