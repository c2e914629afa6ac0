// Production clients and servers in a simulation, over an engine that outlives them: servers crash at any moment, calls
// are repeated by layers and by users, records expire; no effect comes about twice, and none is missing that was told.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { createIdempotencyKey, type RpcError, type Runtime } from "../../src/core/index.ts";
import {
  type Claim, isOutcomeUnknown, memoryReplayStore, type MemoryReplayStore, replay, type ReplayStore,
} from "../../src/replay/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";

const seeds = Number(process.env["MERIDIAN_REPLAY_SEEDS"] ?? 2);
const opsPerSeed = Number(process.env["MERIDIAN_REPLAY_OPS"] ?? 10_000);

const input = z.object({ id: z.string() });
const output = z.object({ serial: z.int32() });
const Ledger = service("test.v1.Ledger", {
  /** Its handler records its completion with its effect. */
  deposit: rpc({ input, output, idempotent: "keyed" }),
  /** Its handler cannot. */
  notify: rpc({ input, output, idempotent: "keyed", errors: { Closed: z.object({ id: z.string() }) } }),
});

/** A way to the engine that takes time, on a host that may die meanwhile: what arrived there stays done. */
function remote({ clock, random }: Runtime, engine: MemoryReplayStore): ReplayStore<() => unknown> {
  const travel = (): Promise<void> => new Promise((resolve) => void clock.after(random.next() * 3, resolve));
  const through = async <T>(action: () => T): Promise<Awaited<T>> => {
    await travel();
    const answer = await action();
    await travel();
    return answer;
  };
  return {
    name: "remote",
    claim: (call) => through(() => engine.claim({ ...call, nowMs: clock.wallMs() })),
    complete: (claim, outcome) => through(() => engine.complete(claim, outcome)),
    release: (claim) => through(() => engine.release(claim)),
    renew: (claim, nowMs) => through(() => engine.renew?.(claim, nowMs) ?? false),
    record: (claim: Claim | undefined, outcome, effect) => through(() => engine.record(claim, outcome, effect)),
  };
}

interface Tally {
  told: number;
  unknown: number;
  failed: number;
  crashes: number;
}

async function run(seed: number): Promise<Tally> {
  const simulation = createSimulation({ seed, link: { latencyMs: 0.3, jitterMs: 0.5 } });
  const engine = memoryReplayStore({ maxBytes: 1 << 20, bornMs: 0 });
  const effects = new Map<string, number[]>();
  const tally: Tally = { told: 0, unknown: 0, failed: 0, crashes: 0 };
  let serial = 0;
  const act = (id: string, mine: number): void => {
    const before = effects.get(id);
    if (before === undefined) effects.set(id, [mine]);
    else before.push(mine);
  };

  async function serve(name: string, runtime: Runtime): Promise<void> {
    const layer = replay({
      store: remote(runtime, engine), retentionMs: 30_000, leaseMs: 500, waitMs: 2_000,
      afterCrash: ({ name: method }) => (method === "deposit" ? "run_again" : "unknown"),
    });
    const server = createServerOn(runtime, { replay: layer });
    const work = (): Promise<void> =>
      new Promise((resolve) => void runtime.clock.after(runtime.random.next() * 8, resolve));
    server.implement(Ledger, {
      async deposit({ id }, context) {
        await work();
        const mine = ++serial;
        await layer.record(context, { serial: mine }, () => act(id, mine));
        await work();
        return { serial: mine };
      },
      async notify({ id }) {
        await work();
        if (id.endsWith("0")) throw Ledger.methods.notify.error("Closed", { id });
        const mine = ++serial;
        act(id, mine);
        await work();
        return { serial: mine };
      },
    });
    await server.listen({ host: name, port: 1 });
  }

  const servers = ["a", "b", "c"];
  for (const name of servers) await serve(name, simulation.host(name));
  const runtime = simulation.host("client");
  const ledger = createClientOn(runtime, Ledger, {
    address: servers.map((name) => `${name}:1`), timeoutMs: 3_000, retry: { maxAttempts: 4 },
  });
  const { random } = simulation;

  function crashOne(): void {
    const name = servers[Math.floor(random.next() * 3)] as string;
    tally.crashes++;
    simulation.crash(name, { isSilent: random.next() < 0.2 });
    simulation.at(simulation.nowMs + 50 + random.next() * 200, () => void serve(name, simulation.restart(name)));
  }

  async function op(i: number): Promise<void> {
    const method = random.next() < 0.5 ? "deposit" : "notify";
    const id = `${method}-${i}`;
    const keeps = random.next() < 0.3;
    const idempotencyKey = keeps ? createIdempotencyKey(runtime) : undefined;
    const tries = keeps ? 1 + Math.floor(random.next() * 3) : 1;
    const answers = new Set<number>();
    const attempt = async (): Promise<void> => {
      try {
        answers.add((await ledger[method]({ id }, { idempotencyKey })).serial);
        tally.told++;
      } catch (error) {
        if ((error as RpcError).reason === "Closed") assert.equal(effects.has(id), false, `${id} was closed and acted`);
        else if (isOutcomeUnknown(error)) tally.unknown++;
        else tally.failed++;
      }
    };
    const under: Promise<void>[] = [];
    for (let n = 0; n < tries; n++) {
      // At once, soon, or when the record has expired.
      const waitMs = n === 0 ? 0 : [0, 20, 1_000, 40_000][Math.floor(random.next() * 4)] as number;
      if (waitMs > 0) await new Promise<void>((resolve) => void runtime.clock.after(waitMs, resolve));
      under.push(attempt());
    }
    await Promise.all(under);
    const done = effects.get(id) ?? [];
    assert.ok(done.length <= 1, `${id} came about ${done.length} times`);
    assert.ok(answers.size <= 1, `${id} was told as ${[...answers].join(" and ")}`);
    for (const told of answers) assert.equal(done[0], told, `${id} was told and did not come about`);
  }

  let pending = 0;
  let failure: unknown;
  for (let i = 0; i < opsPerSeed; i++) {
    simulation.at(10 + i * 2, () => {
      pending++;
      op(i).catch((error: unknown) => failure ??= error).finally(() => pending--);
    });
  }
  for (let atMs = 200; atMs < opsPerSeed * 2; atMs += 400) simulation.at(atMs, crashOne);
  await simulation.run(opsPerSeed * 2 + 20);
  await simulation.runUntil(() => pending === 0, opsPerSeed * 2 + 300_000);
  if (failure !== undefined) throw failure;
  // Late writes of calls that were given up.
  for (const [id, done] of effects) assert.equal(done.length, 1, `${id} came about ${done.length} times`);
  return tally;
}

for (let seed = 1; seed <= seeds; seed++) {
  test(`doubles nothing and loses nothing told, seed ${seed}`, { timeout: 600_000 }, async (t) => {
    const tally = await run(seed);
    t.diagnostic(JSON.stringify(tally));
    assert.ok(tally.told > opsPerSeed * 0.5, JSON.stringify(tally));
    assert.ok(tally.unknown > 0 && tally.crashes > opsPerSeed / 400, JSON.stringify(tally));
  });
}
