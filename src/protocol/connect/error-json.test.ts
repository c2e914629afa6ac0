import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { codeFromNumber, RpcError } from "../../core/index.ts";
import { codeFromConnect, connectCode, httpStatusOf } from "./codes.ts";
import { readEndJson, readErrorJson, writeEndJson, writeErrorJson } from "./error-json.ts";

const runs = { seed: 20261121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300) };
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("every code has its name and its HTTP status, and cancelled is spelled as elsewhere", () => {
  const seen = new Set<string>();
  for (let number = 1; number <= 16; number++) {
    const code = codeFromNumber(number);
    assert.equal(codeFromConnect(connectCode(code)), code);
    assert.ok(httpStatusOf(new RpcError(code, "")) >= 400);
    seen.add(connectCode(code));
  }
  assert.equal(seen.size, 16);
  assert.deepEqual([connectCode("cancelled"), codeFromConnect("cancelled"), codeFromConnect("toString")],
    ["canceled", undefined, undefined]);
  assert.equal(httpStatusOf(new RpcError("unimplemented", "")), 501);
  assert.equal(httpStatusOf(new RpcError("unimplemented", "", { neverStarted: true })), 404);
});

test("errors and ends survive, details and metadata included", () => {
  const type = fc.stringMatching(/^[a-z.]{1,20}$/);
  const detail = fc.record({ type, value: fc.uint8Array() }, { noNullPrototype: true });
  fc.assert(fc.property(fc.integer({ min: 1, max: 16 }), fc.string(), fc.array(detail), (number, message, details) => {
    const error = new RpcError(codeFromNumber(number), message.toWellFormed());
    const wire = { code: error.code, message: error.message, details };
    const bytes = writeErrorJson(error, details);
    assert.deepEqual(readErrorJson(bytes, 0, bytes.length, "unknown"), wire);
    const end = writeEndJson(error, details, { "x-a": "1", "y-bin": "AAA" });
    const read = readEndJson(end, 0, end.length);
    assert.deepEqual(read.error, wire);
    assert.deepEqual({ ...read.trailer }, { "x-a": "1", "y-bin": "AAA" });
  }), runs);
  assert.equal(text(writeErrorJson(new RpcError("cancelled", ""), [])), `{"code":"canceled"}`);
  assert.equal(text(writeEndJson(undefined, [], undefined)), "{}");
});

test("foreign JSON is read as far as it makes sense", () => {
  const error = (json: string) => readErrorJson(utf8(json), 0, utf8(json).length, "unavailable");
  assert.equal(error("null"), undefined);
  assert.equal(error("[]"), undefined);
  assert.equal(error("{"), undefined);
  assert.deepEqual(error(`{"code":"nonsense","message":7,"details":{}}`),
    { code: "unavailable", message: "", details: [] });
  assert.deepEqual(error(`{"code":"aborted","details":[{"type":"a.B","value":"AQ","debug":1},{"type":"c"},null,
    {"type":"d","value":"!"},{"type":"type.googleapis.com/e.F","value":"AQ=="}]}`)?.details,
    [{ type: "a.B", value: Uint8Array.of(1) }, { type: "e.F", value: Uint8Array.of(1) }]);
  const end = (json: string) => readEndJson(utf8(json), 0, utf8(json).length);
  assert.deepEqual(end(`{"error":null}`).error, undefined);
  assert.equal(end(`{"error":7}`).error?.code, "unknown");
  const { trailer } = end(`{"metadata":{"A":["1","2"],"a":["3",4],"b c":["x"],"d":"x"}}`);
  assert.deepEqual({ ...trailer }, { a: "1, 2, 3" });
  for (const json of ["", "null", "7", "[]", "{"]) assert.throws(() => end(json), (one) => RpcError.is(one));
});

test("whatever comes ends in an error or an end", () => {
  const part = fc.oneof(fc.json(), fc.jsonValue().map((value) => JSON.stringify({ error: value, metadata: value })),
    fc.jsonValue().map((value) => JSON.stringify({ error: { code: value, message: value, details: [value, value] } })));
  fc.assert(fc.property(fc.oneof(part.map(utf8), fc.uint8Array()), (bytes) => {
    readErrorJson(bytes, 0, bytes.length, "unknown");
    try {
      const { trailer } = readEndJson(bytes, 0, bytes.length);
      for (const name in trailer) assert.equal(typeof trailer[name], "string");
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
    }
  }), runs);
});
