// Codecs side by side: each makes, of a shape, what encodes one of several records and what decodes it again.
import { Decoder, Encoder } from "@msgpack/msgpack";
import protobufjs from "protobufjs";
import { createProtobufCodec } from "../../src/codec/protobuf/index.ts";
import { schemaOf } from "../../src/contract/index.ts";
import { Writer } from "../../src/wire/index.ts";
import { medium, type Medium, mediumValue, small, smallValue } from "../shapes.ts";

export type Case = "S" | "M";

export interface Contender {
  /** Encodes the record of that index; returns how many bytes it took. */
  readonly encode: (index: number) => number;
  /** Decodes the encoding of the record of that index. */
  readonly decode: (index: number) => unknown;
}

/** How many different records there are. */
export const variety = 64;

const valuesOf: Readonly<Record<Case, readonly object[]>> = {
  S: Array.from({ length: variety }, (_, i) => smallValue(i * 37)),
  M: Array.from({ length: variety }, (_, i) => mediumValue(i * 37)),
};

export const contenders: Readonly<Record<string, (name: Case) => Contender>> = {
  meridian: (name) => meridian(name, true),
  "meridian interpreted": (name) => meridian(name, false),
  protobufjs: protobufjsContender,
  JSON: jsonContender,
  "@msgpack/msgpack": msgpackContender,
};

function meridian(name: Case, codegen: boolean): Contender {
  const schema = schemaOf(name === "S" ? small : medium, name === "S" ? "Small" : "Medium");
  const coder = createProtobufCodec({ codegen }).compile(schema);
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

const proto = `syntax = "proto3";
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message S { int32 id = 1; string name = 2; repeated string tags = 3; }
message Address { string street = 1; string city = 2; string zip = 3; double lat = 4; double lon = 5; }
message Order { int32 id = 1; string sku = 2; int64 totalCents = 3; Timestamp placedAt = 4; }
message M {
  int32 id = 1; string name = 2; string email = 3; bool active = 4; repeated Address addresses = 5;
  repeated string tags = 6; map<string, string> attributes = 7; repeated Order orders = 8; string bio = 9;
}`;

/** Its values are its own: 64-bit integers and timestamps are objects of two parts, made before the clock runs. */
function protobufjsContender(name: Case): Contender {
  const type = protobufjs.parse(proto, { keepCase: true }).root.lookupType(name);
  const long = (value: bigint) =>
    ({ low: Number(BigInt.asIntN(32, value)), high: Number(value >> 32n), unsigned: false });
  const values = valuesOf[name].map((value) => (name === "S" ? value : {
    ...value,
    orders: (value as Medium).orders.map((order) => ({
      ...order, totalCents: long(order.totalCents),
      placedAt: {
        seconds: long(BigInt(Math.floor(order.placedAt.getTime() / 1000))),
        nanos: order.placedAt.getTime() % 1000 * 1e6,
      },
    })),
  }));
  const encoded = values.map((value) => type.encode(value).finish());
  return {
    encode: (index) => type.encode(values[index] as object).finish().length,
    decode: (index) => type.decode(encoded[index] as Uint8Array),
  };
}

/** What JSON can say: integers for bigints, milliseconds for dates. */
function plain(value: object): unknown {
  return JSON.parse(JSON.stringify(value, function (this: Record<string, unknown>, key, item: unknown) {
    const original = this[key];
    if (original instanceof Date) return original.getTime();
    return typeof item === "bigint" ? Number(item) : item;
  }));
}

/** To bytes and from bytes, as they come from a connection. */
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
