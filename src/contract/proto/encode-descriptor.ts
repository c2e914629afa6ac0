/** Descriptors in Protobuf: the bytes that reflection serves and that libraries of other languages load. */
import { writeBytesField, writeIntegerField, writeTextField } from "../../wire/fields.ts";
import { Writer } from "../../wire/writer.ts";
import type { FileDescriptor } from "./file.ts";

/** How a member is written: an integer or boolean, packed integers, text, or a message. Members may be lists. */
type Kind = "integer" | "packed" | "text" | Shape;

/** Members by name, with the numbers of descriptor.proto, in the order of those. */
interface Shape {
  readonly [name: string]: readonly [number: number, kind: Kind];
}

const integers = (numbers: Readonly<Record<string, number>>): Shape =>
  Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, [number, "integer"]]));

const features = integers({
  fieldPresence: 1, enumType: 2, repeatedFieldEncoding: 3, utf8Validation: 4, messageEncoding: 5, jsonFormat: 6,
});
const fileOptions: Shape = {
  javaPackage: [1, "text"], javaOuterClassname: [8, "text"], optimizeFor: [9, "integer"],
  javaMultipleFiles: [10, "integer"], goPackage: [11, "text"],
  ...integers({
    ccGenericServices: 16, javaGenericServices: 17, pyGenericServices: 18, javaGenerateEqualsAndHash: 20,
    deprecated: 23, javaStringCheckUtf8: 27, ccEnableArenas: 31,
  }),
  objcClassPrefix: [36, "text"], csharpNamespace: [37, "text"], swiftPrefix: [39, "text"],
  phpClassPrefix: [40, "text"], phpNamespace: [41, "text"], phpGenericServices: [42, "integer"],
  phpMetadataNamespace: [44, "text"], rubyPackage: [45, "text"], features: [50, features],
};
const messageOptions: Shape = {
  ...integers({
    messageSetWireFormat: 1, noStandardDescriptorAccessor: 2, deprecated: 3, mapEntry: 7,
    deprecatedLegacyJsonFieldConflicts: 11,
  }),
  features: [12, features],
};
const fieldOptions: Shape = {
  ...integers({
    ctype: 1, packed: 2, deprecated: 3, lazy: 5, jstype: 6, weak: 10, unverifiedLazy: 15, debugRedact: 16,
    retention: 17,
  }),
  features: [21, features],
};
const enumOptions: Shape = {
  ...integers({ allowAlias: 2, deprecated: 3, deprecatedLegacyJsonFieldConflicts: 6 }), features: [7, features],
};
const enumValueOptions: Shape = { deprecated: [1, "integer"], features: [2, features], debugRedact: [3, "integer"] };
const methodOptions: Shape = {
  deprecated: [33, "integer"], idempotencyLevel: [34, "integer"], features: [35, features],
};

const range = integers({ start: 1, end: 2 });
const enumShape: Shape = {
  name: [1, "text"], value: [2, { name: [1, "text"], number: [2, "integer"], options: [3, enumValueOptions] }],
  options: [3, enumOptions], reservedRange: [4, range], reservedName: [5, "text"],
};
const field: Shape = {
  name: [1, "text"], extendee: [2, "text"], number: [3, "integer"], label: [4, "integer"], type: [5, "integer"],
  typeName: [6, "text"], defaultValue: [7, "text"], options: [8, fieldOptions], oneofIndex: [9, "integer"],
  jsonName: [10, "text"], proto3Optional: [17, "integer"],
};
const message: Shape = {
  name: [1, "text"], field: [2, field],
  /** A getter, since messages nest. */
  get nestedType(): readonly [number, Kind] {
    return [3, message];
  },
  enumType: [4, enumShape], extensionRange: [5, { ...range, options: [3, { features: [50, features] }] }],
  extension: [6, field], options: [7, messageOptions],
  oneofDecl: [8, { name: [1, "text"], options: [2, { features: [1, features] }] }],
  reservedRange: [9, range], reservedName: [10, "text"],
};
const service: Shape = {
  name: [1, "text"],
  method: [2, {
    name: [1, "text"], inputType: [2, "text"], outputType: [3, "text"], options: [4, methodOptions],
    clientStreaming: [5, "integer"], serverStreaming: [6, "integer"],
  }],
  options: [3, { deprecated: [33, "integer"], features: [34, features] }],
};
const location: Shape = {
  path: [1, "packed"], span: [2, "packed"], leadingComments: [3, "text"], trailingComments: [4, "text"],
  leadingDetachedComments: [6, "text"],
};
const file: Shape = {
  name: [1, "text"], package: [2, "text"], dependency: [3, "text"], messageType: [4, message],
  enumType: [5, enumShape], service: [6, service], extension: [7, field], options: [8, fileOptions],
  sourceCodeInfo: [9, { location: [1, location] }], publicDependency: [10, "integer"],
  weakDependency: [11, "integer"], syntax: [12, "text"], edition: [14, "integer"],
};

/** A `google.protobuf.FileDescriptorProto`. */
export function encodeFileDescriptor(descriptor: FileDescriptor): Uint8Array {
  return encode(file, descriptor);
}

/** A `google.protobuf.FileDescriptorSet`: what `protoc --descriptor_set_in` and `buf build` take. */
export function encodeFileDescriptorSet(files: readonly FileDescriptor[]): Uint8Array {
  return encode({ file: [1, file] }, { file: files });
}

function encode(shape: Shape, value: object): Uint8Array {
  const writer = new Writer(256);
  for (const [name, [number, kind]] of Object.entries(shape)) {
    const member = (value as Readonly<Record<string, unknown>>)[name];
    if (member === undefined) continue;
    if (kind === "packed") writeBytesField(writer, number, packed(member as readonly number[]));
    else if (Array.isArray(member)) for (const item of member) writeOne(writer, number, kind, item);
    else writeOne(writer, number, kind, member);
  }
  return writer.finish();
}

function writeOne(writer: Writer, number: number, kind: Exclude<Kind, "packed">, value: unknown): void {
  if (kind === "text") writeTextField(writer, number, value as string);
  else if (kind === "integer") writeIntegerField(writer, number, Number(value));
  else writeBytesField(writer, number, encode(kind, value as object));
}

function packed(numbers: readonly number[]): Uint8Array {
  const writer = new Writer(16);
  for (const number of numbers) writer.writeVarint(number);
  return writer.finish();
}
