// Each small example prints what its README says, ends by itself, and leaves no process behind.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

const limitMs = 120_000;

/** What the README says it prints: its one block of text. */
function promised(example: string): string {
  const readme = readFileSync(join(import.meta.dirname, example, "README.md"), "utf8");
  return /^```text\n(.*?)^```$/ms.exec(readme)?.[1] ?? "";
}

describe("examples", { concurrency: 2 }, () => {
  for (const example of [
    "two-regions", "weighted-and-backup", "health", "warm-standby", "sharded-store", "word-count",
  ]) {
    test(example, { timeout: limitMs }, async () => {
      const program = spawn(process.execPath, [join(import.meta.dirname, example, "start.ts")], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const timer = setTimeout(() => program.kill("SIGKILL"), limitMs - 5_000);
      let printed = "";
      for (const stream of [program.stdout, program.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => printed += text);
      }
      // Its output closes when the last process that holds it has ended, so orphans would show as a timeout.
      const status = await new Promise<number | null>((resolve) => program.once("close", resolve));
      clearTimeout(timer);
      assert.equal(printed, promised(example));
      assert.equal(status, 0);
    });
  }
});
