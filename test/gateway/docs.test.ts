// The example of docs/gateway.md compiles, runs, and prints what it says.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { readSnippets, root, runnable } from "../docs/snippets.ts";

test("docs/gateway.md: the program with its file of rules runs", async () => {
  const { files, outputs } = await runnable(readSnippets("docs/gateway.md"));
  mkdirSync(join(root, "test/.tmp"), { recursive: true });
  const directory = mkdtempSync(join(root, "test/.tmp", "gateway-"));
  try {
    for (const [name, text] of files) writeFileSync(join(directory, name), text);
    const { stdout } = await promisify(execFile)(process.execPath, ["rules.ts"], { cwd: directory, timeout: 60_000 });
    assert.equal(stdout, outputs.get("rules.ts"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
