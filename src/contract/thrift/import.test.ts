// Imports of .thrift: what its grammar has, and what is refused with its place.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/index.ts";
import { importThrift } from "./index.ts";

function imported(text: string, others: Readonly<Record<string, string>> = {}): ReturnType<typeof importThrift> {
  const files: Readonly<Record<string, string>> = { "a.thrift": text, ...others };
  return importThrift(["a.thrift"], (path) => {
    const found = files[path];
    return found === undefined ? undefined : { path, text: found };
  });
}

const refused: readonly (readonly [what: string, text: string, complaint: RegExp])[] = [
  ["a field without a number", "struct A {\n  i32 a\n}",
    /^a\.thrift:2:3: a of A has no number; Thrift would count down from -1/],
  ["a negative number", "struct A { -3: i32 a }",
    /^a\.thrift:1:12: a of A has the number -3; those of contracts go from 1/],
  ["the number 0", "struct A { 0: i32 a }", /number 0/],
  ["a number beyond 16 bits", "struct A { 40000: i32 a }", /^a\.thrift:1:12: 40000 is not from -32768 to 32767/],
  ["a number of Protobuf's", "struct A { 19000: i32 a }", /19000 to 19999 are Protobuf's own/],
  ["two fields of one number", "struct A { 1: i32 a\n 1: i32 b }", /^a\.thrift:2:2: b of A has the number 1 of a/],
  ["two fields of one name", "struct A { 1: i32 a 2: i32 a }", /A has two fields named a/],
  ["two types of one name", "struct A {}\nenum A { X }", /^a\.thrift:2:6: A is defined twice/],
  ["an argument without a number", "service S { void f(i32 a) }", /^a\.thrift:1:20: a of S\.f has no number/],
  ["a default that is no uuid", 'struct A { 1: uuid a = "abc" }', /^a\.thrift:1:24: .*a uuid/],
  ["keys that are structs", "struct K {} struct A { 1: map<K, i32> a }", /^a\.thrift:1:31: keys of maps are/],
  ["keys that are doubles", "struct A { 1: map<double, i32> a }", /keys of maps/],
  ["a type that is not there", "struct A { 1: B a }", /^a\.thrift:1:15: there is no type B/],
  ["a type that is not there in an include", 'include "b.thrift"\nstruct A { 1: b.C a }',
    /^a\.thrift:2:15: there is no type b\.C/],
  ["a typedef of itself", "typedef A B\ntypedef B A\nstruct C { 1: A a }", /the typedef \w is itself/],
  ["a constant of itself", "const i32 A = B\nconst i32 B = A", /the constant \w is itself/],
  ["a service that extends itself", "service A extends B {} service B extends A {}", /extends itself/],
  ["a service that is not there", "service A extends b.B {}", /^a\.thrift:1:19: there is no service b\.B/],
  ["an include that is not there", 'include "c.thrift"', /^a\.thrift:1:9: there is no file c\.thrift to include/],
  ["a file that includes itself", 'include "a.thrift"', /^a\.thrift:1:9: a\.thrift includes itself/],
  ["an empty enum", "enum E {}\nstruct A { 1: E a }", /^a\.thrift:1:6: E has no values/],
  ["an enum whose values have one number", "enum E { A = 1, B = 1 }", /^a\.thrift:1:17: B has the number 1 of A/],
  ["a default that does not fit", "struct A { 1: i16 a = 40000 }", /^a\.thrift:1:23: 40000 does not fit i16/],
  ["a default of another type", 'struct A { 1: i32 a = "x" }', /^a\.thrift:1:23: expected an integer, found "x"/],
  ["a default that is no value", "enum E { A }\nstruct B { 1: E a = 7 }", /^a\.thrift:2:21: E has no value 7/],
  ["a default of an unknown field", "struct A { 1: i32 a } struct B { 1: A a = {'b': 1} }", /A has no field b/],
  ["an integer beyond 64 bits", "const i64 A = 9223372036854775808", /does not fit 64 bits/],
  ["a one-way call with an answer", "service S { oneway i32 f() }",
    /^a\.thrift:1:24: f is one-way, and gives nothing back/],
  ["a one-way call that throws", "exception E {} service S { oneway void f() throws (1: E e) }",
    /nobody would be told/],
  ["what is thrown and no exception", "struct E {} service S { void f() throws (1: E e) }",
    /f throws what is no exception/],
  ["a method that every client has", "service S { void close() }", /^a\.thrift:1:18: a method cannot be named close/],
  ["methods that differ by case", "service S { void get() void Get() }", /differ only by case/],
  ["senum", 'senum S { "a" }', /senum is gone/],
  ["no definition", "strukt A {}",
    /^a\.thrift:1:1: expected a definition \(struct, enum, service, …\), found "strukt"/],
  ["a missing brace", "struct A { 1: i32 a", /^a\.thrift:1:20: expected a type, found the end of the file/],
  ["no word", "struct A { 1: i32 § }", /^a\.thrift:1:19: "§" is no word of Thrift/],
  ["a comment that does not end", "struct A {} /* a", /^a\.thrift:1:13: a comment or a text that has no end/],
  ["types nested too deep", `struct A { 1: ${"list<".repeat(200)}i32${">".repeat(200)} a }`, /nested deeper than 100/],
  ["constants nested too deep", `const i32 A = ${"[".repeat(200)}`, /nested deeper than 100/],
];

describe("imports of .thrift", () => {
  for (const [what, text, complaint] of refused) {
    test(`refuse ${what}`, () => {
      assert.throws(() => imported(text, { "b.thrift": "" }), (error: Error) => {
        assert.ok(RpcError.is(error), String(error.stack));
        assert.match(error.message, complaint);
        return true;
      });
    });
  }

  test("take what old files say, and pass over what is C++'s and XML's", () => {
    const { text, notes } = imported(`
# Of long ago.
cpp_include "x.h"
cpp_namespace a.b
php_namespace a
namespace java org.example.old
namespace smalltalk.category Old-Things
/* not told */ typedef map cpp_type "M" <string, list<byte> cpp_type "L"> Bag (cpp.type = "Bag")
struct A xsd_all {
  1: required Bag bag xsd_optional xsd_attrs { 1: string lang },
  2: optional A & next;
  3: slist text = 'it\\'s' (tag = "x", bare)
  4: double half = .5e1
  5: i64 hex = 0x10
  6: bool yes = 1
}
service S { async void f(), }
`);
    assert.match(text, /bag: z\.record\(z\.string\(\), z\.array\(z\.int32\(\)\.meta\(\{ thrift: "i8" \}\)\)\),/);
    assert.match(text, /get next\(\) \{\n {4}return A\.optional\(\);/);
    assert.match(text, /text: z\.string\(\)\.default\("it's"\),\n {2}half: z\.number\(\)\.default\(5\),/);
    assert.match(text, /hex: z\.int64\(\)\.default\(16n\),\n {2}yes: z\.boolean\(\)\.default\(true\)/);
    assert.match(text, /service\("org\.example\.old\.S", \{\n {2}f: rpc\(\{ input: .*oneway: true \}\)/);
    assert.deepEqual(notes, ["tag", "bare"].map((key) => `a.thrift:12:3: the annotation ${key} is left out`));
  });

  test("services of services of other files stand by themselves", () => {
    const { text } = imported('include "lib/b.thrift"\nnamespace * home\nservice S extends b.T { void s() }', {
      "lib/b.thrift": 'include "c.thrift"\nnamespace * away\nservice T extends c.U { b.X t() }\nstruct X {}'.replace(
        "b.X", "X"),
      "c.thrift": "service U { void u() }",
    });
    assert.match(text, /export const UMethods = \{\n {2}u: /);
    assert.match(text, /export const TMethods = \{\n {2}\.\.\.UMethods,\n {2}t: /);
    assert.match(text, /export const S = service\("home\.S", \{\n {2}\.\.\.TMethods,\n {2}s: /);
    assert.match(text, /meta\(\{ id: "away\.X" \}\)/);
  });

  test("never end but in a module or a refusal, whatever stands in a file", () => {
    const words = ["struct", "union", "enum", "service", "exception", "const", "typedef", "include", "A", "B", "{",
      "}", "(", ")",
      "<", ">", ",", ":", "=", "1", "-2", '"x"', "i32", "map", "list", "set", "void", "oneway", "throws", "optional",
        "[", "]", "0x1", "1.5"];
    fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 200 }),
      fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) => parts.join(" "))), (text) => {
      try {
        imported(text);
      } catch (error) {
        assert.ok(RpcError.is(error), String((error as Error).stack));
      }
    }), { seed: 11, numRuns: 10 * Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200) });
  });
});
