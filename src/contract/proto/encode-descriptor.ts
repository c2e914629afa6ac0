/** Descriptors in Protobuf: the bytes that reflection serves and that libraries of other languages load. */
import { writeBytesField, writeIntegerField, writeTextField } from "../../wire/fields.ts";
import { Writer } from "../../wire/writer.ts";
import { type FieldShape, fileSetShape, fileShape, type Shape } from "./descriptor-shape.ts";
import type { FileDescriptor } from "./file.ts";

/** A `google.protobuf.FileDescriptorProto`. */
export function encodeFileDescriptor(descriptor: FileDescriptor): Uint8Array {
  return encode(fileShape, descriptor);
}

/** A `google.protobuf.FileDescriptorSet`: what `protoc --descriptor_set_in` and `buf build` take. */
export function encodeFileDescriptorSet(files: readonly FileDescriptor[]): Uint8Array {
  return encode(fileSetShape, { file: files });
}

function encode(shape: Shape, value: object): Uint8Array {
  const writer = new Writer(256);
  for (const [number, [name, type, repeated]] of Object.entries(shape) as [string, FieldShape][]) {
    const member = (value as Readonly<Record<string, unknown>>)[name];
    if (member === undefined) continue;
    if (repeated !== true) writeOne(writer, Number(number), type, member);
    // Readers take lists of numbers packed or not.
    else if (type === "int") writeBytesField(writer, Number(number), packed(member as readonly number[]));
    else for (const item of member as readonly unknown[]) writeOne(writer, Number(number), type, item);
  }
  return writer.finish();
}

function writeOne(writer: Writer, number: number, type: FieldShape[1], value: unknown): void {
  if (type === "text") writeTextField(writer, number, value as string);
  else if (type === "int" || type === "bool") writeIntegerField(writer, number, Number(value));
  else writeBytesField(writer, number, encode(type, value as object));
}

function packed(numbers: readonly number[]): Uint8Array {
  const writer = new Writer(16);
  for (const number of numbers) writer.writeVarint(number);
  return writer.finish();
}
