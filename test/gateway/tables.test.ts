// What docs/gateway.md and docs/wires.md publish is what the code does.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { type Code, codeFromNumber, codeNumber, RpcError } from "../../src/core/index.ts";
import { connectCode, httpStatusOf } from "../../src/protocol/connect/codes.ts";
import { codeFromJsonRpc, jsonRpcCode } from "../../src/protocol/json-rpc/codes.ts";
import { failureOf, readException } from "../../src/protocol/thrift/failure.ts";
import { binaryFields } from "./thrift-fields.ts";
import { allWires } from "./all-wires.ts";

const docs = new URL("../../docs/", import.meta.url);
const gateway = readFileSync(new URL("gateway.md", docs), "utf8");

/** The rows of the first table behind a heading, without its head. */
function rowsBehind(page: string, heading: string): string[][] {
  const from = page.indexOf(`${heading}\n`);
  assert.ok(from >= 0, `no "${heading}"`);
  const lines = page.slice(from).split("\n");
  const first = lines.findIndex((line) => line.startsWith("|"));
  const rows: string[][] = [];
  for (const line of lines.slice(first + 2)) {
    if (!line.startsWith("|")) break;
    rows.push(line.slice(1, -1).split("|").map((cell) => cell.trim()));
  }
  return rows;
}

test("each wire says what it has no word for", () => {
  const said = rowsBehind(gateway, "### What a wire has no word for");
  assert.deepEqual(said.map(([name, without]) => [name, without?.split(", ").filter((one) => one !== "nothing")]),
    allWires.map(({ name, without }) => [name, without]));
});

test("status codes are what the table says, on every wire", () => {
  const rows = rowsBehind(gateway, "### Status");
  const all = Array.from({ length: 16 }, (_, i) => codeFromNumber(i + 1));
  assert.deepEqual(rows.map(([code]) => code?.slice(1, -1)), all);
  for (const [name = "", grpc, connect, http, jsonRpc = "", thrift, avro] of rows) {
    const code = name.slice(1, -1) as Code;
    assert.equal(grpc, String(codeNumber(code)), code);
    assert.equal(connect, `\`${connectCode(code)}\``, code);
    assert.equal(http?.split(" ")[0], String(httpStatusOf(new RpcError(code, "why"))), code);
    assert.equal(Number(/-\d+$/.exec(jsonRpc)?.[0]), jsonRpcCode(code, false), code);
    if (code === "invalid_argument") assert.match(jsonRpc, new RegExp(`^${jsonRpcCode(code, true)} of params`));
    assert.equal(codeFromJsonRpc(jsonRpcCode(code, false)), code);
    const { struct } = failureOf("binary", new RpcError(code, "why"), undefined);
    const fields = binaryFields(struct);
    assert.equal(thrift?.split(" ")[0], String(fields.get(2)), code);
    assert.equal(avro, `\`${code}: …\``);
    assert.equal(readException("binary", struct, 0, struct.length).code, code, "ours is read from what is beside it");
  }
});

test("the page of wires names pages that there are", () => {
  const page = readFileSync(new URL("wires.md", docs), "utf8");
  const rows = rowsBehind(page, "# Wires: one contract, one port");
  assert.ok(rows.length >= allWires.length - 1, `${rows.length} wires`);
  for (const [name, , , , link = ""] of rows) {
    const [, file = ""] = /\]\(([^)#]+)\)/.exec(link) ?? [];
    assert.ok(existsSync(new URL(file, docs)), `${name}: ${link}`);
  }
});
