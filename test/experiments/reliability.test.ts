// The run of many seeds: on several processes, stopped and resumed; and the seeds that broke a property before.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { properties } from "../../experiments/reliability/properties.ts";
import { reliability } from "../../experiments/reliability/scenario.ts";
import { runSeed, type SwarmState } from "../../src/sim/swarm.ts";

const program = new URL("../../experiments/run.ts", import.meta.url).pathname;

/** Runs the experiment; `stopWhen` is asked now and then whether it is to be stopped. */
async function run(args: readonly string[], stopWhen?: () => boolean) {
  const child = spawn(process.execPath, [program, "reliability", "--json", ...args],
    { stdio: ["ignore", "pipe", "pipe"] });
  const timer = setInterval(() => {
    if (stopWhen?.() !== true) return;
    clearInterval(timer);
    child.kill("SIGTERM");
  }, 20);
  const text = async (stream: AsyncIterable<Buffer>): Promise<string> => {
    let all = "";
    for await (const chunk of stream) all += chunk.toString();
    return all;
  };
  const closed = new Promise<number | null>((resolve) => void child.once("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  clearInterval(timer);
  return { stdout, stderr, code };
}

test("a run on two processes that is stopped goes on where it was, and shows all seeds in the end", {
  timeout: 300_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "reliability-"));
  const file = join(folder, "state.json");
  const args = ["--seed", "100101", "--seeds", "6", "--jobs", "2", "--state", file];
  try {
    const stopped = await run(args, () => existsSync(file));
    assert.deepEqual([stopped.code, stopped.stdout], [130, ""]);
    assert.match(stopped.stderr, /the same command goes on from here/);
    const state = JSON.parse(readFileSync(file, "utf8")) as SwarmState;
    const done = state.next - state.first + state.done.length;
    assert.ok(done >= 1 && done < 6, `${done} of 6 seeds were done`);
    // What was done is not done again: that the fourth property was broken is known from the file alone.
    const said = Array.from({ length: 50 }, (_, i) => i);
    writeFileSync(file, JSON.stringify({ ...state, broken: { "property 4": said } }));
    const resumed = await run(args);
    const rows = resumed.stdout.trim().split("\n").map((line) => JSON.parse(line) as { seeds: number; value: number });
    assert.equal(rows.length, properties.length, resumed.stderr);
    assert.ok(rows.every(({ seeds }) => seeds === 6));
    assert.ok((rows[3]?.value ?? 0) >= said.length);
    assert.equal(resumed.code, 1);
    const other = await run(["--seeds", "7", "--state", file]);
    assert.match(other.stderr, /is of another run/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("experiments that run in one go take no state", async () => {
  const child = spawn(process.execPath, [program, "detector", "--state", "x"], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  for await (const chunk of child.stderr) said += String(chunk);
  assert.match(said, /detector runs in one process/);
});

test("the same seed plays the same", { timeout: 120_000 }, async () => {
  const [one, other] = [await runSeed(reliability, 100_007), await runSeed(reliability, 100_007)];
  assert.equal(one.digest, other.digest);
  assert.ok(one.calls > 10_000);
});

/** Seeds that broke a property once, and what was mended. */
const regressions: readonly (readonly [property: number, seed: number, why: string])[] = [
  [2, 100_005, "hedges that found nobody to go to had spent what the calls of a silent region needed"],
  [2, 100_249, "the same"],
  [2, 101_010, "after a death of one in four a second was ejected for its queue: the dead had counted as room"],
  [3, 100_003, "what was saved up went on retries that failed too, by luck few of them at first"],
  [3, 100_161, "the same"],
  [6, 101_021, "losers of hedges made a cut limit look in vain, and bursts of ends a standing overload none"],
  [6, 101_023, "the same"],
  [4, 100_104, "the same, at the end of a surge"],
  [4, 100_345, "an overload that was over was remembered for six seconds, and calls shed that there was room for"],
  [4, 100_216, "after a standstill calls were begun that could not be done in what was left of their deadlines"],
  [6, 100_054, "calls before a cut were lucky, so that waiting was taken for the new normal"],
  [6, 100_128, "the same"],
  [6, 100_084, "critical calls that met a shut door were told to come back half a second later"],
  [7, 100_098, "a server that erred once in twenty was found out too late"],
];

describe("seeds that broke a property before", () => {
  for (const [number, seed, why] of regressions) {
    test(`property ${number}, seed ${seed}: ${why}`, { timeout: 120_000 }, async () => {
      const found = await properties[number - 1]?.run(seed);
      assert.deepEqual(found?.broken, []);
    });
  }
});
