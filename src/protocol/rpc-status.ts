/** google.rpc.Status in Protobuf, and of the messages that its details hold the few fields that we write and read. */
import { type Code, codeFromNumber, codeNumber } from "../core/code.ts";
import { type ErrorDetail, RpcError } from "../core/error.ts";
import { Cursor } from "../wire/cursor.ts";
import { writeText } from "../wire/text.ts";
import { Writer } from "../wire/writer.ts";

/** What `grpc-status-details-bin` holds. */
export interface RpcStatus {
  readonly code: Code;
  readonly message: string;
  readonly details: readonly ErrorDetail[];
}

/** google.rpc.ErrorInfo: an error by its name. */
export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export const errorInfoType = "google.rpc.ErrorInfo";

const typePrefix = "type.googleapis.com/";
const maxDetails = 64;
const maxTextBytes = 65_536;
const maxDetailBytes = 1_048_576;

export function encodeStatus(status: RpcStatus): Uint8Array {
  const writer = new Writer(256);
  writer.writeByte(0x08);
  writer.writeVarint(codeNumber(status.code));
  if (status.message !== "") writeString(writer, 2, status.message);
  for (const { type, value } of status.details.slice(0, maxDetails)) {
    const any = new Writer(value.length + 128);
    writeString(any, 1, typePrefix + type);
    if (value.length > 0) writeRun(any, 2, value);
    writeRun(writer, 3, any.finish());
  }
  return writer.finish();
}

/** Throws `invalid_argument` for what is not a Status. */
export function decodeStatus(bytes: Uint8Array): RpcStatus {
  let code = 0;
  let message = "";
  const details: ErrorDetail[] = [];
  readFields(bytes, (field, cursor) => {
    if (field === number(1, 0)) code = cursor.varint();
    else if (field === number(2, 2)) message = cursor.text(maxTextBytes);
    else if (field === number(3, 2)) {
      const any = cursor.run(maxDetailBytes);
      if (details.length < maxDetails) details.push(decodeAny(any));
    } else return false;
    return true;
  });
  return { code: codeFromNumber(code), message, details };
}

function decodeAny(bytes: Uint8Array): ErrorDetail {
  let type = "";
  let value: Uint8Array = new Uint8Array(0);
  readFields(bytes, (field, cursor) => {
    if (field === number(1, 2)) type = cursor.text(maxTextBytes);
    // A copy: a view would keep the head that it came in.
    else if (field === number(2, 2)) value = Uint8Array.from(cursor.run(maxDetailBytes));
    else return false;
    return true;
  });
  return { type: type.slice(type.lastIndexOf("/") + 1), value };
}

export function encodeErrorInfo(info: ErrorInfo): Uint8Array {
  const writer = new Writer(256);
  writeString(writer, 1, info.reason);
  if (info.domain !== "") writeString(writer, 2, info.domain);
  for (const key of Object.keys(info.metadata)) {
    const entry = new Writer(128);
    writeString(entry, 1, key);
    writeString(entry, 2, info.metadata[key] as string);
    writeRun(writer, 3, entry.finish());
  }
  return writer.finish();
}

/** Throws `invalid_argument` for what is not an ErrorInfo. */
export function decodeErrorInfo(bytes: Uint8Array): ErrorInfo {
  let reason = "";
  let domain = "";
  const metadata = Object.create(null) as Record<string, string>;
  readFields(bytes, (field, cursor) => {
    if (field === number(1, 2)) reason = cursor.text(maxTextBytes);
    else if (field === number(2, 2)) domain = cursor.text(maxTextBytes);
    else if (field === number(3, 2)) {
      let key = "";
      let value = "";
      readFields(cursor.run(maxDetailBytes), (part, inner) => {
        if (part === number(1, 2)) key = inner.text(maxTextBytes);
        else if (part === number(2, 2)) value = inner.text(maxDetailBytes);
        else return false;
        return true;
      });
      metadata[key] = value;
    } else return false;
    return true;
  });
  return { reason, domain, metadata };
}

/** A field's key on the wire. */
function number(field: number, wireType: number): number {
  return field << 3 | wireType;
}

/** Hands each field to `read`, which answers whether it took it, and passes over the others. */
function readFields(bytes: Uint8Array, read: (key: number, cursor: Cursor) => boolean): void {
  const cursor = new Cursor().over(bytes, 0, bytes.length);
  while (!cursor.atEnd) {
    const key = cursor.varint();
    if (!read(key, cursor)) passOver(key, cursor);
  }
}

function passOver(key: number, cursor: Cursor): void {
  switch (key & 7) {
    case 0:
      while ((cursor.byte() & 0x80) !== 0);
      return;
    case 1:
      for (let i = 0; i < 8; i++) cursor.byte();
      return;
    case 2:
      cursor.run(Number.MAX_SAFE_INTEGER);
      return;
    case 5:
      for (let i = 0; i < 4; i++) cursor.byte();
      return;
    default:
      throw new RpcError("invalid_argument", `a status has a field of wire type ${key & 7}`, { phase: "decode" });
  }
}

function writeString(writer: Writer, field: number, text: string): void {
  const bytes = new Uint8Array(text.length * 3);
  writeRun(writer, field, bytes.subarray(0, writeText(bytes, 0, text)));
}

function writeRun(writer: Writer, field: number, bytes: Uint8Array): void {
  writer.writeByte(number(field, 2));
  writer.writeVarint(bytes.length);
  writer.writeBytes(bytes);
}
