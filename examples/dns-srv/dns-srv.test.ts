// The example prints what its README says, where there is a dnsmasq.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lacking, outputOf } from "../../test/peers/programs.ts";

test("dns-srv", { skip: lacking("dnsmasq"), timeout: 120_000 }, async () => {
  const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
  const promised = /^```text\n(.*?)^```$/ms.exec(readme)?.[1];
  const printed = await outputOf(process.execPath, [join(import.meta.dirname, "start.ts")], { timeoutMs: 110_000 });
  assert.equal(printed, promised);
});
