/** google.protobuf.Any in handlers and callers: a message with its type, packed and unpacked. */
import { schemaOf } from "../contract/schema-of.ts";
import type { AnyType, TypeInput, TypeOutput } from "../contract/standard.ts";
import { protobuf } from "./protobuf/index.ts";
import { Writer } from "../wire/writer.ts";

interface Packed {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/**
 * The Any of a value. `name` is the full name of its message, e.g. `google.rpc.ErrorInfo`. Throws `invalid_argument`
 * for a value that is not of the type.
 */
export function packAny<T extends AnyType>(name: string, type: T, value: TypeInput<T>): Packed {
  const writer = new Writer(256);
  protobuf.compile(schemaOf(type, shortName(name), name)).encode(value, writer);
  return { typeUrl: `type.googleapis.com/${name}`, value: new Uint8Array(writer.bytes.subarray(0, writer.position)) };
}

/**
 * The value of an Any that holds the message of that full name; undefined if it holds another. The value is
 * validated. Throws `invalid_argument` for bytes that are no such message.
 */
export function unpackAny<T extends AnyType>(any: Packed, name: string, type: T): TypeOutput<T> | undefined {
  if (any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1) !== name) return undefined;
  const schema = schemaOf(type, shortName(name), name);
  const value = protobuf.compile(schema).decode(any.value, 0, any.value.length);
  return (schema.refine === undefined ? value : schema.refine(value)) as TypeOutput<T>;
}

function shortName(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
