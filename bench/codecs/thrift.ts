// The npm package `thrift` as its users have it: structs that its compiler printed, written to and read from its
// protocol objects over its buffered transport.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import thrift from "thrift";
import { createThriftCodec, type ThriftEncoding } from "../../src/codec/index.ts";
import { schemaOf } from "../../src/contract/index.ts";
import { Writer } from "../../src/wire/index.ts";
import type { Contender } from "./contenders.ts";
import { type Case, type MessageName, shapes, valuesOf } from "./shapes.ts";

interface Struct {
  write(output: unknown): void;
  read(input: unknown): void;
}

interface Transport {
  flush(): void;
}

type Made<T> = new (...args: unknown[]) => T;
const library = thrift as unknown as Record<"TBinaryProtocol" | "TCompactProtocol", Made<unknown>> & {
  TBufferedTransport: Made<Transport>;
};

/** Encodes and decodes with the library; refuses to measure it if we could not read what it writes. */
export function thriftContender(name: Case, encoding: Exclude<ThriftEncoding, "json">): Contender {
  const structs = createRequire(import.meta.url)("./generated/thrift/shapes_types.cjs") as
    Record<MessageName, Made<Struct>>;
  const { type, message } = shapes[name];
  const Protocol = library[encoding === "binary" ? "TBinaryProtocol" : "TCompactProtocol"];
  const coder = createThriftCodec(encoding).compile(schemaOf(type, message));
  const encoded = valuesOf[name].map((value) => {
    const writer = new Writer(4096);
    coder.encode(value, writer);
    return Buffer.from(writer.bytes.subarray(0, writer.position));
  });
  const decode = (index: number): Struct => {
    const bytes = encoded[index] as Buffer;
    const transport = new library.TBufferedTransport() as unknown as { inBuf: Buffer; writeCursor: number };
    transport.inBuf = bytes;
    transport.writeCursor = bytes.length;
    const struct = new structs[message]();
    struct.read(new Protocol(transport));
    return struct;
  };
  const values = encoded.map((_, index) => decode(index));
  let written: Buffer = Buffer.alloc(0);
  const output = new library.TBufferedTransport(undefined, (bytes: Buffer) => {
    written = bytes;
  });
  const protocol = new Protocol(output);
  const encode = (index: number): number => {
    (values[index] as Struct).write(protocol);
    output.flush();
    return written.length;
  };
  for (const [i, value] of valuesOf[name].entries()) {
    encode(i);
    assert.deepEqual(coder.decode(written, 0, written.length), value, `record ${i} of ${name}`);
  }
  return { encode, decode };
}
