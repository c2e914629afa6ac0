/** `readFileDescriptorSet` reads the bytes of a google.protobuf.FileDescriptorSet, as protoc and buf write them. */
import { RpcError } from "../../core/error.ts";
import { type FieldShape, fileSetShape, httpRuleShape, type Shape } from "./descriptor-shape.ts";
import type { FileDescriptor, HttpOption } from "./file.ts";

/** Deepest nesting of messages, and most of them in one set. */
const limits = { depth: 100, messages: 1_000_000 } as const;

/** What descriptors must have, and reads as this where bytes leave it out. */
const absent: Readonly<Record<string, unknown>> = {
  name: "", inputType: "", outputType: "", number: 0, start: 0, end: 0, path: [], span: [], location: [],
};

/** Throws `invalid_argument` for bytes that are no FileDescriptorSet. */
export function readFileDescriptorSet(bytes: Uint8Array): readonly FileDescriptor[] {
  const set = new SetReader(bytes).message(bytes.length, fileSetShape, 0);
  const { file: files = [] } = set as { file?: FileDescriptor[] };
  for (const one of files) {
    if (one.name === "") throw malformed("a file without a name");
  }
  return files;
}

/** A `google.api.HttpRule` behind its length. Throws `invalid_argument` for malformed bytes. */
export function readHttpRuleField(bytes: Uint8Array): HttpOption {
  return new SetReader(bytes).prefixed(httpRuleShape);
}

class SetReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #messages = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A message behind its length. */
  prefixed(shape: Shape): Record<string, unknown> {
    return this.message(this.#length(this.#bytes.length), shape, 0);
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
