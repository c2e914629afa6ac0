// Each rehearsal runs by the command its README tells, and the default policies meet its goals.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const program = join(import.meta.dirname, "../../src/cli/meridian.ts");
const files = readdirSync(import.meta.dirname)
  .filter((file) => /\.(yaml|ts)$/.test(file) && !file.endsWith(".test.ts"));

test("there are rehearsals of both kinds", () => {
  assert.ok(files.some((file) => file.endsWith(".yaml")) && files.some((file) => file.endsWith(".ts")));
});

for (const file of files) {
  test(file, { timeout: 300_000 }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath,
      [program, "sim", join(import.meta.dirname, file), "--json"], { encoding: "utf8" });
    assert.equal(stderr, "");
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    const missed = lines.filter(({ met }) => met === false);
    assert.deepEqual(missed, []);
    assert.equal(status, 0);
    assert.ok(lines.filter((line) => "goodput" in line).length > 5);
    assert.match(String(lines.at(-1)?.["digest"]), /^[0-9a-f]{16}$/);
  });
}
