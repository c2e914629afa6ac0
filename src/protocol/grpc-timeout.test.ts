import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../core/error.ts";
import { readGrpcTimeout, writeGrpcTimeout } from "./grpc-timeout.ts";

const seed = 20261121;

test("a timeout is never told shorter than it is, and hardly longer", () => {
  fc.assert(fc.property(fc.double({ min: 0.001, max: 3e14, noNaN: true }), (timeoutMs) => {
    const text = writeGrpcTimeout(timeoutMs);
    assert.match(text, /^\d{1,8}[HMSm]$/);
    const read = readGrpcTimeout(text) as number;
    assert.ok(read >= timeoutMs);
    assert.ok(read <= Math.max(timeoutMs * 1.01, timeoutMs + 1), `${timeoutMs} ${text}`);
  }), { seed });
  assert.deepEqual([1, 250, 99_999_999, 100_000_000, 1e13, 1e18].map(writeGrpcTimeout),
    ["1m", "250m", "99999999m", "100000S", "2777778H", "99999999H"]);
});

test("all units are read, and nothing else", () => {
  assert.deepEqual(["1H", "2M", "3S", "4m", "5000u", "6000000n"].map(readGrpcTimeout),
    [3_600_000, 120_000, 3_000, 4, 5, 6]);
  assert.equal(readGrpcTimeout(undefined), undefined);
  for (const text of ["", "1", "m", "123456789m", "1.5S", "-1m", "1s", " 1m"]) {
    assert.throws(() => readGrpcTimeout(text), (error) => RpcError.is(error) && error.code === "invalid_argument");
  }
});
