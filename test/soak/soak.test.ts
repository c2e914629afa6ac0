import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("20,000 calls over 200 connections that are cut at random: nothing is lost, nothing grows", () => {
  const soak = fileURLToPath(new URL("soak.ts", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", soak, "20000", "200"], {
    encoding: "utf8", timeout: 120_000,
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
});

test("600 connections over HTTP/2 that the other side ends at random, as client and as server: nothing grows", () => {
  const soak = fileURLToPath(new URL("http2.ts", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", soak, "600"], {
    encoding: "utf8", timeout: 120_000,
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
});
