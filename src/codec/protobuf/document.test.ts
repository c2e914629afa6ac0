/** The example of docs/encoding.md holds: its contract, its .proto and its bytes are one. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import protobufjs from "protobufjs";
import { z } from "zod";
import { schemaOf } from "../../contract/index.ts";
import { Writer } from "../../wire/writer.ts";
import { protobuf } from "./codec.ts";

const page = readFileSync(new URL("../../../docs/encoding.md", import.meta.url), "utf8");
const example = page.slice(page.indexOf("## 10. An example"));

function block(language: string): string {
  const found = example.split(`\`\`\`${language}\n`)[1]?.split("```")[0];
  assert.ok(found !== undefined, `docs/encoding.md has no example in ${language}`);
  return found;
}

test("the example of docs/encoding.md is what the codec and protobufjs do", () => {
  // The page is ours, and its example is to be run as it stands there.
  // oxlint-disable-next-line no-new-func, no-implied-eval
  const type = new Function("z", `${block("ts")}; return Order;`)(z) as z.ZodType;
  // oxlint-disable-next-line no-new-func, no-implied-eval
  const value: unknown = new Function(`return ${block("js")}`)();
  const writer = new Writer();
  const coder = protobuf.compile(schemaOf(type, "Order"));
  coder.encode(value, writer);
  const hex = Buffer.from(writer.finish()).toString("hex");
  assert.equal(hex, block("hex").replace(/\s/g, ""));
  const bytes = Buffer.from(hex, "hex");
  assert.deepStrictEqual(coder.decode(bytes, 0, bytes.length), value);

  const { root } = protobufjs.parse(block("proto"), { keepCase: true });
  root.addJSON(protobufjs.common.get("google/protobuf/timestamp.proto")?.nested ?? {});
  const theirs = root.lookupType("Order");
  const decoded = theirs.decode(bytes);
  assert.equal(Buffer.from(theirs.encode(decoded).finish()).toString("hex"), hex);
  const json = theirs.toObject(decoded, { longs: String, enums: String, bytes: String }) as Record<string, unknown>;
  assert.equal(json["status"], "paid");
  assert.equal(json["totalCents"], "-1");
  assert.deepEqual(json["payment"], { card: { digits: "4242" } });
  assert.equal(Buffer.from(json["extra"] as string, "base64").toString(), '{"deep":[1]}');
});
