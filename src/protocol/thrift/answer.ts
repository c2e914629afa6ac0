/** An answer is a reply or an exception: what a client reads of it, whatever carried it. */
import { expected, RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { readDeclared, readException } from "./failure.ts";
import { malformed, type MessageHead, MessageType, type ThriftEncoding } from "./message.ts";

interface Called {
  readonly coders: MethodCoders;
  readonly method: MethodInfo;
}

/** The result, or an error as a value: what is wrong with an answer concerns its call alone. */
export function readAnswer(
  encoding: ThriftEncoding, head: MessageHead, bytes: Uint8Array, called: Called,
): { readonly error: RpcError | undefined; readonly value: unknown } {
  const { bodyStart, bodyEnd, type } = head;
  try {
    if (type === MessageType.exception) {
      return { error: readException(encoding, bytes, bodyStart, bodyEnd), value: undefined };
    }
    if (type !== MessageType.reply) throw malformed(`a message of type ${type}, expected a reply (2)`);
    if (!isSuccess(encoding, bytes, bodyStart)) {
      const error = readDeclared(encoding, bytes, bodyStart, bodyEnd, called);
      if (error !== undefined) return { error, value: undefined };
    }
    return { error: undefined, value: called.coders.response.decode(bytes, bodyStart, bodyEnd) };
  } catch (error) {
    const { message } = RpcError.from(error, "internal");
    return {
      value: undefined,
      error: expected("internal", `the reply cannot be read: ${message}`,
        { cause: error, phase: "decode", retryable: false }),
    };
  }
}

/** Whether a result's first field is its success, or it has none: what most are, told by their first bytes. */
function isSuccess(encoding: ThriftEncoding, bytes: Uint8Array, start: number): boolean {
  if (encoding === "binary") return bytes[start] === 0 || bytes[start + 1] === 0 && bytes[start + 2] === 0;
  if (encoding === "compact") return bytes[start] === 0 || (bytes[start] as number) <= 15 && bytes[start + 1] === 0;
  return bytes[start + 1] === 0x7d || bytes[start + 1] === 0x22 && bytes[start + 2] === 0x30;
}
