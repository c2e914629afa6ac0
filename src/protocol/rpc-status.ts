/** google.rpc.Status in Protobuf, and of the messages that its details hold the few fields that we write and read. */
import { type Code, codeFromNumber, codeNumber } from "../core/code.ts";
import type { ErrorDetail } from "../core/error.ts";
import {
  fieldKey, readFields, writeBytesField, writeIntegerField, writeTextField,
} from "../wire/fields.ts";
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
  writeIntegerField(writer, 1, codeNumber(status.code));
  if (status.message !== "") writeTextField(writer, 2, status.message);
  for (const { type, value } of status.details.slice(0, maxDetails)) {
    const any = new Writer(value.length + 128);
    writeTextField(any, 1, typePrefix + type);
    if (value.length > 0) writeBytesField(any, 2, value);
    writeBytesField(writer, 3, any.finish());
  }
  return writer.finish();
}

/** Throws `invalid_argument` for what is not a Status. */
export function decodeStatus(bytes: Uint8Array): RpcStatus {
  let code = 0;
  let message = "";
  const details: ErrorDetail[] = [];
  readFields(bytes, (field, cursor) => {
    if (field === fieldKey(1, 0)) code = cursor.varint();
    else if (field === fieldKey(2, 2)) message = cursor.text(maxTextBytes);
    else if (field === fieldKey(3, 2)) {
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
    if (field === fieldKey(1, 2)) type = cursor.text(maxTextBytes);
    // A copy: a view would keep the head that it came in.
    else if (field === fieldKey(2, 2)) value = Uint8Array.from(cursor.run(maxDetailBytes));
    else return false;
    return true;
  });
  return { type: type.slice(type.lastIndexOf("/") + 1), value };
}

export function encodeErrorInfo(info: ErrorInfo): Uint8Array {
  const writer = new Writer(256);
  writeTextField(writer, 1, info.reason);
  if (info.domain !== "") writeTextField(writer, 2, info.domain);
  for (const key of Object.keys(info.metadata)) {
    const entry = new Writer(128);
    writeTextField(entry, 1, key);
    writeTextField(entry, 2, info.metadata[key] as string);
    writeBytesField(writer, 3, entry.finish());
  }
  return writer.finish();
}

/** Throws `invalid_argument` for what is not an ErrorInfo. */
export function decodeErrorInfo(bytes: Uint8Array): ErrorInfo {
  let reason = "";
  let domain = "";
  const metadata = Object.create(null) as Record<string, string>;
  readFields(bytes, (field, cursor) => {
    if (field === fieldKey(1, 2)) reason = cursor.text(maxTextBytes);
    else if (field === fieldKey(2, 2)) domain = cursor.text(maxTextBytes);
    else if (field === fieldKey(3, 2)) {
      let key = "";
      let value = "";
      readFields(cursor.run(maxDetailBytes), (part, inner) => {
        if (part === fieldKey(1, 2)) key = inner.text(maxTextBytes);
        else if (part === fieldKey(2, 2)) value = inner.text(maxDetailBytes);
        else return false;
        return true;
      });
      metadata[key] = value;
    } else return false;
    return true;
  });
  return { reason, domain, metadata };
}
