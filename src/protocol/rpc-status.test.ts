import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { codeFromNumber, RpcError } from "../core/index.ts";
import { decodeErrorInfo, decodeStatus, encodeErrorInfo, encodeStatus } from "./rpc-status.ts";

const seed = 20261121;

test("a status survives, details included", () => {
  const type = fc.stringMatching(/^[a-z.]{1,20}$/);
  const detail = fc.record({ type, value: fc.uint8Array() }, { noNullPrototype: true });
  fc.assert(fc.property(fc.integer({ min: 1, max: 16 }), fc.string(), fc.array(detail), (number, message, details) => {
    const status = { code: codeFromNumber(number), message: message.toWellFormed(), details };
    assert.deepEqual(decodeStatus(encodeStatus(status)), status);
  }), { seed });
  const bytes = encodeStatus({ code: "not_found", message: "x", details: [] });
  assert.equal(Buffer.from(bytes).toString("hex"), "0805120178");
});

test("an error's name and its data survive", () => {
  const entries = fc.dictionary(fc.string(), fc.string());
  fc.assert(fc.property(fc.string(), fc.string(), entries, (reason, domain, metadata) => {
    const info = decodeErrorInfo(encodeErrorInfo({ reason, domain, metadata }));
    assert.deepEqual({ ...info, metadata: { ...info.metadata } }, { reason, domain, metadata: { ...metadata } });
  }), { seed });
});

test("anything else ends in an RpcError or a status", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    for (const decode of [decodeStatus, decodeErrorInfo]) {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(RpcError.is(error), String(error));
      }
    }
  }), { seed, numRuns: 2_000 });
});
