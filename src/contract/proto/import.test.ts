// Imports: what is refused with its place, what is left out by name, and names in TypeScript.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { importProto } from "./import.ts";

function imported(text: string): ReturnType<typeof importProto> {
  return importProto(["a.proto"], (path) => (path === "a.proto" ? text : undefined));
}

const refused: readonly (readonly [what: string, text: string, complaint: RegExp])[] = [
  ["a required field", 'syntax = "proto2"; package p;\nmessage A {\n  required int32 a = 1;\n}',
    /^a\.proto:3:3: the field a is required, which proto3 and this contract cannot promise; make it optional$/],
  ["a required field of an edition",
    'edition = "2023";\nmessage A { int32 a = 1 [features.field_presence = LEGACY_REQUIRED]; }',
    /^a\.proto:2:13: the field a is required/],
  ["a group", 'syntax = "proto2";\nmessage A { optional group B = 1 { optional int32 c = 1; } }',
    /^a\.proto:2:13: the field b is a group \(delimited encoding\), which is not spoken here; use a message$/],
  ["delimited encoding", 'edition = "2023";\nmessage A { A a = 1 [features.message_encoding = DELIMITED]; }',
    /^a\.proto:2:13: the field a is a group/],
  ["an extension", 'syntax = "proto2";\nmessage A { extensions 100 to max; }\nextend A { optional int32 b = 100; }',
    /^a\.proto:3:12: the extension b of A: extensions have no place in a contract; add the field itself$/],
  ["an extension inside of a message",
    'syntax = "proto2";\nmessage A { extensions 5; extend A { optional int32 b = 5; } }',
    /^a\.proto:2:38: the extension b of A/],
  ["a message set", 'syntax = "proto2";\nmessage A { option message_set_wire_format = true; extensions 4; }',
    /^a\.proto:2:1: message sets are not known here$/],
  ["a name that could be a package's", 'syntax = "proto3"; package p;\nmessage a { message B {} B b = 1; }',
    /^a\.proto:2:13: the name p\.a\.B cannot be told from that of a package/],
];

describe("imports of .proto", () => {
  test("never calls a method what another is called on the wire", () => {
    const methods = ["Foo", "foo", "FOO", "list_all", "listAll"].map((name) => `rpc ${name}(M) returns (M);`).join("");
    const { text } = imported(`syntax = "proto3"; package p; message M {} service S { ${methods} }`);
    const names = [...text.matchAll(/^ {2}(\w+): rpc\(\{ (?:wireName: "(\w+)")?/gm)]
      .map((found) => found.slice(1));
    assert.deepEqual(names, [
      ["foo2", "Foo"], ["foo", "foo"], ["foo3", "FOO"], ["listAll2", "list_all"], ["listAll", "listAll"],
    ]);
  });

  for (const [what, text, complaint] of refused) {
    test(`refuses ${what}`, () => {
      assert.throws(() => imported(text), (error: Error) => {
        assert.match(error.message, complaint);
        return true;
      });
    });
  }

  test("leaves custom options out, and says so", () => {
    const { text, dropped } = imported(`syntax = "proto3"; package p;
import "google/protobuf/descriptor.proto";
extend google.protobuf.FieldOptions { string hint = 50000; }
message A { string b = 1 [(hint) = "x", deprecated = true]; }
service S {
  rpc Get(A) returns (A) { option (google.api.http) = { get: "/v1/{b=*}" additional_bindings { get: "/b" } }; }
}`);
    assert.deepEqual(dropped.map(({ position: { line, column }, name }) => `${line}:${column} ${name}`),
      ["4:27 (hint)", "6:35 (google.api.http)"]);
    assert.match(text, /fields: \{ b: \{ deprecated: true \} \}/);
  });

  test("gives methods names that a client can have", () => {
    const methods = ["SayHello", "URLGet", "say_it", "then", "constructor", "Get", "GET", "_x", "A"];
    const { text } = imported(`syntax = "proto3";
message M {}
service S { ${methods.map((name) => `rpc ${name}(M) returns (M);`).join(" ")} }`);
    const declared = text.matchAll(/^ {2}(\w+): rpc\(\{(?: wireName: "(\w+)",)?/gm);
    const found = [...declared].map(([, name, wire]) => [name, wire]);
    assert.deepEqual(found, [
      ["sayHello", undefined], ["urlGet", "URLGet"], ["sayIt", "say_it"], ["thenCall", "then"],
      ["constructorCall", "constructor"], ["get", undefined], ["get2", "GET"], ["x", "_x"], ["a", undefined],
    ]);
  });

  test("keeps fields apart whose names become one", () => {
    const { text } = imported('syntax = "proto2"; message M { optional int32 a_b = 1; optional int32 aB = 2; }');
    assert.match(text, / {2}aB: z\.int32\(\)\.optional\(\),\n/);
    assert.match(text, / {2}aB2: z\.int32\(\)\.optional\(\)\.meta\(\{ protoName: "aB" \}\),\n/);
  });
});
