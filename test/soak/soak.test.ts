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
