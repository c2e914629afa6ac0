// Reading .proto: every error with its place, comments where they belong, and no text that breaks the reader.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import { loadProto } from "./load.ts";
import { parseProto } from "./parse.ts";

const head = 'syntax = "proto3";\n';

/** A file and what is said of it; lines count from the `syntax` line. */
const malformed: readonly (readonly [text: string, complaint: RegExp])[] = [
  ["message A { string a = 1 }", /^a\.proto:1:26: expected ";", found "\}"$/],
  ["message A {\n  string a = 0;\n}", /^a\.proto:2:14: a field number is 0, expected 1 to 536870911$/],
  ["message A { string a = 19001; }", /^a\.proto:1:24: 19001 is reserved for Protocol Buffers itself/],
  ["message A { string a = 1; int32 b = 1; }", /^a\.proto:1:27: the fields a and b both have the number 1$/],
  ["message A { string a = 1; int32 a = 2; }", /^a\.proto:1:27: A\.a is declared already$/],
  ["message A { reserved 2; int32 b = 2; }", /^a\.proto:1:25: the message A reserves the number 2 of b$/],
  ['message A { reserved "b"; int32 b = 2; }', /^a\.proto:1:27: the message A reserves the name b$/],
  ["message A { Missing m = 1; }", /^a\.proto:1:13: the type Missing is declared nowhere that this file sees$/],
  ["message A { required int32 a = 1; }", /^a\.proto:1:13: proto3 has no "required"; remove it$/],
  ["message A { int32 a = 1 [default = 2]; }", /^a\.proto:1:13: proto3 has no default values; remove that of a$/],
  ["message A { optional group B = 1 {} }", /^a\.proto:1:22: groups belong to proto2; use a message$/],
  ["message A { map<float, int32> m = 1; }", /^a\.proto:1:17: a map's keys are an integer type, bool or string/],
  ["message A { oneof o { repeated int32 a = 1; } }", /^a\.proto:1:23: a field in a oneof takes no label/],
  ["message A { oneof o {} }", /^a\.proto:1:13: the oneof o has no fields; remove it$/],
  ["enum E { A = 1; }", /^a\.proto:1:10: the first value of a proto3 enum has the number 0, but A has 1$/],
  ["enum E { A = 0; B = 0; }", /^a\.proto:1:17: A and B both have the number 0; set option allow_alias/],
  ["enum E {}", /^a\.proto:1:1: the enum E has no values$/],
  ["service S { rpc A(E) returns (E); }\nenum E { Z = 0; }",
    /^a\.proto:1:19: E is an enum; a method takes and gives messages$/],
  ['import "nowhere.proto";', /^a\.proto:1:1: nowhere\.proto is not found; name the folder it lies in with -I$/],
  ['import "a.proto";', /^a\.proto:1:1: files import each other: a\.proto → a\.proto$/],
  ["option optimize_for = FAST;", /^a\.proto:1:8: the option optimize_for is one of SPEED, CODE_SIZE, LITE_RUNTIME$/],
  ["option nonsense = 1;", /^a\.proto:1:8: the option nonsense is unknown here/],
  ["option java_package = 'a\\q';", /^a\.proto:1:25: \\q is no escape of \.proto$/],
  ["option java_package = \"a", /^a\.proto:1:23: the string is never closed; expected "$/],
  ["/* open", /^a\.proto:1:1: the comment is never closed; expected \*\/$/],
  ["message A { int32 a = 08; }", /^a\.proto:1:23: 08 is no octal number/],
  ["message A { int32 a = 1abc; }", /^a\.proto:1:23: "1a" is no number$/],
  ["package a; package b;", /^a\.proto:1:12: a second package; a file has one$/],
  ["nonsense", /^a\.proto:1:1: expected message, enum, service, extend, import, package or option, found "nonsense"$/],
  ["message A { string fooBar = 1; string foo_bar = 2; }", /are both fooBar in JSON; rename one$/],
  ["ümlaut", /^a\.proto:1:1: "ü" begins nothing of \.proto$/],
];

describe("reading .proto", () => {
  for (const [text, complaint] of malformed) {
    test(`refuses ${text.slice(0, 60).replaceAll("\n", " ")}`, () => {
      // The syntax line shares the first line, so that the places are those of the text.
      const whole = `\n${head}${text}`;
      const error = thrown(() => loadProto(["a.proto"], (path) => (path === "a.proto" ? whole : undefined)));
      const shifted = error.message.replace(/^a\.proto:(\d+)/, (_, line: string) => `a.proto:${Number(line) - 2}`);
      assert.match(shifted, complaint);
      assert.equal(error.code, "invalid_argument");
    });
  }

  test("limits nesting of messages and of option values", () => {
    const deep = "message A {".repeat(40) + "}".repeat(40);
    assert.match(thrown(() => parseProto(head + deep, "a.proto")).message, /messages nested deeper than 31$/);
    const value = `option (a) = ${"{ b ".repeat(100)}${"}".repeat(100)};`;
    assert.match(thrown(() => parseProto(head + value, "a.proto")).message, /a value nested deeper than 64$/);
  });

  test("keeps comments with what they belong to", () => {
    const file = parseProto(`// Of the file.
syntax = "proto3";

// Stands apart.

// Above A,
// in two lines.
message A {  // Behind A.
  /* Above a. */
  string a = 1;  // Behind a.
  string b = 2;
  // Below b.

  // Above c.
  string c = 3;
  // At the end.
}
`, "a.proto");
    const [message] = file.messages;
    assert.equal(file.declared.leading, " Of the file.");
    assert.deepEqual(message?.detached, [" Stands apart."]);
    assert.equal(message?.leading, " Above A,\n in two lines.");
    assert.equal(message.trailing, " Behind A.");
    assert.deepEqual(message.fields.map(({ leading, trailing }) => [leading, trailing]), [
      [" Above a. ", " Behind a."], [undefined, " Below b."], [" Above c.", " At the end."],
    ]);
  });

  test("takes words of the language as names", () => {
    const { messages: [message] } = parseProto(`${head}message message {
  string message = 1; int32 option = 2; bool reserved_ = 3; repeated string rpc = 4; map<string, string> map = 5;
  optional bytes optional = 6; stream service = 7;
}`, "a.proto");
    assert.deepEqual(message?.fields.map(({ name }) => name),
      ["message", "option", "reserved_", "rpc", "map", "optional", "service"]);
  });

  test("whatever the text, gives a file or an RpcError", { timeout: 60_000 }, () => {
    const words = [
      "message", "enum", "oneof", "map", "<", ">", "{", "}", "[", "]", "(", ")", ";", ",", "=", ".", "-", ":", "/", "A",
      "string", "repeated", "optional", "group", "extend", "extensions", "reserved", "to", "max", "option", "rpc",
      "returns", "b",
      "stream", "service", "import", "public", "package", "edition", "syntax", '"proto3"', '"2023"', "'x",
      "0x1F", "1e9", "//c\n", "/*c*/", "\n", " ", "features", "inf", "\u{1f600}", "\\",
    ];
    const text = fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) => parts.join(" "));
    const started = performance.now();
    fc.assert(fc.property(fc.oneof(text, text.map((rest) => head + rest), fc.string({ maxLength: 200 })), (source) => {
      try {
        loadProto(["a.proto"], (path) => (path === "a.proto" ? source : undefined));
      } catch (error) {
        assert.ok(RpcError.is(error), String(error));
      }
    }), { seed: 7, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 3_000) });
    assert.ok(performance.now() - started < 55_000);
  });
});

function thrown(action: () => unknown): RpcError {
  try {
    action();
  } catch (error) {
    if (RpcError.is(error)) return error;
    throw error;
  }
  return assert.fail("expected an error");
}
