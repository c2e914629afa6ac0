import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inflateSync } from "node:zlib";
import type { SwarmState } from "../sim/swarm.ts";

const program = join(import.meta.dirname, "meridian.ts");
const folder = mkdtempSync(join(tmpdir(), "meridian-sim-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function meridian(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: "utf8", cwd: folder });
  return { status, stdout, stderr };
}

const rehearsal = `rehearsal:
  about: one of two dies
  duration: 8s
  regions: [here, there]
  roundTrips: { here: { there: 40ms } }
  services:
    store: { servers: { here: 2, there: 2 }, work: 2ms }
  clients:
    web: { region: here, service: store, rate: 50 }
  events:
    - { at: 4s, kill: here }
  goals:
    - { of: errors, most: 0.05 }
`;

describe("meridian sim", () => {
  const file = join(folder, "r.yaml");
  writeFileSync(file, rehearsal);

  test("prints a table, goals and a digest, and draws what it shows", () => {
    const [svg, png] = [join(folder, "out/r.svg"), join(folder, "r.png")];
    const { status, stdout, stderr } = meridian("sim", file, "--seed", "7", "--plot", svg, "--plot", png);
    assert.equal(stderr, "");
    assert.equal(status, 0, stdout);
    assert.match(stdout, /r\.yaml: 8 s, seed 7: one of two dies\n\n *SECONDS +CALLERS +OFFERED\/S/);
    assert.match(stdout, /4–5 +here +\d+ .* there 100 % +kill here\n/);
    assert.match(stdout, /\nmet {5}errors at most 0\.05, 0–8 s: 0\n|\nmet {5}errors at most 0\.05, 0–8 s: 0\.0\d+\n/);
    assert.match(stdout, /\ndigest [0-9a-f]{16}\n$/);
    assert.match(readFileSync(svg, "utf8"), /^<svg .*>r\.yaml: calls answered in time<.*kill here/s);
    const picture = readFileSync(png);
    assert.ok(inflateSync(picture.subarray(41, 41 + picture.readUInt32BE(33))).length > 1_000_000);
    assert.equal(meridian("sim", file, "--seed", "7").stdout, stdout, "the same seed");
  });

  test("with --json each line is an object, and a goal that is missed is exit code 3", () => {
    writeFileSync(join(folder, "hard.yaml"), rehearsal.replace("most: 0.05", "most: 0, from: 1s").replace(
      "- { of: errors", "- { of: p50, most: 1ms }\n    - { of: errors"));
    const { status, stdout } = meridian("sim", "hard.yaml", "--json", "--seeds", "2", "--every", "2");
    assert.equal(status, 3);
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    const rows = lines.filter((line) => "goodput" in line);
    assert.deepEqual(rows.map(({ fromS, untilS }) => [fromS, untilS]), [[1, 2], [2, 4], [4, 6], [6, 8]]);
    assert.deepEqual(rows.at(-1)?.["servedIn"], { there: 1 });
    const goal = lines.find(({ of }) => of === "p50") ?? {};
    assert.deepEqual([goal["met"], (goal["values"] as number[]).length, goal["limit"]], [false, 2, 1]);
    assert.deepEqual(lines.filter((line) => "digest" in line).map(({ seed }) => seed), [1, 2]);
  });

  test("what is wrong with a file is one line with its place; a command line that cannot be read is 2", () => {
    writeFileSync(join(folder, "bad.yaml"), rehearsal.replace("kill: here", "kil: here"));
    writeFileSync(join(folder, "empty.ts"), "export const other = 1;\n");
    writeFileSync(join(folder, "wrong.ts"), "export const rehearsal = { duration: 5 };\n");
    for (const [args, complaint] of [
      [["bad.yaml"], /^meridian: bad\.yaml:11:17: rehearsal\.events\[0\]: unknown key "kil"; did you mean "kill"\?\n$/],
      [["none.yaml"], /^meridian: there is no file none\.yaml\n$/],
      [["empty.ts"], /^meridian: empty\.ts exports other; expected `export const rehearsal = \{ … \}`\n$/],
      [["wrong.ts"], /^meridian: wrong\.ts: rehearsal\.duration: expected a duration .*5s or 5ms\n$/],
    ] as const) {
      const { status, stdout, stderr } = meridian("sim", ...args);
      assert.deepEqual([status, stdout], [1, ""]);
      assert.match(stderr, complaint);
    }
    for (const args of [["sim"], ["sim", file, "--seeds", "0"], ["sim", file, "--plot", "x.gif"]]) {
      assert.equal(meridian(...args).status, 2);
    }
    assert.deepEqual(meridian("sim", "r.yaml", "--check"),
      { status: 0, stdout: "r.yaml: 8 s, 1 services, 1 clients, 1 events, 1 goals\n", stderr: "" });
  });
});

describe("meridian swarm", () => {
  const name = "runs seeds on two processes, is stopped or killed, goes on, and ends as if it had not been";
  test(name, { timeout: 900_000 }, async () => {
    const whole = meridian("swarm", "--seeds", "8", "--json");
    const lines = whole.stdout.trim().split("\n").map((line) => JSON.parse(line) as { seed: number; calls: number });
    assert.deepEqual(lines.map(({ seed }) => seed), Array.from({ length: 8 }, (_, i) => i + 1));
    const calls = lines.reduce((sum, one) => sum + one.calls, 0);
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const args = ["swarm", "--seeds", "8", "--jobs", "2", "--state", `${signal}.json`];
      const state = join(folder, `${signal}.json`);
      const child = spawn(process.execPath, [program, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
      let printed = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => printed += text);
      const closed = new Promise<number | null>((resolve) => void child.once("close", resolve));
      while (!existsSync(state) && child.exitCode === null) await sleep(20);
      child.kill(signal);
      // Its processes end with it, since nobody gives them seeds any more: `close` waits for them.
      assert.equal(await closed, signal === "SIGINT" ? 130 : null, printed);
      if (signal === "SIGINT") assert.match(printed, /^stopped; \d+ of 8 seeds, \d+ calls, 0 failed\n$/m);
      const { next, done } = JSON.parse(readFileSync(state, "utf8")) as SwarmState;
      const before = next - 1 + done.length;
      assert.ok(before > 0 && before < 8, `${before} seeds were done`);

      const resumed = meridian(...args);
      assert.equal(resumed.status, 0, resumed.stdout);
      assert.match(resumed.stdout, new RegExp(`^8 of 8 seeds, ${calls} calls, 0 failed\n$`, "m"));
      const other = meridian("swarm", "--seeds", "9", "--state", `${signal}.json`);
      assert.equal(other.status, 1);
      assert.match(other.stderr, /\.json is of another run \(calls, 8 seeds from 1 on\)/);
    }
  });

  test("a kept configuration is played again; the canary is found", () => {
    const kept = join(import.meta.dirname, "../../test/simulation/regressions/canary.json");
    const { status, stdout } = meridian("swarm", "--replay", kept);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /\nas it must be\ndigest [0-9a-f]{16}\n$/);
    writeFileSync(join(folder, "nothing.json"), "{}");
    assert.match(meridian("swarm", "--replay", "nothing.json").stderr, /nothing\.json is no kept configuration/);
    const canary = meridian("swarm", "--canary", "--seed", "3", "--seeds", "3");
    assert.equal(canary.status, 0, canary.stdout);
  });
});
