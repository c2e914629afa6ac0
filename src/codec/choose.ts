/** The codec of a method when its user names none. */
import type { Codec } from "../contract/codec.ts";
import type { AnyMethod } from "../contract/method.ts";
import { RpcError } from "../core/error.ts";
import { avroCodec } from "./avro/index.ts";
import { json } from "./json.ts";
import { msgpack } from "./msgpack/index.ts";
import { protobuf } from "./protobuf/index.ts";
import { thriftBinary, thriftCompact, thriftJson } from "./thrift/index.ts";
import { xml } from "./xml/index.ts";

const codecs: readonly Codec[] = [protobuf, msgpack, json, thriftBinary, thriftCompact, thriftJson, avroCodec, xml];

/** Compiled Protobuf, or MessagePack where a schema's structure cannot be read. */
export function codecFor(method: AnyMethod): Codec {
  const schemas = [method.input, method.output, ...Object.values(method.errors)];
  return schemas.every((schema) => schema.model !== undefined) ? protobuf : msgpack;
}

/** The codec of that name on the wire; throws `unimplemented` naming those there are. */
export function codecByName(name: string, more: readonly Codec[] = []): Codec {
  const codec = more.find((one) => one.name === name) ?? codecs.find((one) => one.name === name);
  if (codec === undefined) {
    const known = [...more, ...codecs].map((one) => one.name).join(", ");
    throw new RpcError("unimplemented", `codec "${name.slice(0, 32)}" is not known here; known are ${known}`);
  }
  return codec;
}
