// UDP under loss, duplication, reordering and delay, in simulated time: nothing runs twice, everything ends in time.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createClientOn } from "../../src/client/index.ts";
import { RpcError, type Runtime } from "../../src/core/index.ts";
import { udp } from "../../src/protocol/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Notes, pretence, pretending, tapped } from "./support.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 30);
const weather = fc.record({
  seed: fc.nat(1_000_000), loss: fc.double({ min: 0, max: 0.4, noNaN: true }),
  twice: fc.double({ min: 0, max: 0.5, noNaN: true }), jitterMs: fc.nat(40), latencyMs: fc.nat(60),
  sealed: fc.boolean(), restartMs: fc.option(fc.integer({ min: 200, max: 3_000 }), { nil: undefined }),
});

interface Ran {
  readonly told: Map<number, number>;
  readonly outcomes: ("done" | RpcError)[];
  readonly lateMs: number[];
}

/** Sends 40 one-way calls and 40 others in that weather; what became of each. */
async function run(conditions: typeof weather extends fc.Arbitrary<infer T> ? T : never): Promise<Ran> {
  const { seed, loss, twice, jitterMs, latencyMs, sealed, restartMs } = conditions;
  const simulation = createSimulation({ seed });
  const decorated = (runtime: Runtime): Runtime =>
    pretending(tapped(runtime, { passes: () => (simulation.random.next() < twice ? 2 : 1) }));
  const told = new Map<number, number>();
  const tls = sealed ? pretence() : undefined;
  const serve = (runtime: Runtime): Promise<string> => createServerOn(decorated(runtime), { udp: true, tls })
    .implement(Notes, {
      tell: ({ n }) => {
        told.set(n, (told.get(n) ?? 0) + 1);
        return {};
      },
      ask: (input) => input,
      slow: ({ ms }) => new Promise((resolve) => void runtime.clock.after(ms, () => resolve({}))),
      large: () => ({ text: "" }), keyed: () => ({ key: "" }),
    }).listen({ host: "server", port: 7 });
  const runtime = decorated(simulation.host("client"));
  const outcomes: Ran["outcomes"] = [];
  const lateMs: number[] = [];
  const main = async (): Promise<void> => {
    const address = await serve(simulation.host("server"));
    simulation.link("client", "server", { latencyMs, jitterMs, lossRate: loss });
    const client = createClientOn(runtime, Notes, {
      address, tls, retry: false, protocol: udp({ acknowledgeOneway: true, maxTransmissions: 8 }),
    });
    const timed = async (call: () => Promise<unknown>, timeoutMs: number): Promise<"done" | RpcError> => {
      const startedMs = runtime.clock.now();
      const outcome = await call().then(() => "done" as const, (error: unknown) => error as RpcError);
      lateMs.push(runtime.clock.now() - startedMs - timeoutMs);
      return outcome;
    };
    const all: Promise<unknown>[] = [];
    for (let n = 0; n < 40; n++) {
      all.push(timed(() => client.tell({ n }, { timeoutMs: 8_000 }), 8_000)
        .then((outcome) => void (outcomes[n] = outcome)));
      all.push(timed(async () => {
        if (n % 4 === 0) await client.slow({ ms: 40 * n }, { timeoutMs: 8_000 });
        else assert.equal((await client.ask({ n }, { timeoutMs: 8_000 })).n, n);
      }, 8_000).then((outcome) => void (outcomes[40 + n] = outcome)));
      await new Promise<void>((resolve) => void runtime.clock.after(20, resolve));
    }
    await Promise.all(all);
    client.$.close();
  };
  if (restartMs !== undefined) {
    simulation.at(restartMs, () => {
      void serve(simulation.restart("server"));
    });
  }
  await simulation.runUntil(main(), 120_000);
  await simulation.run(simulation.nowMs + 30_000);
  return { told, outcomes, lateMs };
}

describe("UDP in all weathers", () => {
  test("no one-way call runs twice, each acknowledged one ran, and every call ends by its deadline", async () => {
    await fc.assert(fc.asyncProperty(weather, async (conditions) => {
      const { told, outcomes, lateMs } = await run(conditions);
      for (const [n, times] of told) assert.equal(times, 1, `one-way call ${n} ran ${times} times`);
      outcomes.forEach((outcome, i) => {
        if (outcome === "done") return i < 40 && assert.equal(told.get(i), 1, `${i} was acknowledged and did not run`);
        assert.ok(RpcError.is(outcome), String(outcome));
        assert.ok(["unavailable", "deadline_exceeded"].includes(outcome.code), outcome.message);
        if (i < 40 && outcome.neverStarted) assert.equal(told.get(i), undefined, `${i} ran, and is told never to have`);
      });
      assert.equal(outcomes.length, 80);
      assert.ok(Math.max(...lateMs) <= 2, `a call ended ${Math.max(...lateMs)} ms after its deadline`);
    }), { seed: 1, numRuns: runs });
  });

  test("over a good link everything is done, sealed and in the clear", async () => {
    for (const sealed of [true, false]) {
      const { told, outcomes } = await run({
        seed: 3, loss: 0, twice: 0.5, jitterMs: 30, latencyMs: 10, sealed, restartMs: undefined,
      });
      assert.deepEqual(outcomes.filter((one) => one !== "done"), []);
      assert.equal(told.size, 40);
    }
  });

  test("one-way calls that are only sent wait for room, are sent again when lost, and all run", async () => {
    const simulation = createSimulation({ seed: 1, link: { latencyMs: 5, lossRate: 0.1 } });
    const told: number[] = [];
    const server = createServerOn(simulation.host("server"), { udp: true }).implement(Notes, {
      tell: ({ n }) => {
        told.push(n);
        return {};
      },
      ask: (input) => input, slow: () => ({}), large: () => ({ text: "" }), keyed: () => ({ key: "" }),
    });
    await simulation.runUntil((async () => {
      const address = await server.listen({ host: "server", port: 7 });
      const client = createClientOn(simulation.host("client"), Notes, { address, protocol: udp() });
      for (let n = 0; n < 200; n++) await client.tell({ n });
      assert.ok(told.length < 200, "the last were sent, and are not there yet");
      client.$.close();
    })(), 600_000);
    await simulation.run(simulation.nowMs + 20_000);
    assert.deepEqual(told.sort((a, b) => a - b), Array.from({ length: 200 }, (_, n) => n));
  });
});
