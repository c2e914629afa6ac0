import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { grpcCodec, grpcContentTypeOf } from "./content-type.ts";

test("media types name their codecs, and others none", () => {
  const cases: [string, string | undefined][] = [
    ["application/grpc", "proto"], ["application/grpc+proto", "proto"], ["application/grpc+json", "json"],
    ["application/grpc+x.y", "x.y"], ["application/grpc+", undefined], ["application/grpc-web", undefined],
    ["application/grpc-web+proto", undefined], ["application/grpcx", undefined], ["application/json", undefined],
    ["", undefined],
  ];
  for (const [type, codec] of cases) assert.equal(grpcCodec(type), codec, type);
});

test("what is written for a codec names it", () => {
  fc.assert(fc.property(fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/), (codec) => {
    assert.equal(grpcCodec(grpcContentTypeOf(codec)), codec);
  }), { seed: 20261121 });
});
