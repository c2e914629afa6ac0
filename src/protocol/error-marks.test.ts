import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError } from "../core/error.ts";
import { readErrorMarks, writeErrorMarks } from "./error-marks.ts";

test("marks say what the code does not, and no more", () => {
  const cases: [RpcError, Record<string, string>][] = [
    [new RpcError("unavailable", ""), {}],
    [new RpcError("internal", ""), {}],
    [new RpcError("unavailable", "", { retryable: false }), { "meridian-retryable": "0" }],
    [new RpcError("aborted", "", { retryable: true }), { "meridian-retryable": "1" }],
    [new RpcError("resource_exhausted", "", { neverStarted: true }), { "meridian-never-started": "1" }],
    [new RpcError("unimplemented", "", { neverStarted: true, retryable: false }),
      { "meridian-never-started": "1", "meridian-retryable": "0" }],
  ];
  for (const [error, marks] of cases) {
    const fields: Record<string, string> = {};
    writeErrorMarks(fields, error);
    assert.deepEqual(fields, marks);
    const read = new RpcError(error.code, "", readErrorMarks(fields));
    assert.deepEqual([read.neverStarted, read.retryable], [error.neverStarted, error.retryable]);
  }
});
