/** Messages of the test runner on standard input and output: each behind its length in four bytes, big-endian. */
import type { AnyType, TypeOutput } from "../../src/contract/index.ts";
import { type Coder, schemaOf, Writer } from "../../src/contract/index.ts";
import { protobuf } from "../../src/codec/index.ts";

/** The Protobuf coder of a schema. */
export function coderOf(type: AnyType, name: string): Coder {
  return protobuf.compile(schemaOf(type, name, name));
}

/** Encodes a message. */
export function encode(coder: Coder, value: unknown): Uint8Array {
  const writer = new Writer();
  coder.encode(value, writer);
  return writer.finish();
}

/** The messages of standard input as they come, until its end. */
export async function* readMessages<T extends AnyType>(type: T, name: string): AsyncGenerator<TypeOutput<T>> {
  const coder = coderOf(type, name);
  let held = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    held = Buffer.concat([held, chunk as Buffer]);
    while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
      const end = 4 + held.readUInt32BE(0);
      yield coder.decode(held, 4, end) as TypeOutput<T>;
      held = held.subarray(end);
    }
  }
}

/** Writes one message to standard output. */
export function writeMessage(coder: Coder, value: unknown): void {
  const bytes = encode(coder, value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([length, bytes]));
}
