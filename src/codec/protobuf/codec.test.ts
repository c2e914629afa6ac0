import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import type { FieldModel, Model, StructModel } from "../../contract/model.ts";
import { unknownFields } from "../../contract/unknown-fields.ts";
import { Writer } from "../../wire/writer.ts";
import { createProtobufCodec, protobuf } from "./codec.ts";
import { generateDecoder } from "./decode-source.ts";
import { generateEncoder } from "./encode-source.ts";
import { fits } from "./fits.ts";
import { field, list, map, models, nullable, runs, scalar, struct, valuesOfModel } from "../../../test/codec/models.ts";
import { planMessage } from "./plan.ts";
import { permitsCodegen } from "./source.ts";

const codecs = {
  generated: createProtobufCodec({ codegen: true }), interpreted: createProtobufCodec({ codegen: false }),
};
type Mode = keyof typeof codecs;
const modes = Object.keys(codecs) as Mode[];
const schemaOf = (model: Model) => ({ model, refine: undefined, validate: (value: unknown) => value });
const coderOf = (mode: Mode, model: Model) => codecs[mode].compile(schemaOf(model));

function encode(mode: Mode, model: Model, value: unknown): number[] {
  const writer = new Writer(4);
  coderOf(mode, model).encode(value, writer);
  return [...writer.finish()];
}

function decode(mode: Mode, model: Model, bytes: readonly number[]): unknown {
  return coderOf(mode, model).decode(Uint8Array.from(bytes), 0, bytes.length);
}

function throwsInvalid(run: () => unknown, message: string | RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(RpcError.is(error));
    assert.equal(error.code, "invalid_argument");
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}

/** Runs a test for generated and for interpreting coders. */
function both(name: string, run: (mode: Mode) => void): void {
  for (const mode of modes) test(`${name} (${mode})`, () => run(mode));
}

const user: StructModel = struct("User", [
  field("id", 1, scalar("int32")), field("name", 2, scalar("string")), field("tags", 3, list(scalar("string"))),
  field("near", 4, struct("Point", [field("x", 1, scalar("double"))]), "optional"),
  field("counts", 5, list(scalar("uint32"))),
]);
const ann = { id: 1, name: "Ann", tags: ["a"], counts: [] };

test("random values have the structure of their models", () => {
  for (const model of Object.values(models).filter(({ kind }) => kind === "struct")) {
    fc.assert(fc.property(valuesOfModel(model), (value) => fits(model, value)), { seed: 1, numRuns: 10 });
  }
});

test("generated code does what is plain itself, and leaves only the unusual to the interpreter", () => {
  for (const [name, model] of Object.entries(models)) {
    const plan = planMessage(model);
    const [encodeValue, decodeBytes] = [generateEncoder(plan), generateDecoder(plan)];
    fc.assert(fc.property(valuesOfModel(model), (value) => {
      const writer = new Writer(1 << 20);
      encodeValue(value, writer);
      assert.deepStrictEqual(decodeBytes(writer.bytes, 0, writer.position), value, name);
    }), { seed: 5, numRuns: Math.ceil(runs / 10), endOnFailure: true });
  }
});

test("where code generation is forbidden, both codecs interpret", () => {
  assert.equal(permitsCodegen(), true);
  const script = `
    import { protobuf } from ${JSON.stringify(new URL("codec.ts", import.meta.url).href)};
    import { Writer } from ${JSON.stringify(new URL("../../wire/writer.ts", import.meta.url).href)};
    import { json } from ${JSON.stringify(new URL("../json.ts", import.meta.url).href)};
    const field = { name: "s", number: 1, presence: "required", model: { kind: "scalar", scalar: "string" } };
    for (const codec of [protobuf, json]) {
      const coder = codec.compile({ model: { kind: "struct", name: "S", fields: [field] } });
      const writer = new Writer();
      coder.encode({ s: codec.name }, writer);
      process.stdout.write(coder.decode(writer.bytes, 0, writer.position).s);
    }`;
  const flags = ["--disallow-code-generation-from-strings", "--input-type=module", "-e", script];
  assert.equal(execFileSync(process.execPath, flags, { encoding: "utf8" }), "protojson");
});

test("a schema without a structure is refused, saying what to use", () => {
  throwsInvalid(() => protobuf.compile({ model: undefined, refine: undefined, validate: (value) => value }),
    /JSON or MessagePack/);
});

test("a model compiles once", () => {
  assert.equal(protobuf.compile(schemaOf(user)), protobuf.compile(schemaOf(user)));
});

both("a value of the wrong type is named with its path", (mode) => {
  const say = (value: unknown, message: string) => throwsInvalid(() => encode(mode, user, value), message);
  say({ ...ann, id: "x" }, 'expected int32 at "id", received string "x"');
  say({ ...ann, id: 1.5 }, 'expected int32 at "id", received number 1.5');
  say({ ...ann, id: 2 ** 31 }, 'expected int32 at "id", received number 2147483648');
  say({ ...ann, name: undefined }, 'expected string at "name", received undefined');
  say({ ...ann, tags: ["a", 5n] }, 'expected string at "tags[1]", received bigint 5');
  say({ ...ann, tags: "abc" }, 'expected an array at "tags", received string "abc"');
  say({ ...ann, near: null }, 'expected Point at "near", received null');
  say({ ...ann, near: { x: "1" } }, 'expected double at "near.x", received string "1"');
  say({ ...ann, counts: [1, -1] }, 'expected uint32 at "counts[1]", received number -1');
  say([], "expected User, received array of 0");
  say(null, "expected User, received null");
  const held = map(scalar("string"), list(models["shape"] as Model));
  throwsInvalid(() => encode(mode, held, { "a b": [{ kind: "oval" }] }), 'expected one of "circle", 7, false ' +
    'at "[\\"a b\\"][0].kind", received string "oval"');
});

both("what failed leaves nothing behind", (mode) => {
  const writer = new Writer(4);
  writer.writeBytes(Uint8Array.of(1, 2, 3));
  const broken = { ...ann, name: "x".repeat(500), tags: [7] };
  assert.throws(() => coderOf(mode, user).encode(broken, writer));
  assert.deepEqual([...writer.finish()], [1, 2, 3]);
});

/** As a connection's outbox: growing hands over what is complete and carries the rest to the front of new memory. */
class MovingWriter extends Writer {
  keepFrom = 0;
  moves = 0;

  protected override grow(count: number): void {
    const partial = this.bytes.slice(this.keepFrom, this.position);
    this.bytes = new Uint8Array(partial.length + count + 8).fill(0xee);
    this.bytes.set(partial);
    this.position = partial.length;
    this.keepFrom = 0;
    this.moves++;
  }
}

both("positions may move when the writer grows", (mode) => {
  let moves = 0;
  for (const model of [models["tree"], models["lists"], models["maps"], models["either"]] as Model[]) {
    fc.assert(fc.property(valuesOfModel(model), fc.nat(20), (value, before) => {
      const writer = new MovingWriter(before + 4);
      writer.position = writer.keepFrom = before;
      coderOf(mode, model).encode(value, writer);
      const written = writer.bytes.subarray(writer.keepFrom, writer.position);
      assert.deepEqual([...written], encode("interpreted", model, value));
      moves += writer.moves;
      const failing = new MovingWriter(before + 4);
      failing.position = failing.keepFrom = before;
      assert.throws(() => coderOf(mode, list(model)).encode([value, value, Symbol("no")], failing));
      assert.equal(failing.position, failing.keepFrom);
    }), { seed: 3, numRuns: Math.ceil(runs / 5) });
  }
  assert.ok(moves > 0);
});

both("malformed bytes are named with offset and path", (mode) => {
  const say = (bytes: readonly number[], message: string) => throwsInvalid(() => decode(mode, user, bytes), message);
  say([0x08], 'malformed message: varint is cut off at byte 1 in "id"');
  say([0x08, 0x80, 0x80], 'malformed message: varint is cut off at byte 1 in "id"');
  say([0x08, ...Array.from({ length: 10 }, () => 0xff), 1],
    'malformed message: varint is longer than 10 bytes at byte 1 in "id"');
  say([0x12, 5, 97], 'malformed message: length 5 runs past the end at byte 1 in "name"');
  say([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
    'malformed message: length 4294967295 runs past the end at byte 1 in "name"');
  say([0x12, 1, 0xff], 'malformed message: text is not valid UTF-8 at byte 2 in "name"');
  say([0x12, 3, 0xed, 0xa0, 0x80], 'malformed message: text is not valid UTF-8 at byte 2 in "name"');
  say([0x22, 3, 0x09, 0, 0], 'malformed message: value of 8 bytes is cut off at byte 3 in "near.x"');
  say([0x00, 1], "malformed message: field number outside 1 to 536870911 at byte 0");
  say([0x4b, 0x4b], "malformed message: varint is cut off at byte 2");
  say([0x4b, 0x54], "malformed message: group 9 ends as 10 at byte 1");
  say([0x4c], "malformed message: wire type 4 is not supported at byte 1");
  say(Array.from({ length: 200 }, () => 0x4b), "malformed message: groups are nested deeper than 100 at byte 101");
  say([0x4e, 1], "malformed message: wire type 6 is not supported at byte 1");
});

both("unknown fields are kept, in whatever order fields come, and written back behind the others", (mode) => {
  const bytes = [
    0x48, 0xff, 0x7f, 0x1a, 1, 97, 0x51, 1, 2, 3, 4, 5, 6, 7, 8, 0x12, 3, 65, 110, 110, 0x5d, 1, 2, 3, 4,
    0x62, 2, 9, 9, 0x1a, 1, 98, 0x08, 7, 0x08, 1, 0xfa, 0x7f, 0, 0x0d, 1, 2, 3, 4,
  ];
  const unknown = [
    0x48, 0xff, 0x7f, 0x51, 1, 2, 3, 4, 5, 6, 7, 8, 0x5d, 1, 2, 3, 4, 0x62, 2, 9, 9, 0xfa, 0x7f, 0, 0x0d, 1, 2, 3, 4,
  ];
  const value = decode(mode, user, bytes) as object;
  assert.deepStrictEqual(value, { ...ann, tags: ["a", "b"], [unknownFields]: Uint8Array.from(unknown) });
  const changed = { ...value, name: "", tags: [] };
  assert.deepStrictEqual(encode(mode, user, changed), [0x08, 1, ...unknown]);
});

both("unknown fields of nested messages, large, small and merged, are kept where they were", (mode) => {
  const point = struct("Point", [field("x", 1, scalar("int32"))]);
  const line = struct("Line", [
    field("from", 1, point), field("to", 2, point, "optional"), field("all", 3, list(user)),
    field("of", 4, { kind: "oneof", variants: [{ name: "p", number: 5, model: point }] }, "optional"),
  ]);
  const large = [0x62, 0xc8, 0x01, ...Array.from({ length: 200 }, () => 7)];
  const group = [0x4b, 0x08, 1, 0x53, 0x54, 0x4c];
  const message = [
    0x0a, 4, 0x08, 1, 0x10, 2, 0x12, 6, ...group, 0x1a, 0xcb, 0x01, ...large, 0x2a, 3, 0x18, 0xac, 0x02,
  ];
  const value = decode(mode, line, message) as { from: object; of: { value: object } };
  assert.deepStrictEqual(value.from, { x: 1, [unknownFields]: Uint8Array.of(0x10, 2) });
  assert.deepStrictEqual(value.of.value, { x: 0, [unknownFields]: Uint8Array.of(0x18, 0xac, 0x02) });
  assert.deepStrictEqual(encode(mode, line, value), message);
  const merged = decode(mode, line, [0x0a, 2, 0x10, 2, 0x0a, 2, 0x18, 3]) as { from: object };
  assert.deepStrictEqual(merged.from, { x: 0, [unknownFields]: Uint8Array.of(0x10, 2, 0x18, 3) });
  throwsInvalid(() => encode(mode, point, { x: 1, [unknownFields]: "no" }),
    'expected bytes under the symbol unknownFields, received string "no"');
});

both("an open enum keeps numbers that it has no name for", (mode) => {
  const model: Model = { kind: "enum", name: "E", values: [{ name: "a", number: 0 }, { name: "b", number: 300 }] };
  const open = struct("Open", [field("e", 1, { ...model, open: true }), field("l", 2, list({ ...model, open: true }))]);
  const value = { e: 7, l: ["b", -1, "a"] };
  assert.deepStrictEqual(decode(mode, open, encode(mode, open, value)), value);
  assert.deepStrictEqual(encode(mode, open, { e: 300, l: [] }), encode(mode, open, { e: "b", l: [] }));
  assert.deepStrictEqual(encode(mode, open, { e: 0, l: [] }), []);
  throwsInvalid(() => encode(mode, open, { e: 2 ** 31, l: [] }), /expected one of "a", "b" at "e"/);
  throwsInvalid(() => encode(mode, open, { e: "c", l: [] }), /expected one of "a", "b" at "e"/);
});

both("varints may be longer than they need be", (mode) => {
  const flags = struct("Flags", [
    field("yes", 1, scalar("bool")), field("no", 2, scalar("bool")), field("n", 3, scalar("int32")),
  ]);
  assert.deepStrictEqual(decode(mode, flags, [0x88, 0, 0x81, 0x80, 0, 0x10, 0x80, 0, 0x18, 0x81, 0x80, 0x80, 0]),
    { yes: true, no: false, n: 1 });
});

both("repeated numbers are read packed and unpacked", (mode) => {
  assert.deepStrictEqual(decode(mode, user, [0x28, 1, 0x2a, 2, 2, 3, 0x28, 0xac, 0x02]),
    { id: 0, name: "", tags: [], counts: [1, 2, 3, 300] });
});

both("occurrences of a message are merged, of a scalar the last one counts", (mode) => {
  const line = struct("Line", [field("a", 1, user), field("b", 2, user, "optional")]);
  assert.deepStrictEqual(decode(mode, line, [0x0a, 4, 0x08, 1, 0x28, 5, 0x0a, 7, 0x12, 3, 65, 110, 110, 0x28, 6]),
    { a: { id: 1, name: "Ann", tags: [], counts: [5, 6] } });
  const shape = models["either"] as Model;
  assert.equal(decode(mode, shape, [0x10, 5, 0x0a, 1, 97, 0x10, 7]), 7);
});

test("merging costs no more than the bytes that are merged", () => {
  const holder = struct("Holder", [field("user", 1, user)]);
  const part = [0x0a, 4, 0x12, 2, 65, 65];
  const bytes = Uint8Array.from({ length: 600_000 }, (_, i) => part[i % part.length] as number);
  assert.deepStrictEqual(coderOf("generated", holder).decode(bytes, 0, bytes.length),
    { user: { id: 0, name: "AA", tags: [], counts: [] } });
});

both("what is absent reads as zero, undefined, null or its default", (mode) => {
  assert.deepStrictEqual(decode(mode, user, []), { id: 0, name: "", tags: [], counts: [] });
  assert.equal("near" in (decode(mode, user, []) as object), false);
  assert.deepStrictEqual(decode(mode, models["defaults"] as Model, []),
    { count: 5, name: "x", tags: ["a"], at: { x: 1, y: 2 }, colour: "red", none: null });
  assert.equal(decode(mode, nullable(scalar("int32")), []), null);
  assert.equal(decode(mode, { kind: "unknown" }, []), undefined);
  throwsInvalid(() => decode(mode, models["shape"] as Model, []),
    "malformed message: Shape holds none of circle, box, none at byte 0");
  throwsInvalid(() => decode(mode, models["required"] as Model, []), /nothing came, and 0 names no value of Colour/);
});

both("a number that names no value of an enum is refused", (mode) => {
  const colours = list((models["defaults"] as StructModel).fields[4]?.model as Model);
  throwsInvalid(() => decode(mode, colours, [0x0a, 2, 1, 9]),
    'malformed message: 9 names no value of Colour at byte 3');
});

both("a required struct that needs itself never ends, and says so", (mode) => {
  const loop: StructModel = {
    kind: "struct", name: "Loop", get fields(): FieldModel[] { return [field("next", 1, loop)]; },
  };
  throwsInvalid(() => decode(mode, loop, []), /nested deeper than 100/);
});

both("depth is limited both ways", (mode) => {
  const tree = models["tree"] as Model;
  const nest = (depth: number): object => {
    let node: object = { label: "leaf", children: [], byName: {} };
    for (let i = 1; i < depth; i++) node = { label: "", left: node, children: [], byName: {} };
    return node;
  };
  assert.deepStrictEqual(decode(mode, tree, encode(mode, tree, nest(100))), nest(100));
  throwsInvalid(() => encode(mode, tree, nest(101)), /nested deeper than 100 messages; does it contain itself/);
  const cyclic: Record<string, unknown> = { label: "", children: [], byName: {} };
  cyclic["left"] = cyclic;
  throwsInvalid(() => encode(mode, tree, cyclic), /does it contain itself/);
  let bytes: number[] = [];
  for (let i = 0; i < 101; i++) {
    const length = bytes.length < 128 ? [bytes.length] : [bytes.length & 0x7f | 0x80, bytes.length >> 7];
    bytes = [0x12, ...length, ...bytes];
  }
  throwsInvalid(() => decode(mode, tree, bytes), /messages are nested deeper than 100/);
  const deepJson = new TextEncoder().encode(`${"[".repeat(101)}${"]".repeat(101)}`);
  throwsInvalid(() => decode(mode, { kind: "unknown" }, [0x0a, 202, 1, ...deepJson]), /nested deeper than 100/);
});

both("no key reaches a prototype", (mode) => {
  const records = map(scalar("string"), scalar("string"));
  const hostile = JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}') as object;
  const decoded = decode(mode, records, encode(mode, records, hostile)) as object;
  assert.deepStrictEqual(Object.entries(decoded), Object.entries(hostile));
  assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
  const objects = map(scalar("string"), map(scalar("string"), scalar("bool")));
  decode(mode, objects, encode(mode, objects, JSON.parse('{"__proto__":{"polluted":true}}')));
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

both("names are data: none becomes code, and inherited properties are no fields", (mode) => {
  const names = models["names"] as StructModel;
  const value = { toString: "a", "\"];throw 1;//": "b", class: "c", length: "d" };
  assert.deepStrictEqual(decode(mode, names, encode(mode, names, value)), value);
  throwsInvalid(() => encode(mode, names, { ...value, toString: undefined }),
    'expected string at "toString", received undefined');
  throwsInvalid(() => coderOf(mode, struct("S", [field("__proto__", 1, scalar("string"))])), /cannot have that name/);
});

both("the map key types and floats with limits are checked", (mode) => {
  const byNumber = map(scalar("int32"), scalar("bool"));
  const numbers = { "-5": true, 7: false };
  assert.deepStrictEqual(decode(mode, byNumber, encode(mode, byNumber, numbers)), numbers);
  throwsInvalid(() => encode(mode, byNumber, { x: true }), 'expected a key of type int32 at "x", received string "x"');
  throwsInvalid(() => coderOf(mode, map(scalar("double"), scalar("bool"))), /keys cannot be of type double/);
  throwsInvalid(() => encode(mode, scalar("float"), 1e300), "expected float, received number 1e+300");
  assert.equal(decode(mode, scalar("float"), encode(mode, scalar("float"), -Infinity)), -Infinity);
  assert.ok(Object.is(decode(mode, scalar("double"), encode(mode, scalar("double"), -0)), -0));
  const finite: Model = { kind: "scalar", scalar: "double", finite: true };
  throwsInvalid(() => encode(mode, finite, NaN), "expected finite double, received number NaN");
  throwsInvalid(() => decode(mode, finite, [9, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f]),
    "malformed message: Infinity is not finite at byte 1");
});

both("bytes are copied out of the input and are plain", (mode) => {
  const input = Buffer.from([0x0a, 3, 1, 2, 3]);
  const value = coderOf(mode, scalar("bytes")).decode(input, 0, 5);
  input.fill(0);
  assert.deepStrictEqual(value, Uint8Array.of(1, 2, 3));
});

both("a negative int32 takes ten bytes, as everywhere", (mode) => {
  assert.deepEqual(encode(mode, scalar("int32"), -1),
    [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
});

both("dates keep milliseconds, and only those that a Timestamp can say are taken", (mode) => {
  const date = new Date(-1);
  assert.deepStrictEqual(decode(mode, scalar("timestamp"), encode(mode, scalar("timestamp"), date)), date);
  throwsInvalid(() => encode(mode, scalar("timestamp"), new Date(NaN)),
    "expected a Date of the years 1 to 9999, received an invalid Date");
  throwsInvalid(() => encode(mode, scalar("timestamp"), new Date(8.64e15)), /years 1 to 9999/);
  throwsInvalid(() => decode(mode, scalar("timestamp"), [0x10, 0x80, 0x94, 0xeb, 0xdc, 0x03]),
    /timestamp is out of range/);
});

both("large messages, whose texts are read through several windows", (mode) => {
  const value = Array.from({ length: 2_000 }, (_, i) => (i % 7 === 0 ? `é${i}` : "text ".repeat(i % 20) + i));
  assert.deepStrictEqual(decode(mode, list(scalar("string")), encode(mode, list(scalar("string")), value)), value);
});

test("a default may be computed by the codec itself", () => {
  const text = list(scalar("string"));
  const texts = ["a text of more than twenty-four bytes", "another"];
  const inner = encode("generated", text, texts);
  const outer = struct("Outer", [
    field("first", 1, struct("Inner", [field("x", 1, text, "default", () => decode("generated", text, inner))])),
    field("after", 2, scalar("string")),
  ]);
  const bytes = encode("generated", outer, { first: {}, after: "z".repeat(5_000) });
  assert.deepStrictEqual(decode("generated", outer, bytes), { first: { x: texts }, after: "z".repeat(5_000) });
});

test("a getter may encode something else meanwhile", () => {
  const value = { ...ann, near: { get x() { return encode("generated", user, ann).length; } } };
  assert.deepStrictEqual(decode("generated", user, encode("generated", user, value)), { ...ann, near: { x: 10 } });
});

test("an array that claims nothing allocates nothing", () => {
  throwsInvalid(() => decode("generated", list(scalar("double")), [0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 1]),
    /runs past the end/);
});
