import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { onMachine } from "../../test/machine/stalls.ts";
import type { RunReport } from "./report.ts";

/** The runs' own temporary folder, so that what they leave behind shows. */
const folder = mkdtempSync(join(tmpdir(), "start-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const program = join(import.meta.dirname, "start.ts");

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, TMPDIR: folder },
  });
}

/** Everything the program printed, and how it ended. */
async function outcome(child: ChildProcess): Promise<{ stdout: string; stderr: string; exitCode: number | null }> {
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => { text[name] += chunk; });
  }
  const exitCode = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { ...text, exitCode };
}

/** The processes that `pid` started, where the system tells. */
function childrenOf(pid: number | undefined): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return existsSync(path) ? readFileSync(path, "utf8").trim().split(" ").filter(Boolean).map(Number) : [];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += 50) {
    assert.ok(waitedMs < 300_000, what);
    await sleep(50);
  }
}

describe("npm start", { concurrency: false }, () => {
  // Thirteen processes, which promise times, need some processor to keep them.
  const once = async (): Promise<void> => {
    const { stdout, stderr, exitCode } = await outcome(start("--once", "--json", "--short"));
    assert.equal(exitCode, 0, stderr);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, 1, "one line, and nothing else");
    const report = JSON.parse(lines[0] as string) as RunReport;
    assert.ok(report.calls > 1_000 && report.writesAcknowledged > 100, stdout);
    assert.deepEqual({ lost: report.writesLost, doubled: report.writesDoubled }, { lost: 0, doubled: 0 }, stdout);
    assert.equal(report.failedAfter1s, 0, stdout);
    assert.ok(report.failoverAffected > 0 && report.failoverMs99 !== null, stdout);
    assert.ok(report.failbackMs !== null, stdout);
    assert.deepEqual(Object.keys(report.regions), ["us-east", "eu-west", "ap-south"]);
    // The way to another region is a round trip of 91 ms by the table; at home there is none.
    assert.ok((report.phases.outage.regions["us-east"]?.p50Ms ?? 0) >= 91, stdout);
    assert.ok((report.phases.outage.clientToProxyMs.p99Ms ?? 0) >= 91, stdout);
    assert.deepEqual(readdirSync(folder), []);
  };
  test("-- --once --json accounts for a region's death and return, and leaves nothing behind", () => onMachine(once));

  test("ends with all it started when it is killed itself", async (t) => {
    const child = start();
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => { text += chunk; });
    // A line a second, since this is no terminal; the first means that everything runs.
    await until(() => /\d+ calls, 0 failed/.test(text), "a line of figures");
    const processes = childrenOf(child.pid);
    if (processes.length === 0) t.diagnostic("this system does not tell who started whom");
    else assert.equal(processes.length, 13, "a registry, three gateways, six servers and three clients");
    child.kill("SIGKILL");
    await until(() => !processes.some(isAlive), "all processes gone");
    await until(() => readdirSync(folder).length === 0, "the folder gone");
  });

  test("ends at SIGTERM while it starts, and says how", async () => {
    const child = start("--once");
    const ended = outcome(child);
    await until(() => readdirSync(folder).length > 0, "a folder");
    await sleep(300);
    const processes = childrenOf(child.pid);
    child.kill("SIGTERM");
    assert.equal((await ended).exitCode, 143);
    await until(() => !processes.some(isAlive), "all processes gone");
    assert.deepEqual(readdirSync(folder), []);
  });

  test("refuses what it does not understand", async () => {
    const { stdout, stderr, exitCode } = await outcome(start("--region", "atlantis"));
    assert.deepEqual([stdout, exitCode], ["", 2]);
    assert.match(stderr, /expected one of us-east, eu-west, ap-south/);
  });
});
