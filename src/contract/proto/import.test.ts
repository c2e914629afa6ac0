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

/** A method with this rule on its line 5, and fields for it. */
function withRule(rule: string, streams = false): string {
  return `syntax = "proto3"; package p;
message A { string b = 1; B c = 2; repeated string d = 3; }
message B { int32 e = 1; }
service S {
  rpc Get(${streams ? "stream " : ""}A) returns (A) { option (google.api.http) ${rule}; }
}`;
}

const refusedRules: readonly (readonly [what: string, text: string, complaint: RegExp])[] = [
  ["an HTTP method of its own", withRule('= { custom: { kind: "HEAD" path: "/v1/a" } }'),
    /^a\.proto:5:\d+: the HTTP method "HEAD": paths of a contract have get, put, post, delete, patch$/],
  ["an HTTP method of its own, part by part",
    withRule('.custom.kind = "LINK"; option (google.api.http).custom.path = "/"'),
    /^a\.proto:5:\d+: the HTTP method "LINK"/],
  ["a body of DELETE", withRule('= { delete: "/v1/{b}" body: "*" }'),
    /^a\.proto:5:\d+: http\.body is "\*", but DELETE has no body/],
  ["a field that is not there", withRule('= { get: "/v1/{bb}" }'),
    /^a\.proto:5:\d+: p\.S\/Get: http GET \/v1\/\{bb\}: the template names "bb", but the fields are b, c, d$/],
  ["a list in a path", withRule('= { get: "/v1/{d}" }'), /^a\.proto:5:\d+: .*the field d is a list/],
  ["a body that is no field", withRule('= { post: "/v1/a" body: "nope" }'), /^a\.proto:5:\d+: .*body names "nope"/],
  ["a template that is always the same", withRule('= { get: "/v1/{b=a}" }'), /^a\.proto:5:\d+: .*always be the same/],
  ["** before the end", withRule('= { get: "/v1/**/a" }'), /^a\.proto:5:\d+: .*a segment behind \*\*/],
  ["a selector", withRule('= { selector: "p.S.Get" get: "/v1/a" }'), /^a\.proto:5:\d+: a selector is for/],
  ["a rule without a path", withRule('= { body: "*" }'), /^a\.proto:5:\d+: a path without an HTTP method/],
  ["paths inside of further paths",
    withRule('= { get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } } }'),
    /^a\.proto:5:\d+: additional_bindings inside of additional_bindings/],
  ["what is wrong in a further path, where it stands",
    withRule('= {\n get: "/a"\n additional_bindings {\n get: "/{x}" } }'),
    /^a\.proto:8:2: p\.S\/Get: http GET \/\{x\}: the template names "x"/],
  ["two HTTP methods of one path", withRule('= { get: "/a" put: "/a" }'),
    /^a\.proto:5:\d+: the path has put beside get; further paths are additional_bindings$/],
  ["a part that rules do not have", withRule('= { got: "/a" }'),
    /^a\.proto:5:\d+: google\.api\.http has no got; it has /],
  ["a value of another type", withRule("= { get: 5 }"),
    /^a\.proto:5:\d+: get of google\.api\.http is a string in quotes$/],
  ["a rule that is no message", withRule('= "/a"'),
    /^a\.proto:5:\d+: \(google\.api\.http\) is a message in braces$/],
  ["a rule twice", withRule('= { get: "/a" }; option (google.api.http) = { get: "/b" }'),
    /^a\.proto:5:\d+: the option \(google\.api\.http\) is there twice; use additional_bindings$/],
  ["fields in the path of a stream", withRule('= { post: "/v1/{b}" body: "*" }', true),
    /^a\.proto:5:\d+: .*the requests of a stream are lines of the body/],
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

  for (const [what, text, complaint] of [...refused, ...refusedRules]) {
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
  rpc Get(A) returns (A) { option (google.api.method_signature) = "b"; }
}`);
    assert.deepEqual(dropped.map(({ position: { line, column }, name }) => `${line}:${column} ${name}`),
      ["4:27 (hint)", "6:35 (google.api.method_signature)"]);
    assert.match(text, /fields: \{ b: \{ deprecated: true \} \}/);
  });

  test("leaves the paths of files that are only imported to themselves", () => {
    const files = new Map([
      ["a.proto", 'syntax = "proto3"; package p; import "b.proto"; message A { q.B b = 1; }'],
      ["b.proto", `syntax = "proto3"; package q; import "google/api/annotations.proto"; message B {}
service S { rpc Get(B) returns (B) { option (google.api.http) = { custom { kind: "HEAD" path: "/" } }; } }`],
    ]);
    assert.match(importProto(["a.proto"], (path) => files.get(path)).text, /export const A = /);
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
