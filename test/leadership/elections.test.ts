// The suite of elections over the real engines; and processes that are killed and stopped while they lead.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { electionCases } from "../../src/testing/election.ts";
import type { EngineServer } from "../engines/harness.ts";
import { electionEngines } from "./engines.ts";

interface Line {
  readonly id: string;
  readonly what: "elected" | "ended" | "acts";
  readonly token: string;
  readonly atMs: number;
  readonly why?: string;
}

class Process {
  readonly id: string;
  readonly #child: ChildProcess;

  constructor(engine: string, address: string, id: string, lines: Line[]) {
    this.id = id;
    this.#child = spawn(process.execPath, [join(import.meta.dirname, "candidate.ts"), engine, address, id],
      { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: this.#child.stdout as NonNullable<ChildProcess["stdout"]> })
      .on("line", (line) => void lines.push({ id, ...JSON.parse(line) as Omit<Line, "id"> }));
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }
}

async function until(what: string, holds: () => boolean, withinMs = 90_000): Promise<void> {
  for (const endMs = performance.now() + withinMs; !holds(); await sleep(10)) {
    if (performance.now() > endMs) throw new Error(`never: ${what}`);
  }
}

/** Whoever acts at a moment acts alone: between two acts of one term nobody else's lies; tokens grow in time. */
function checkAlone(lines: readonly Line[]): void {
  const acts = lines.filter(({ what }) => what !== "ended").sort((a, b) => a.atMs - b.atMs);
  let highest = 0n;
  for (const { token, id, atMs } of acts) {
    assert.ok(BigInt(token) >= highest, `${id} acted at ${atMs} by token ${token}, after ${highest} had`);
    highest = BigInt(token);
  }
  const owners = new Map<string, string>();
  for (const { token, id } of acts) {
    assert.equal(owners.get(token) ?? id, id, "two of a token");
    owners.set(token, id);
  }
}

for (const [name, { engine, elections, seatMs }] of Object.entries(electionEngines)) {
  const skip = engine.missing ?? false;
  describe(`elections in ${name}`, { skip, concurrency: false }, () => {
    let server: EngineServer;
    before(async () => {
      if (skip === false) server = await engine.start();
    });
    after(() => server?.stop());

    let cases = 0;
    const suite = electionCases(() => {
      const prefix = `case-${++cases}`;
      return {
        clock: nodeRuntime.clock, elections: () => elections(server.address, { prefix }),
        stop: () => server.stall(), start: () => server.resume(),
      };
    }, { failures: true });
    for (const { name: what, run } of suite) test(what, { timeout: 120_000 }, run);

    test("processes are killed and stopped: one acts at a time, another follows", { timeout: 200_000 }, async () => {
      const lines: Line[] = [];
      const [a, b] = ["a", "b"].map((id) => new Process(name, server.address, id, lines)) as [Process, Process];
      const all = [a, b];
      const leader = (): Line | undefined => lines.filter(({ what }) => what === "elected").at(-1);
      const of = (id: string | undefined): Process => all.find((one) => one.id === id) as Process;
      try {
        await until("one leads", () => leader() !== undefined);
        const first = leader() as Line;
        of(first.id).signal("SIGSTOP");
        const stoppedMs = performance.now();
        await until("the other leads", () => leader()?.id !== first.id);
        const second = leader() as Line;
        assert.ok(performance.now() - stoppedMs < seatMs + 10_000, `${performance.now() - stoppedMs} ms`);
        of(first.id).signal("SIGCONT");
        await until("the stopped one knows", () => lines.some(({ what, id }) => what === "ended" && id === first.id));
        checkAlone(lines);
        const count = lines.filter(({ what, id }) => what === "acts" && id === second.id).length;
        await until("the other acts on", () =>
          lines.filter(({ what, id }) => what === "acts" && id === second.id).length > count + 20);
        await of(second.id).kill();
        await until("the first leads again", () => leader()?.token !== second.token);
        assert.equal(leader()?.id, first.id);
        checkAlone(lines);
      } finally {
        await Promise.all(all.map((one) => one.kill()));
      }
    });

    test("an engine that is killed and comes back with its data: nobody rises before the lease is over, then somebody",
      { timeout: 200_000 }, async () => {
        const lines: Line[] = [];
        const all = ["a", "b"].map((id) => new Process(name, server.address, id, lines));
        try {
          const tokens = (): string[] => lines.filter(({ what }) => what === "elected").map(({ token }) => token);
          const known = (): number => tokens().length;
          await until("one leads", () => known() === 1);
          await server.kill();
          await until("it steps down", () => lines.some(({ what }) => what === "ended"));
          assert.equal(known(), 1);
          await server.restart();
          await until("somebody leads", () => known() === 2);
          checkAlone(lines);
        } finally {
          await Promise.all(all.map((one) => one.kill()));
        }
      });
  });
}
