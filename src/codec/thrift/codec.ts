/**
 * Thrift's codecs turn values into the structs of Apache Thrift by functions compiled from their schema, in its
 * binary, compact and JSON protocols. docs/thrift.md has the mapping.
 */
import type { Codec, CodecRole, Coder } from "../../contract/codec.ts";
import type { Model } from "../../contract/model.ts";
import { requireModel, type Schema } from "../../contract/schema.ts";
import { Writer } from "../../wire/writer.ts";
import { attemptDecode, attemptEncode, unread } from "../protobuf/attempt.ts";
import { permitsCodegen } from "../protobuf/source.ts";
import { BinaryInput, BinaryOutput } from "./binary.ts";
import { CompactInput, CompactOutput } from "./compact.ts";
import { decodeInterpreted } from "./decode-interpreted.ts";
import { type Decode, generateDecoder } from "./decode-source.ts";
import { encodeInterpreted } from "./encode-interpreted.ts";
import { type Encode, generateEncoder } from "./encode-source.ts";
import type { Input, Output } from "./format.ts";
import { JsonInput, JsonOutput } from "./json.ts";
import { planRoot, type StructPlan } from "./plan.ts";

export type ThriftEncoding = "binary" | "compact" | "json";

export interface ThriftCodecOptions {
  /**
   * Whether coders are generated as JavaScript, or interpret the schema, which is several times slower. By default
   * they are generated wherever that is permitted. JSON is always interpreted.
   */
  readonly codegen?: boolean;
}

/** The codec `thrift-binary`. */
export const thriftBinary: Codec = createThriftCodec("binary");
/** The codec `thrift-compact`. */
export const thriftCompact: Codec = createThriftCodec("compact");
/** The codec `thrift-json`. */
export const thriftJson: Codec = createThriftCodec("json");

/** Makes a codec of one of Thrift's protocols. A coder compiles on its first use, and is shared by its model's uses. */
export function createThriftCodec(encoding: ThriftEncoding, options: ThriftCodecOptions = {}): Codec {
  const coders = new WeakMap<Model, Map<boolean | undefined, Coder>>();
  let generates = encoding === "json" ? false : options.codegen;
  return {
    name: `thrift-${encoding}`,
    structural: true,
    bound: true,
    compile(schema: Schema, role?: CodecRole): Coder {
      const model = requireModel(schema);
      let byRole = coders.get(model);
      if (byRole === undefined) coders.set(model, byRole = new Map());
      // The struct around an answer is the only one that differs.
      const isResult = role === "response";
      let coder = byRole.get(isResult);
      if (coder === undefined) {
        generates ??= permitsCodegen();
        const plan = planRoot(model, role);
        coder = generates ? generatedCoder(plan, encoding) : interpretingCoder(plan, encoding);
        byRole.set(isResult, coder);
      }
      return coder;
    },
  };
}

const inputs: Readonly<Record<ThriftEncoding, new (bytes: Uint8Array, start: number, end: number) => Input>> = {
  binary: BinaryInput, compact: CompactInput, json: JsonInput,
};
const outputs: Readonly<Record<ThriftEncoding, new (writer: Writer) => Output & { finish?(): void }>> = {
  binary: BinaryOutput, compact: CompactOutput, json: JsonOutput,
};

function interpretingCoder(plan: StructPlan, encoding: ThriftEncoding): Coder {
  return {
    // Aside, so that what fails leaves nothing behind.
    encode(value, writer) {
      const aside = new Writer(256);
      const output = new outputs[encoding](aside);
      encodeInterpreted(plan, value, output);
      output.finish?.();
      writer.writeBytes(aside.bytes.subarray(0, aside.position));
    },
    decode: (bytes, start, end) => decodeInterpreted(plan, new inputs[encoding](bytes, start, end)),
  };
}

/** Generated code gives up at whatever is not plain, and the interpreter then does the work again. */
function generatedCoder(plan: StructPlan, encoding: ThriftEncoding): Coder {
  const interpreting = interpretingCoder(plan, encoding);
  let encode: Encode | undefined;
  let decode: Decode | undefined;
  return {
    encode(value: unknown, writer: Writer): void {
      encode ??= generateEncoder(plan, encoding === "compact");
      if (!attemptEncode(encode, value, writer)) interpreting.encode(value, writer);
    },
    decode(bytes: Uint8Array, start: number, end: number): unknown {
      decode ??= generateDecoder(plan, encoding === "compact");
      const value = attemptDecode(decode, bytes, start, end);
      return value === unread ? interpreting.decode(bytes, start, end) : value;
    },
  };
}
