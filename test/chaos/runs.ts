// A scenario of chaos as a program, shortened: its rows, told as they are, and that it measured what it is there for.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { Row } from "../../chaos/frame/rows.ts";

export const program = fileURLToPath(new URL("../../chaos/run.ts", import.meta.url));

/** Plays it; no goal may be missed, and there must be a row that begins with each of `properties`. */
export async function holds(t: TestContext, scenario: string, properties: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [program, scenario, "--quick", "--json"], {
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
  assert.ok(rows.every((row) => row.scenario === scenario));
  for (const about of properties) {
    assert.ok(rows.some(({ property }) => property.startsWith(about)), `nothing was measured of: ${about}`);
  }
}
