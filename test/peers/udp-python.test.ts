// A client in Python that knows nothing but docs/udp.md calls us by UDP.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createServer } from "../../src/index.ts";
import { Notes } from "../udp/support.ts";
import { pythonFile } from "./compiled.ts";
import { lacking, outputOf, python } from "./programs.ts";

test("Python calls us by UDP, a number for each method", { skip: lacking("python3") }, async () => {
  const told: number[] = [];
  const server = createServer({ udp: true }).implement(Notes, {
    tell: ({ n }) => {
      told.push(n);
      return {};
    },
    ask: ({ n }) => ({ n: n + 1 }), slow: () => ({}), large: ({ size }) => ({ text: "x".repeat(size) }),
    keyed: () => ({ key: "" }),
  });
  const [host = "", port = ""] = (await server.listen()).split(":");
  try {
    const call = async (...calls: readonly unknown[]): Promise<unknown[]> => JSON.parse(
      await outputOf(python, [pythonFile("udp_client.py"), host, port, JSON.stringify(calls)])) as unknown[];
    assert.deepEqual(await call(["notes.v1.Notes/ask", { n: 1 }, false], ["notes.v1.Notes/ask", { n: 2 }, false]),
      [{ n: 2 }, { n: 3 }]);
    assert.deepEqual(await call(["notes.v1.Notes/tell", { n: 7 }, true]), [null]);
    assert.deepEqual(told, [7]);
    const [error] = await call(["notes.v1.Notes/large", { size: 2_000 }, false]) as [{ code: number; message: string }];
    assert.equal(error.code, 8);
    assert.match(error.message, /call it by TCP/);
  } finally {
    await server.close(1_000);
  }
});
