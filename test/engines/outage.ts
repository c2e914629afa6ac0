/**
 * An outage: calls go on, a thousand a second, while the engine that told who serves them is killed, stalled and wiped;
 * none may fail, and who registers afterwards must be found soon after the engine is back.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import type { Observer } from "../../src/core/observer.ts";
import { createClient, createServer, rpc, service } from "../../src/index.ts";
import { onMachine } from "../machine/stalls.ts";
import type { EngineServer, EngineUnderTest } from "./harness.ts";

const Clerk = service("outage.v1.Clerk", {
  // Not declared idempotent: a call that is lost may not be hidden by a repeat.
  file: rpc({ input: z.object({ n: z.int32() }), output: z.object({ n: z.int32() }) }),
});
const callsPerSecond = 1_000;
/** A machine too busy for so many calls makes fewer, instead of ever more that wait for a processor. */
const maxPending = 500;
/** The promise: a new server is called within this time of the engine's return, in milliseconds. */
const seenWithinMs = 2_000;

export interface Outage {
  readonly name: string;
  /** Takes the engine away for a while and brings it back; resolves when it is back. */
  run(server: EngineServer): Promise<void>;
  /** Whether what was registered is gone from the engine's memory afterwards. */
  readonly forgets: boolean;
}

/** How long each outage lasts: longer than a lease, so that everybody must come back by himself. */
const outageMs = 4_000;

export const outages: readonly Outage[] = [
  {
    name: "killed and restarted", forgets: false,
    async run(server) {
      await server.kill();
      await sleep(outageMs);
      await server.restart();
    },
  },
  {
    name: "stalled (SIGSTOP)", forgets: false,
    async run(server) {
      server.stall();
      await sleep(outageMs);
      server.resume();
    },
  },
  {
    name: "wiped", forgets: true,
    async run(server) {
      await server.kill();
      await sleep(outageMs / 4);
      await server.restartEmpty();
    },
  },
];

export interface OutageFigures {
  readonly calls: number;
  readonly failed: number;
  readonly seenAfterMs: number;
}

/** Throws if a call failed or the newcomer was not found in time; on a machine that stalled, only the second time. */
export function surviveOutage(engine: EngineUnderTest, outage: Outage): Promise<OutageFigures> {
  return onMachine(() => surviveOnce(engine, outage));
}

async function surviveOnce(engine: EngineUnderTest, outage: Outage): Promise<OutageFigures> {
  const events: string[] = [];
  const startedMs = performance.now();
  const note = (who: string): Observer => ({
    event: (name, fields) => {
      const atMs = Math.round(performance.now() - startedMs);
      if (/^(discovery|registry)\./.test(name)) events.push(`${atMs} ${who} ${name} ${JSON.stringify(fields)}`);
    },
  });
  const server = await engine.start();
  await using things = new AsyncDisposableStack();
  things.defer(() => server.stop());
  const serving = new Set<string>();

  async function serve(): Promise<string> {
    // One driver a server, as if each were a process of its own.
    const registry = engine.enter === undefined
      ? engine.discovery(server, { ttlMs: 2_000, observer: note(`server ${serving.size}`) }) : undefined;
    const one = createServer(registry === undefined ? {} : { registry }).implement(Clerk, { file: ({ n }) => ({ n }) });
    const listening = one.listen({ port: 0, host: "127.0.0.1" });
    things.defer(async () => {
      await one.close(0);
      await registry?.close();
    });
    const address = await listening;
    serving.add(address);
    await enterAll();
    return address;
  }
  async function enterAll(): Promise<void> {
    await engine.enter?.(server, Clerk.name, [...serving].map((address) => ({ address })));
  }

  for (let i = 0; i < 3; i++) await serve();
  const discovery = engine.discovery(server, { ttlMs: 2_000, observer: note("client") });
  things.defer(() => discovery.close());
  const client = createClient(Clerk, { discovery, observer: note("client") });
  things.defer(() => client.$.close(0));
  const isReady = (address: string): boolean =>
    client.$.endpoints().some((one) => one.address.address === address && one.status === "ready");
  await until(`${engine.name}: all three are found`, () => [...serving].every(isReady), 30_000);

  const traffic = steadyTraffic((n) => client.file({ n }));
  await sleep(500);
  await outage.run(server);
  const backMs = performance.now();
  if (outage.forgets) await enterAll();
  const newcomer = await serve();
  await until(`${engine.name}: the newcomer is found`, () => isReady(newcomer), 30_000);
  const seenAfterMs = performance.now() - backMs;
  // Whatever the engine forgot must have been entered again, or the next change would take it away.
  await sleep(1_000);
  // Who was forgotten may still be on his way, on a slow machine; who is not coming never is.
  await until(`${engine.name}: all are found`, () => [...serving].every(isReady), 15_000).catch(() => undefined);
  const { calls, failures } = await traffic.stop();

  const story = () => `${engine.name} ${outage.name}: ${failures.slice(0, 5).join("; ")}\n${events.join("\n")}`;
  assert.deepEqual([...serving].filter((address) => !isReady(address)), [], story());
  assert.equal(failures.length, 0, story());
  assert.ok(calls > 1_000, `only ${calls} calls were made`);
  assert.ok(seenAfterMs <= seenWithinMs, `${engine.name} ${outage.name}: the new server was found ` +
    `${Math.round(seenAfterMs)} ms after the engine's return, more than ${seenWithinMs}\n${story()}`);
  return { calls, failed: failures.length, seenAfterMs };
}

/** Calls at a steady rate, whether or not those before were answered (open loop), as long as the machine keeps up. */
function steadyTraffic(call: (n: number) => Promise<{ n: number }>) {
  const pending = new Set<Promise<void>>();
  const failures: string[] = [];
  const startedMs = performance.now();
  let calls = 0;
  let skipped = 0;
  const timer = setInterval(() => {
    // Timers come late on a busy machine: what is due is made up for, but never more than a burst at once.
    const due = Math.floor((performance.now() - startedMs) * callsPerSecond / 1_000) - skipped;
    const burst = Math.min(due, calls + 200);
    while (calls < burst && pending.size < maxPending) {
      const n = calls++;
      const one: Promise<void> = call(n).then((reply) => {
        if (reply.n !== n) failures.push(`call ${n} was answered with ${reply.n}`);
      }, (error: unknown) => void failures.push(String(error))).finally(() => pending.delete(one));
      pending.add(one);
    }
    if (pending.size >= maxPending) skipped += Math.max(0, due - calls);
  }, 5);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(pending);
      return { calls, failures };
    },
  };
}

async function until(what: string, holds: () => boolean, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(5);
  }
}
