/**
 * A failure is how a call ends that has no result: a declared error is a field of the result's struct, everything else
 * a TApplicationException. Both may have fields beside their own, which other peers pass over: docs/thrift.md.
 */
import { type Code, codeFromNumber, codeNumber } from "../../core/code.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { int32At, skipBinary, skipCompact, skipVarint, ThriftType, varintAt } from "../../wire/thrift.ts";
import { readText } from "../../wire/text.ts";
import { Writer } from "../../wire/writer.ts";
import { ascii, malformed, putInt32, type ThriftEncoding } from "./message.ts";

/** The kinds of TApplicationException, by Thrift's numbers, and the code that each is here. */
const codesByKind: readonly Code[] = [
  "unknown", "unimplemented", "internal", "internal", "internal", "internal", "internal", "invalid_argument",
  "unimplemented", "unimplemented", "unimplemented",
];
const kindNames: readonly string[] = [
  "UNKNOWN", "UNKNOWN_METHOD", "INVALID_MESSAGE_TYPE", "WRONG_METHOD_NAME", "BAD_SEQUENCE_ID", "MISSING_RESULT",
  "INTERNAL_ERROR", "PROTOCOL_ERROR", "INVALID_TRANSFORM", "INVALID_PROTOCOL", "UNSUPPORTED_CLIENT_TYPE",
];

/** The kind that each code is sent as; all others are 0, UNKNOWN. */
const kindsByCode: Readonly<Partial<Record<Code, number>>> = {
  unimplemented: 1, internal: 6, data_loss: 6, invalid_argument: 7,
};

/** Fields that other peers pass over: the ends of what a number can be. */
const extra = { code: 32_767, retryAfterMs: 32_766, neverStarted: 32_765, message: 32_764, retryable: 32_763 } as const;
const own = { message: 1, kind: 2 } as const;

const maxMessageChars = 2_048;

type Field = readonly [id: number, value: string | number | boolean];

/** The struct of an error, and whether it is a declared one's: then it stands in the result's struct. */
export interface Failure {
  readonly isDeclared: boolean;
  readonly struct: Uint8Array;
}

/** What leaves of an error: never the cause. */
export function failureOf(encoding: ThriftEncoding, error: RpcError, coders: MethodCoders | undefined): Failure {
  const marks: Field[] = [[extra.code, codeNumber(error.code)]];
  if (error.retryAfterMs !== undefined) {
    marks.push([extra.retryAfterMs, Math.max(-1, Math.min(error.retryAfterMs, 2 ** 31 - 1)) | 0]);
  }
  if (error.neverStarted) marks.push([extra.neverStarted, true]);
  marks.push([extra.retryable, error.retryable]);
  const message = error.message.slice(0, maxMessageChars);
  const declared = declaredStruct(error, coders);
  if (declared !== undefined) {
    const [id, struct] = declared;
    const writer = new Writer(256);
    const isEmpty = openStruct(writer, encoding, struct);
    writeFields(writer, encoding, message === error.reason ? marks : [...marks, [extra.message, message]], isEmpty);
    return { isDeclared: true, struct: inResult(encoding, id, writer.finish()) };
  }
  const writer = new Writer(256);
  if (encoding === "json") writer.writeByte(0x7b);
  writeFields(writer, encoding, [[own.message, message], [own.kind, kindsByCode[error.code] ?? 0], ...marks], true);
  return { isDeclared: false, struct: writer.finish() };
}

/** The data of a declared error as its struct, and the number of its field. */
function declaredStruct(
  { reason, data }: RpcError, coders: MethodCoders | undefined,
): readonly [number, Uint8Array] | undefined {
  const id = reason === undefined ? undefined : coders?.errorIds?.[reason];
  if (reason === undefined || id === undefined || data === undefined) return undefined;
  const writer = new Writer(256);
  try {
    coders?.error(reason)?.encode(data, writer);
  } catch {
    return undefined; // The error itself matters more than its data.
  }
  return writer.position === 0 ? undefined : [id, writer.finish()];
}

/** Writes a struct without its end; whether it has no fields so far. */
function openStruct(writer: Writer, encoding: ThriftEncoding, struct: Uint8Array): boolean {
  writer.writeBytes(struct.subarray(0, -1));
  return encoding === "json" ? struct.length === 2 : struct.length === 1;
}

/** Writes fields and the struct's end. Heads are in their long form, which needs not know what went before. */
function writeFields(writer: Writer, encoding: ThriftEncoding, fields: readonly Field[], isFirst: boolean): void {
  for (const [i, [id, value]] of fields.entries()) {
    if (encoding === "json") {
      const tag = typeof value === "string" ? "str" : typeof value === "boolean" ? "tf" : "i32";
      const text = JSON.stringify(typeof value === "boolean" ? Number(value) : value);
      writer.writeBytes(new TextEncoder().encode(`${isFirst && i === 0 ? "" : ","}"${id}":{"${tag}":${text}}`));
    } else if (encoding === "binary") {
      writeBinaryField(writer, id, value);
    } else {
      writeCompactField(writer, id, value);
    }
  }
  writer.writeByte(encoding === "json" ? 0x7d : 0);
}

function writeBinaryField(writer: Writer, id: number, value: Field[1]): void {
  const type = typeof value === "string" ? ThriftType.string : typeof value === "boolean" ? ThriftType.bool
    : ThriftType.i32;
  writer.writeBytes(Uint8Array.of(type, id >> 8, id));
  if (typeof value === "boolean") {
    writer.writeByte(value ? 1 : 0);
    return;
  }
  const text = typeof value === "string" ? new TextEncoder().encode(value) : undefined;
  writer.ensure(4);
  writer.position = putInt32(writer.bytes, writer.position, text?.length ?? Number(value));
  if (text !== undefined) writer.writeBytes(text);
}

function writeCompactField(writer: Writer, id: number, value: Field[1]): void {
  const type = typeof value === "string" ? 8 : typeof value === "number" ? 5 : value ? 1 : 2;
  writer.writeByte(type);
  writer.writeVarint(id * 2);
  if (typeof value === "number") writer.writeVarint((value << 1 ^ value >> 31) >>> 0);
  if (typeof value !== "string") return;
  const text = new TextEncoder().encode(value);
  writer.writeVarint(text.length);
  writer.writeBytes(text);
}

/** A result whose only field is an error. */
function inResult(encoding: ThriftEncoding, id: number, struct: Uint8Array): Uint8Array {
  const writer = new Writer(struct.length + 32);
  if (encoding === "json") writer.writeBytes(ascii(`{"${id}":{"rec":`));
  else if (encoding === "binary") writer.writeBytes(Uint8Array.of(ThriftType.struct, id >> 8, id));
  else {
    writer.writeByte(id <= 15 ? id << 4 | 12 : 12);
    if (id > 15) writer.writeVarint(id * 2);
  }
  writer.writeBytes(struct);
  writer.writeBytes(encoding === "json" ? ascii("}}") : Uint8Array.of(0));
  return writer.finish();
}

/** The error of an EXCEPTION message. */
export function readException(encoding: ThriftEncoding, bytes: Uint8Array, start: number, end: number): RpcError {
  const fields = fieldsOf(encoding, bytes, start, end);
  const kind = Number(fields.get(own.kind) ?? 0);
  const said = fields.get(own.message);
  const message = typeof said === "string" && said !== "" ? said : `TApplicationException ${kindNames[kind] ?? kind}`;
  const code = fields.get(extra.code);
  return expected(typeof code === "number" ? codeFromNumber(code) : codesByKind[kind] ?? "unknown", message,
    { ...marksOf(fields), remote: true, phase: "server" });
}

/** The declared error that a result holds; undefined where it holds a success, or an error nobody declared. */
export function readDeclared(
  encoding: ThriftEncoding, bytes: Uint8Array, start: number, end: number,
  { coders, method }: { readonly coders: MethodCoders; readonly method: MethodInfo },
): RpcError | undefined {
  const first = firstField(encoding, bytes, start, end);
  if (first === undefined || first.id === 0) return undefined;
  const reason = Object.entries(coders.errorIds ?? {}).find(([, id]) => id === first.id)?.[0];
  const coder = reason === undefined ? undefined : coders.error(reason);
  if (reason === undefined || coder === undefined) {
    return expected("unknown", `the server threw exception ${first.id} of the method, which is not declared here: ` +
      "the contracts differ", { remote: true, phase: "server" });
  }
  const data = coder.decode(bytes, first.start, first.end);
  const fields = fieldsOf(encoding, bytes, first.start, first.end);
  const said = fields.get(extra.message);
  const message = typeof said === "string" ? said : reason;
  const code = fields.get(extra.code);
  return expected(typeof code === "number" ? codeFromNumber(code) : declaredCode(method, reason), message,
    { ...marksOf(fields), remote: true, phase: "server", reason, data });
}

/** What the contract says; a method that is no contract's, a gateway's, knows no codes. */
function declaredCode(method: MethodInfo, reason: string): Code {
  const make = (method as { error?: (reason: string, data: unknown) => RpcError }).error;
  if (typeof make !== "function") return "failed_precondition";
  return make.call(method, reason, undefined).code;
}

function marksOf(fields: ReadonlyMap<number, unknown>): {
  retryAfterMs?: number; neverStarted?: boolean; retryable?: boolean;
} {
  const [retryAfterMs, retryable] = [fields.get(extra.retryAfterMs), fields.get(extra.retryable)];
  return {
    ...(typeof retryAfterMs === "number" ? { retryAfterMs } : {}),
    ...(fields.get(extra.neverStarted) === true ? { neverStarted: true } : {}),
    ...(typeof retryable === "boolean" ? { retryable } : {}),
  };
}

interface Found {
  readonly id: number;
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

/** The first field of a struct; of JSON the first that is an object. */
function firstField(encoding: ThriftEncoding, bytes: Uint8Array, start: number, end: number): Found | undefined {
  if (encoding === "json") {
    const [, before, id = ""] = /^(\s*\{\s*"(-?\d{1,5})"\s*:\s*\{\s*"rec"\s*:\s*)/
      .exec(latin1Of(bytes.subarray(start, Math.min(end, start + 64)))) ?? [];
    if (before === undefined) return undefined;
    const closing = /\}\s*\}\s*$/.exec(readText(bytes, start, end));
    if (closing === null) throw malformed("a result without an end");
    return { id: Number(id), type: ThriftType.struct, start: start + before.length, end: end - closing[0].length };
  }
  for (const field of structFields(encoding, bytes, start, end)) {
    // What is not an exception's struct is no error: a result's other fields are.
    return field.id !== 0 && field.type !== (encoding === "binary" ? ThriftType.struct : 12) ? undefined : field;
  }
  return undefined;
}

/** The texts, integers of 32 bits and booleans of a struct, by number. */
function fieldsOf(
  encoding: ThriftEncoding, bytes: Uint8Array, start: number, end: number,
): ReadonlyMap<number, string | number | boolean> {
  const fields = new Map<number, string | number | boolean>();
  if (encoding === "json") {
    let struct: unknown;
    try {
      struct = JSON.parse(readText(bytes, start, end));
    } catch {
      throw malformed("an exception that is no JSON");
    }
    for (const [id, field] of Object.entries(struct as object) as [string, unknown][]) {
      const [tag, value] = Object.entries(field ?? {})[0] ?? [];
      if (tag === "tf") fields.set(Number(id), value === 1);
      else if (typeof value === "string" || typeof value === "number") fields.set(Number(id), value);
    }
    return fields;
  }
  for (const { id, type, start: from, end: to } of structFields(encoding, bytes, start, end)) {
    if (encoding === "binary") {
      if (type === ThriftType.string) fields.set(id, readText(bytes, from + 4, to));
      else if (type === ThriftType.i32) fields.set(id, int32At(bytes, from));
      else if (type === ThriftType.bool) fields.set(id, bytes[from] === 1);
    } else if (type === 8) {
      fields.set(id, readText(bytes, skipVarint(bytes, from, to), to));
    } else if (type === 5) {
      const zigzag = varintAt(bytes, from, to);
      fields.set(id, zigzag >>> 1 ^ -(zigzag & 1));
    } else if (type === 1 || type === 2) {
      fields.set(id, type === 1);
    }
  }
  return fields;
}

function* structFields(
  encoding: ThriftEncoding, bytes: Uint8Array, start: number, end: number,
): Generator<Found> {
  let [at, last] = [start, 0];
  for (;;) {
    const head = at < end ? bytes[at] as number : -1;
    if (head === 0) return;
    if (head < 0) throw malformed("a struct that is cut off");
    let [id, from, type] = [0, at + 1, head];
    if (encoding === "binary") {
      id = (bytes[at + 1] as number) << 8 | (bytes[at + 2] as number);
      from = at + 3;
    } else {
      type = head & 15;
      if (head > 15) {
        id = last + (head >> 4);
      } else {
        const stop = skipVarint(bytes, from, end);
        if (stop < 0) throw malformed("a struct that is cut off");
        id = varintAt(bytes, from, stop) / 2;
        from = stop;
      }
    }
    const to = encoding === "binary" ? skipBinary(bytes, from, end, type) : skipCompact(bytes, from, end, type, true);
    if (to < 0) throw malformed("a struct that is cut off, or nested too deep");
    yield { id, type, start: from, end: to };
    at = to;
    last = id;
  }
}

function latin1Of(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** A handler's own exception: its text may hold secrets, so the caller learns only that there was one. */
export function failureFrom(error: unknown): RpcError {
  return RpcError.is(error) ? error : new RpcError("internal", "the handler failed unexpectedly",
    { cause: error, phase: "handler", retryable: false });
}
