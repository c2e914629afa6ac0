import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import { readTrailerBlock, readType, writeTrailers } from "./words.ts";

const runs = { seed: 20261121, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300) };

test("media types name the codec and the form", () => {
  assert.deepEqual(readType("application/grpc-web"), { codec: "proto", isText: false });
  assert.deepEqual(readType("application/grpc-web+json"), { codec: "json", isText: false });
  assert.deepEqual(readType("application/grpc-web-text"), { codec: "proto", isText: true });
  assert.deepEqual(readType("application/grpc-web-text+proto"), { codec: "proto", isText: true });
  for (const type of ["application/grpc", "application/grpc-webx", "application/grpc-web+", "application/grpc-web-"]) {
    assert.equal(readType(type), undefined, type);
  }
});

test("trailers survive, and those of others are read whatever their case and line ends", () => {
  const text = fc.stringMatching(/^([!-~]([ -~]*[!-~])?)?$/);
  const fields = fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/), text);
  fc.assert(fc.property(fields, (trailers) => {
    const bytes = writeTrailers(trailers);
    assert.deepEqual({ ...readTrailerBlock(bytes, 0, bytes.length) }, { ...trailers });
  }), runs);
  const read = (text: string) => ({ ...readTrailerBlock(Buffer.from(text), 0, text.length) });
  assert.deepEqual(read("Grpc-Status: 0\r\nX-A:1\nx-a:  2 \r\n\r\n"), { "grpc-status": "0", "x-a": "1, 2" });
});

test("whatever comes is fields or an RpcError", () => {
  assert.throws(() => readTrailerBlock(Buffer.from("no colon"), 0, 8), (error) => RpcError.is(error));
  assert.throws(() => readTrailerBlock(new Uint8Array(70_000), 0, 70_000), (error) => RpcError.is(error));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      readTrailerBlock(bytes, 0, bytes.length);
    } catch (error) {
      assert.ok(RpcError.is(error), String(error));
    }
  }), runs);
});
