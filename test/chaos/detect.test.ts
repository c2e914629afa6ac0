// The scenario `detect`, shortened: real processes that are killed, stopped, cut off, made to fail and made slow.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

interface Row {
  readonly scenario: string;
  readonly property: string;
  readonly value: number | null;
  readonly goal: string | null;
  readonly met: boolean | null;
  readonly note?: string;
}

test("dead, silent, failing and slow servers are left in time, and nobody for our own stall", { timeout: 300_000 },
  async (t) => {
    const program = fileURLToPath(new URL("../../chaos/run.ts", import.meta.url));
    const child = spawn(process.execPath, [program, "detect", "--quick", "--json"], {
      stdio: ["ignore", "pipe", "inherit"], signal: t.signal,
    });
    t.after(() => child.kill());
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => { output += text; });
    const [code] = await once(child, "close") as [number | null];
    const rows = output.trim().split("\n").map((line) => JSON.parse(line) as Row);
    for (const { property, value, goal, note } of rows) {
      t.diagnostic([`${property}: ${value}`, goal ?? "", note ?? ""].filter((one) => one !== "").join("; "));
    }
    assert.deepEqual(rows.filter(({ met }) => met === false), []);
    assert.equal(code, 0);
    assert.ok(rows.every(({ scenario }) => scenario === "detect"));
    for (const about of ["killed", "silent, stopped", "silent, packets dropped", "one in ten errors",
      "ten times slower", "failing fast", "observer stopped"]) {
      assert.ok(rows.some(({ property }) => property.startsWith(about)), `nothing was measured of: ${about}`);
    }
  });
