// A server, or the whole machine, stands still and goes on: what came meanwhile comes all at once. At a load that the
// server can bear nobody is turned away for it; at three times that, it sheds as it did.
import assert from "node:assert/strict";
import { test } from "node:test";
import { successBetween, Work } from "../../experiments/overload/worlds.ts";
import { RpcError } from "../../src/core/index.ts";
import { admission, type AdmissionLayer } from "../../src/overload/index.ts";
import { createWorld, exponential, Figures, openLoop, simulatedClient, simulatedServer } from "../../src/sim/index.ts";

const serviceMs = 5;
const capacity = 1_000 / serviceMs;
const stallAtMs = 10_000;

interface Play {
  readonly seed: number;
  /** What is offered, as a share of what can be done. */
  readonly load: number;
  readonly stallMs: number;
  /** What stands still: the server, its callers, or all of them. */
  readonly who: "server" | "callers" | "all";
  readonly deadlineMs: number;
  readonly isShedding?: boolean;
  readonly endMs?: number;
}

interface Outcome {
  readonly codes: Readonly<Record<string, number>>;
  readonly shed: number;
  readonly succeeded: number;
  /** From a second after the standstill: share of what could be done that was, and of the critical that were served. */
  readonly good: number;
  readonly critical: number;
}

async function play(setting: Play): Promise<Outcome> {
  const { seed, load, stallMs, who, deadlineMs, isShedding = true, endMs = 60_000 } = setting;
  const world = createWorld({ seed });
  let layer: AdmissionLayer | undefined;
  const server = simulatedServer(world, Work, {
    host: "server", work: exponential(serviceMs),
    admission: isShedding && ((...args) => layer = admission()(...args) as AdmissionLayer),
  });
  const client = simulatedClient(world, Work, {
    timeoutMs: deadlineMs, retry: false, throttle: false, hedge: false,
    outliers: false,
  });
  const untilMs = stallAtMs + stallMs;
  const codes: Record<string, number> = {};
  const [all, critical] = [new Figures({ bucketMs: 100 }), new Figures({ bucketMs: 100 })];
  if (who !== "callers") world.at(stallAtMs, () => server.stall(stallMs));
  const call = (method: "plain" | "critical") => async (): Promise<unknown> => {
    // A generator that stands still makes its calls when it goes on, late.
    const waitMs = who !== "server" && world.nowMs >= stallAtMs ? untilMs - world.nowMs : 0;
    if (waitMs > 0) await new Promise<void>((resolve) => world.at(world.nowMs + waitMs, resolve));
    return client[method]({});
  };
  for (const [method, share, figures] of [["critical", 0.15, critical], ["plain", 0.85, all]] as const) {
    openLoop(world, {
      name: method, rate: capacity * load * share, untilMs: endMs, deadlineMs, figures, call: call(method),
      ended: (_index, _dueMs, _endedMs, error) => {
        if (error === undefined) return;
        const { code } = RpcError.from(error);
        codes[code] = (codes[code] ?? 0) + 1;
      },
    });
  }
  await world.run(endMs + deadlineMs);
  const goodput = (figures: Figures): number => figures.goodput(untilMs + 1_000, endMs);
  const { busyMs, finished } = server.figures;
  return {
    codes, shed: layer?.state.shed ?? 0, succeeded: all.succeeded + critical.succeeded,
    good: (goodput(all) + goodput(critical)) * busyMs / finished / 1_000,
    critical: successBetween(critical, untilMs + 1_000, endMs),
  };
}

const stalls = [100, 500, 2_000, 5_000];
const seeds = [100_001, 100_002];

for (const who of ["server", "callers", "all"] as const) {
  for (const load of [0.2, 0.6, 0.85]) {
    test(`at ${load * 100} % nobody is turned away when ${who} stood still`, async () => {
      for (const stallMs of stalls) {
        for (const seed of seeds) {
          const outcome = await play({ seed, load, stallMs, who, deadlineMs: 60_000 });
          const said = JSON.stringify({ stallMs, seed, outcome });
          assert.equal(outcome.shed, 0, said);
          // A server that is silent for five seconds loses its connection: nobody turned away what was on it.
          if (stallMs < 5_000) assert.deepEqual(outcome.codes, {}, said);
          assert.equal(outcome.codes["resource_exhausted"], undefined, said);
        }
      }
    });
  }
}

test("with a second to answer as many are served as without admission, or more", async () => {
  for (const stallMs of stalls) {
    for (const load of [0.6, 0.85]) {
      const setting = { seed: 100_003, load, stallMs, who: "all", deadlineMs: 1_000 } as const;
      const [ours, none] = [await play(setting), await play({ ...setting, isShedding: false })];
      const said = JSON.stringify({ stallMs, load, ours, none });
      assert.equal(ours.codes["resource_exhausted"], undefined, said);
      assert.ok(ours.succeeded >= none.succeeded * 0.995, said);
    }
  }
});

test("three times the load is shed as ever, whatever stood still in between", async () => {
  for (const who of ["server", "callers", "all"] as const) {
    for (const stallMs of stalls.slice(0, 3)) {
      const outcome = await play({ seed: 100_004, load: 3, stallMs, who, deadlineMs: 5_000, endMs: 40_000 });
      const said = JSON.stringify({ who, stallMs, outcome });
      assert.ok(outcome.good >= 0.95, said);
      assert.ok(outcome.critical >= 0.995, said);
    }
  }
});
