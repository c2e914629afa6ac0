// Some of the reliability properties between real processes, shortened, and that a run that is stopped leaves nothing.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
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

const program = fileURLToPath(new URL("../../chaos/run.ts", import.meta.url));

/** What each must have measured, by the beginnings of its rows. */
const scenarios = {
  control: ["pushed nobody", "registry killed", "started from the cache", "registry back, empty"],
  lost: ["acknowledged writes that were lost"],
};

for (const [scenario, properties] of Object.entries(scenarios)) {
  test(`over real processes, shortened: ${scenario}`, { timeout: 240_000 }, async (t) => {
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
    for (const about of properties) {
      assert.ok(rows.some(({ property }) => property.startsWith(about)), `nothing was measured of: ${about}`);
    }
  });
}

test("a run that is interrupted while servers stand still leaves no process", { timeout: 120_000 }, async (t) => {
  const child = spawn(process.execPath, [program, "failback", "--quick"], { stdio: ["ignore", "ignore", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => { told += text; });
  while (!childrenOf(child.pid ?? 0).some(([, state]) => state.startsWith("T"))) {
    assert.equal(child.exitCode, null, `it ended before it stopped a server: ${told}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const all = childrenOf(child.pid ?? 0).map(([pid]) => pid);
  assert.ok(all.length >= 5, `four servers and their callers, not ${all.length}`);
  child.kill("SIGINT");
  const [code] = await once(child, "exit") as [number | null];
  assert.equal(code, 130);
  while (all.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 50));
});

/** Its children, and the states they are in. */
function childrenOf(parent: number): (readonly [pid: number, state: string])[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat="], { encoding: "utf8" });
  return table.trim().split("\n").flatMap((line) => {
    const [pid, of, state = ""] = line.trim().split(/\s+/);
    return Number(of) === parent && !state.startsWith("Z") ? [[Number(pid), state] as const] : [];
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
