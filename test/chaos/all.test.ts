// The reliability properties between real processes, shortened, and that a run that is stopped leaves nothing.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { holds, program } from "./runs.ts";

/** What each must have measured, by the beginnings of its rows. */
const scenarios = {
  control: ["pushed nobody", "registry killed", "started from the cache", "registry back, empty"],
  lost: ["acknowledged writes that were lost"],
  lossy: ["1 % of the packets lost: calls that failed"],
  detect: [
    "killed", "silent, stopped", "silent, packets dropped", "one in ten errors", "ten times slower", "failing fast",
    "observer stopped",
  ],
};

for (const [scenario, properties] of Object.entries(scenarios)) {
  test(`over real processes, shortened: ${scenario}`, { timeout: 300_000 }, (t) => holds(t, scenario, properties));
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
