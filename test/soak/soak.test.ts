import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

function run(program: string, ...args: readonly string[]): void {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath, ["--expose-gc", fileURLToPath(new URL(program, import.meta.url)), ...args],
    // A guard against hanging: a busy machine needs many times what a quiet one does.
    { encoding: "utf8", timeout: 280_000 },
  );
  // What the program wrote ends with its faults; they stay last.
  assert.equal(status, 0, `${stderr}\n${stdout}${signal === null ? "" : `ended by ${signal}`}`);
}

test("20,000 calls over 200 connections that are cut at random: nothing is lost, nothing grows", () =>
  run("soak.ts", "20000", "200"));

test("600 connections over HTTP/2 that the other side ends at random, as client and as server: nothing grows", () =>
  run("http2.ts", "600"));
