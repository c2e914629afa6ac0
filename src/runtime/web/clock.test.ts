import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

test("housekeeping does not keep a process of Node from its end", () => {
  const program = `
    import { createClock } from ${JSON.stringify(new URL("clock.ts", import.meta.url).href)};
    const clock = createClock();
    clock.after(600_000, () => undefined).unref();
    clock.after(1, () => console.log("rang"));`;
  const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", program],
    { encoding: "utf8", timeout: 60_000 });
  assert.equal(stdout, "rang\n");
  assert.equal(signal, null);
});
