/** `readFileDescriptorSet` reads the bytes of a google.protobuf.FileDescriptorSet, as protoc and buf write them. */
import { RpcError } from "../../core/error.ts";
import type { FileDescriptor } from "./file.ts";

/** Deepest nesting of messages, and most of them in one set. */
const limits = { depth: 100, messages: 1_000_000 } as const;

/** A field: its name in lowerCamelCase and its type, in a list if it is repeated. */
type FieldShape = readonly [name: string, type: "text" | "int" | "bool" | Shape, repeated?: true];
interface Shape {
  readonly [number: number]: FieldShape;
}

const features: Shape = {
  1: ["fieldPresence", "int"], 2: ["enumType", "int"], 3: ["repeatedFieldEncoding", "int"],
  4: ["utf8Validation", "int"], 5: ["messageEncoding", "int"], 6: ["jsonFormat", "int"],
};
const fileOptions: Shape = {
  1: ["javaPackage", "text"], 8: ["javaOuterClassname", "text"], 10: ["javaMultipleFiles", "bool"],
  20: ["javaGenerateEqualsAndHash", "bool"], 27: ["javaStringCheckUtf8", "bool"], 9: ["optimizeFor", "int"],
  11: ["goPackage", "text"], 16: ["ccGenericServices", "bool"], 17: ["javaGenericServices", "bool"],
  18: ["pyGenericServices", "bool"], 23: ["deprecated", "bool"], 31: ["ccEnableArenas", "bool"],
  36: ["objcClassPrefix", "text"], 37: ["csharpNamespace", "text"], 39: ["swiftPrefix", "text"],
  40: ["phpClassPrefix", "text"], 41: ["phpNamespace", "text"], 44: ["phpMetadataNamespace", "text"],
  45: ["rubyPackage", "text"], 50: ["features", features],
};
const messageOptions: Shape = {
  1: ["messageSetWireFormat", "bool"], 2: ["noStandardDescriptorAccessor", "bool"], 3: ["deprecated", "bool"],
  7: ["mapEntry", "bool"], 11: ["deprecatedLegacyJsonFieldConflicts", "bool"], 12: ["features", features],
};
const fieldOptions: Shape = {
  1: ["ctype", "int"], 2: ["packed", "bool"], 6: ["jstype", "int"], 5: ["lazy", "bool"], 15: ["unverifiedLazy", "bool"],
  3: ["deprecated", "bool"], 10: ["weak", "bool"], 16: ["debugRedact", "bool"], 17: ["retention", "int"],
  21: ["features", features],
};
const range: Shape = { 1: ["start", "int"], 2: ["end", "int"] };
const field: Shape = {
  1: ["name", "text"], 2: ["extendee", "text"], 3: ["number", "int"], 4: ["label", "int"], 5: ["type", "int"],
  6: ["typeName", "text"], 7: ["defaultValue", "text"], 8: ["options", fieldOptions], 9: ["oneofIndex", "int"],
  10: ["jsonName", "text"], 17: ["proto3Optional", "bool"],
};
const enumValue: Shape = {
  1: ["name", "text"], 2: ["number", "int"],
  3: ["options", { 1: ["deprecated", "bool"], 2: ["features", features], 3: ["debugRedact", "bool"] }],
};
const enumShape: Shape = {
  1: ["name", "text"], 2: ["value", enumValue, true],
  3: ["options", {
    2: ["allowAlias", "bool"], 3: ["deprecated", "bool"], 6: ["deprecatedLegacyJsonFieldConflicts", "bool"],
    7: ["features", features],
  }],
  4: ["reservedRange", range, true], 5: ["reservedName", "text", true],
};
const message: Record<number, FieldShape> = {
  1: ["name", "text"], 2: ["field", field, true], 4: ["enumType", enumShape, true], 5: ["extensionRange", range, true],
  6: ["extension", field, true], 7: ["options", messageOptions],
  8: ["oneofDecl", { 1: ["name", "text"], 2: ["options", { 1: ["features", features] }] }, true],
  9: ["reservedRange", range, true], 10: ["reservedName", "text", true],
};
message[3] = ["nestedType", message, true];
const method: Shape = {
  1: ["name", "text"], 2: ["inputType", "text"], 3: ["outputType", "text"],
  4: ["options", { 33: ["deprecated", "bool"], 34: ["idempotencyLevel", "int"], 35: ["features", features] }],
  5: ["clientStreaming", "bool"], 6: ["serverStreaming", "bool"],
};
const service: Shape = {
  1: ["name", "text"], 2: ["method", method, true],
  3: ["options", { 33: ["deprecated", "bool"], 34: ["features", features] }],
};
const location: Shape = {
  1: ["path", "int", true], 2: ["span", "int", true], 3: ["leadingComments", "text"], 4: ["trailingComments", "text"],
  6: ["leadingDetachedComments", "text", true],
};
const file: Shape = {
  1: ["name", "text"], 2: ["package", "text"], 3: ["dependency", "text", true], 10: ["publicDependency", "int", true],
  11: ["weakDependency", "int", true], 4: ["messageType", message, true], 5: ["enumType", enumShape, true],
  6: ["service", service, true], 7: ["extension", field, true], 8: ["options", fileOptions],
  9: ["sourceCodeInfo", { 1: ["location", location, true] }], 12: ["syntax", "text"], 14: ["edition", "int"],
};
/** What descriptors must have, and reads as this where bytes leave it out. */
const absent: Readonly<Record<string, unknown>> = {
  name: "", inputType: "", outputType: "", number: 0, start: 0, end: 0, path: [], span: [], location: [],
};

const set: Shape = { 1: ["file", file, true] };

/** Throws `invalid_argument` for bytes that are no FileDescriptorSet. */
export function readFileDescriptorSet(bytes: Uint8Array): readonly FileDescriptor[] {
  const { file: files = [] } = new SetReader(bytes).message(bytes.length, set, 0) as { file?: FileDescriptor[] };
  for (const one of files) {
    if (one.name === "") throw malformed("a file without a name");
  }
  return files;
}

class SetReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #messages = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message(end: number, shape: Shape, depth: number): Record<string, unknown> {
    if (depth > limits.depth) throw malformed(`nested deeper than ${limits.depth}`);
    if (++this.#messages > limits.messages) throw malformed(`more than ${limits.messages} messages`);
    const value: Record<string, unknown> = {};
    while (this.#at < end) {
      const tag = this.#varint(end);
      const [number, wire] = [tag >>> 3, tag & 7];
      const known = shape[number];
      if (known === undefined) this.#skip(wire, end);
      else this.#field(known, wire, end, depth, value);
    }
    for (const [name] of Object.values(shape) as FieldShape[]) {
      if (value[name] === undefined && Object.hasOwn(absent, name)) value[name] = absent[name];
    }
    return value;
  }

  #field(shape: FieldShape, wire: number, end: number, depth: number, value: Record<string, unknown>): void {
    const [name, type, repeated] = shape;
    const list = repeated === true ? (value[name] ??= []) as unknown[] : undefined;
    const isNumber = type === "int" || type === "bool";
    if (isNumber && wire === 2 && list !== undefined) {
      const stop = this.#length(end);
      while (this.#at < stop) list.push(this.#varint(stop) | 0);
      return;
    }
    if (wire !== (isNumber ? 0 : 2)) throw malformed(`${name} has the wire type ${wire}`);
    let item: unknown;
    if (type === "int") item = this.#varint(end) | 0;
    else if (type === "bool") item = this.#varint(end) !== 0;
    else {
      const stop = this.#length(end);
      if (type === "text") {
        item = new TextDecoder().decode(this.#bytes.subarray(this.#at, stop));
        this.#at = stop;
      } else item = this.message(stop, type, depth + 1);
    }
    if (list === undefined) value[name] = item;
    else list.push(item);
  }

  /** The low 32 bits of a varint, which is all that descriptors hold. */
  #varint(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= end) throw malformed(`cut off at byte ${this.#at}`);
      const byte = this.#bytes[this.#at++] as number;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed(`a number of more than ten bytes at byte ${this.#at}`);
  }

  #length(end: number): number {
    const stop = this.#varint(end) + this.#at;
    if (stop > end) throw malformed(`a length runs past the end at byte ${this.#at}`);
    return stop;
  }

  #skip(wire: number, end: number): void {
    if (wire === 0) this.#varint(end);
    else if (wire === 2) this.#at = this.#length(end);
    else if (wire === 1 || wire === 5) this.#at += wire === 1 ? 8 : 4;
    else throw malformed(`the wire type ${wire} at byte ${this.#at}`);
    if (this.#at > end) throw malformed(`cut off at byte ${end}`);
  }
}

function malformed(what: string): RpcError {
  return new RpcError("invalid_argument", `malformed FileDescriptorSet: ${what}`);
}
