// A uuid lies on the wire as Apache Thrift for Python has it, in all three protocols.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { thriftBinary, thriftCompact, thriftJson } from "../../src/codec/index.ts";
import { schemaOf, Writer } from "../../src/contract/index.ts";
import { pythonFile } from "./compiled.ts";
import { lackingNewer, newerPython } from "./newer.ts";
import { outputOf, python } from "./programs.ts";

test("Python reads our uuids, and writes them as we do", { skip: lackingNewer("pypi") }, async () => {
  const id = "0123abcd-4567-89ef-cdef-00112233aaff";
  const type = schemaOf(z.object({ id: z.guid().meta({ thrift: "uuid" }) }), "One");
  const ours = [thriftBinary, thriftCompact, thriftJson].map((codec) => {
    const writer = new Writer(64);
    codec.compile(type).encode({ id }, writer);
    return Buffer.from(writer.finish()).toString("hex");
  });
  const said = JSON.parse(await outputOf(python, [pythonFile("thrift_uuid.py"), ...ours], { library: newerPython() }));
  assert.deepEqual(said, ours.map((bytes) => [id, bytes]));
});
