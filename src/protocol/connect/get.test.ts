import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import { isGetCall, readGetQuery, writeGetQuery } from "./get.ts";

const runs = { seed: 20261121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300) };
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a query says what was put into it", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.constantFrom("proto", "msgpack", "x+y"), fc.option(fc.constant("gzip")),
    (message, codec, compression) => {
      const query = writeGetQuery(codec, compression ?? undefined, message);
      assert.match(query, /^[!-~]*$/);
      assert.ok(isGetCall(`/a.B/C?${query}`));
      const read = readGetQuery(query);
      assert.deepEqual([read.codec, read.compression], [codec, compression ?? undefined]);
      assert.deepEqual(Uint8Array.from(read.message), message);
    }), runs);
  fc.assert(fc.property(fc.json(), (text) => {
    const query = writeGetQuery("json", undefined, utf8(text));
    assert.doesNotMatch(query, /base64/);
    assert.equal(new TextDecoder().decode(readGetQuery(query).message), text.toWellFormed());
  }), runs);
});

test("parameters come in the order that caches count on, and are taken in any", () => {
  assert.equal(writeGetQuery("proto", "gzip", Uint8Array.of(255, 254)),
    "connect=v1&base64=1&compression=gzip&encoding=proto&message=__4");
  const read = readGetQuery("x=1&message=%7B%22a%22%3A+1%7D&utm=2&encoding=json&message=twice");
  assert.equal(new TextDecoder().decode(read.message), `{"a": 1}`);
  assert.deepEqual([...readGetQuery("encoding=proto&base64=1&message=%2F%2F4%3D").message], [255, 254]);
  assert.equal(readGetQuery("encoding=proto&message=&compression=identity").compression, undefined);
});

test("what is no call, or a broken one, is told apart from the rest", () => {
  for (const path of ["/a.B/C", "/a.B/C?", "/a.B/C?message=x", "/a.B/C?encoding=json", "/page?q=message&encoding"]) {
    assert.equal(isGetCall(path), false, path);
  }
  for (const query of ["connect=v2&encoding=json&message=", "encoding=json&message=%ff", "encoding=%zz&message=",
    "encoding=proto&base64=1&message=a", "encoding=proto&base64=1&message=a%20b"]) {
    assert.throws(() => readGetQuery(query), (error) => RpcError.is(error) && error.code === "invalid_argument", query);
  }
  fc.assert(fc.property(fc.string({ unit: "binary" }), (query) => {
    try {
      readGetQuery(query);
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
    }
  }), runs);
});
