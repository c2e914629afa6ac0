// Codecs side by side: each makes, of a shape, what encodes one of several records and what decodes it again. The
// records of each are in that library's natural form, made of its own decoding before the clock runs.
import assert from "node:assert/strict";
import { Decoder, Encoder } from "@msgpack/msgpack";
import { SaxesParser } from "saxes";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { avroCodec, createProtobufCodec, createThriftCodec, json, msgpack, xml } from "../../src/codec/index.ts";
import { type Codec, schemaOf } from "../../src/contract/index.ts";
import { Writer } from "../../src/wire/index.ts";
import { thriftContender } from "./thrift.ts";
import { type Case, type MessageName, shapes, valuesOf } from "./shapes.ts";

export interface Contender {
  /** Encodes the record of that index; returns how many bytes it took. */
  readonly encode: (index: number) => number;
  /** Decodes the encoding of the record of that index. */
  readonly decode: (index: number) => unknown;
}

/** A system is loaded only in the process that measures it. */
export const contenders: Readonly<Record<string, (name: Case) => Promise<Contender> | Contender>> = {
  meridian: (name) => meridian(name, createProtobufCodec()),
  "meridian interpreted": (name) => meridian(name, createProtobufCodec({ codegen: false })),
  "meridian JSON": (name) => meridian(name, json),
  "meridian MessagePack": (name) => meridian(name, msgpack),
  "meridian XML": (name) => meridian(name, xml),
  "protobufjs static": protobufjsContender,
  "protobuf-es": protobufEsContender,
  "ts-proto": tsProtoContender,
  "JSON unchecked": jsonContender,
  "JSON + ajv": async (name) => (await import("./json.ts")).ajvContender(name),
  "fast-json-stringify + ajv": async (name) => (await import("./json.ts")).fastJsonContender(name),
  "@msgpack/msgpack": msgpackContender,
  "meridian Thrift binary": (name) => meridian(name, createThriftCodec("binary")),
  "meridian Thrift compact": (name) => meridian(name, createThriftCodec("compact")),
  "thrift binary": (name) => thriftContender(name, "binary"),
  "thrift compact": (name) => thriftContender(name, "compact"),
  "meridian Avro": (name) => meridian(name, avroCodec),
  avsc: async (name) => (await import("./avsc.ts")).avscContender(name),
  "saxes tree": saxesContender,
};

/** Those that write the same bytes, so that being ahead of them is a goal. */
export const rivals: readonly string[] = ["protobufjs static", "protobuf-es", "ts-proto"];

/** Ours, and those that it is held against: those that write the same bytes, or do the same work. */
export const families: Readonly<Record<string, readonly string[]>> = {
  "meridian": rivals, "meridian Thrift binary": ["thrift binary"], "meridian Thrift compact": ["thrift compact"],
  "meridian MessagePack": ["@msgpack/msgpack"], "meridian Avro": ["avsc"], "meridian XML": ["saxes tree"],
  "meridian JSON": ["JSON + ajv", "fast-json-stringify + ajv"],
};

/** What part of the fastest rival's speed is asked for, where it is not to be ahead. */
export const shares: Readonly<Record<string, number>> = { "meridian XML": 0.9, "meridian JSON": 0.9 };

function meridian(name: Case, codec: Codec): Contender {
  const { type, message } = shapes[name];
  const coder = codec.compile(schemaOf(type, message));
  const values = valuesOf[name];
  const writer = new Writer(65_536);
  const encode = (index: number) => {
    writer.position = 0;
    coder.encode(values[index], writer);
    return writer.position;
  };
  // As messages lie in what a connection received: in a row, in one buffer.
  const all = new Writer(65_536);
  const ends = values.map((value) => {
    coder.encode(value, all);
    return all.position;
  });
  const bytes = all.finish();
  const received = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { encode, decode: (index) => coder.decode(received, ends[index - 1] ?? 0, ends[index] as number) };
}

/** Our encoding of each record, as a plain array of its own: what the others are given to decode. */
function encodings(name: Case): readonly Uint8Array[] {
  const { type, message } = shapes[name];
  const coder = createProtobufCodec().compile(schemaOf(type, message));
  return valuesOf[name].map((value) => {
    const writer = new Writer(4096);
    coder.encode(value, writer);
    return new Uint8Array(writer.bytes.subarray(0, writer.position));
  });
}

/** Refuses to measure a library that would write something else. Bytes may differ: zeros in maps need not be there. */
function checked(name: Case, encode: (index: number) => Uint8Array): void {
  const { type, message } = shapes[name];
  const coder = createProtobufCodec().compile(schemaOf(type, message));
  for (const [i, value] of valuesOf[name].entries()) {
    const bytes = encode(i);
    assert.deepEqual(coder.decode(bytes, 0, bytes.length), value, `record ${i} of ${name}`);
  }
}

interface StaticType {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

/** Code that pbjs printed for shapes.proto, in generated/. */
async function protobufjsContender(name: Case): Promise<Contender> {
  const generated = await import("./generated/protobufjs.js") as { shapes: Record<MessageName, StaticType> };
  return staticContender(name, generated.shapes[shapes[name].message]);
}

/** Code that protoc-gen-ts_proto printed for shapes.proto, in generated/. */
async function tsProtoContender(name: Case): Promise<Contender> {
  const generated = await import("./generated/ts-proto.js") as Record<MessageName, StaticType>;
  return staticContender(name, generated[shapes[name].message]);
}

function staticContender(name: Case, type: StaticType): Contender {
  const encoded = encodings(name);
  const values = encoded.map((bytes) => type.decode(bytes));
  checked(name, (index) => type.encode(values[index]).finish());
  return {
    encode: (index) => type.encode(values[index]).finish().length,
    decode: (index) => type.decode(encoded[index] as Uint8Array),
  };
}

/** Its generated code is the descriptor, in generated/; the engine is the library's. */
async function protobufEsContender(name: Case): Promise<Contender> {
  const { schemas } = await import("./generated/protobuf-es.ts");
  const schema = schemas[shapes[name].message];
  const encoded = encodings(name);
  const values = encoded.map((bytes) => fromBinary(schema, bytes));
  const encode = (index: number) => toBinary(schema, values[index] as (typeof values)[number]);
  checked(name, encode);
  return {
    encode: (index) => encode(index).length,
    decode: (index) => fromBinary(schema, encoded[index] as Uint8Array),
  };
}

/** What JSON can say: integers for bigints, milliseconds for dates, objects for Maps. */
function plain(value: object): unknown {
  return JSON.parse(JSON.stringify(value, function (this: Record<string, unknown>, key, item: unknown) {
    const original = this[key];
    if (original instanceof Date) return original.getTime();
    if (original instanceof Map) return Object.fromEntries(original);
    return typeof item === "bigint" ? Number(item) : item;
  }));
}

/** To bytes and from bytes, as they come from a connection: whatever is in them, and of plain values alone. */
function jsonContender(name: Case): Contender {
  const values = valuesOf[name].map(plain);
  const out = Buffer.allocUnsafeSlow(65_536);
  const encoded = values.map((value) => Buffer.from(JSON.stringify(value)));
  return {
    encode: (index) => out.write(JSON.stringify(values[index]), 0),
    decode: (index) => JSON.parse((encoded[index] as Buffer).toString()) as unknown,
  };
}

function msgpackContender(name: Case): Contender {
  const values = valuesOf[name].map(plain);
  const encoder = new Encoder({ initialBufferSize: 65_536 });
  const decoder = new Decoder();
  const encoded = values.map((value) => new Encoder().encode(value));
  return {
    encode: (index) => encoder.encodeSharedRef(values[index]).length,
    decode: (index) => decoder.decode(encoded[index] as Uint8Array),
  };
}

interface Element {
  readonly name: string;
  readonly children: Element[];
  text: string;
}

/** What one writes by hand with saxes: a tree of elements, all values text; and the text of such a tree. */
function saxesContender(name: Case): Contender {
  const { type, message } = shapes[name];
  const coder = xml.compile(schemaOf(type, message));
  const encoded = valuesOf[name].map((value) => {
    const writer = new Writer(65_536);
    coder.encode(value, writer);
    return Buffer.from(writer.finish());
  });
  const read = (index: number): Element => {
    const open: Element[] = [{ name: "", children: [], text: "" }];
    const parser = new SaxesParser();
    parser.on("opentag", (tag) => {
      const element: Element = { name: tag.name, children: [], text: "" };
      open.at(-1)?.children.push(element);
      open.push(element);
    });
    parser.on("text", (text) => {
      (open.at(-1) as Element).text += text;
    });
    parser.on("closetag", () => void open.pop());
    parser.write((encoded[index] as Buffer).toString()).close();
    return open[0] as Element;
  };
  const out = Buffer.allocUnsafeSlow(262_144);
  const trees = valuesOf[name].map((_, index) => read(index));
  return {
    encode: (index) => out.write((trees[index] as Element).children.map(elementText).join(""), 0),
    decode: read,
  };
}

function elementText({ name, children, text }: Element): string {
  const inside = children.length > 0 ? children.map(elementText).join("")
    : text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<${name}>${inside}</${name}>`;
}
