// A server process stands still by SIGSTOP under calls over sockets, and goes on: what came meanwhile is worked off,
// and nobody is turned away. Its modelled worker takes its time by timers, so that the load is the same on any machine.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../../src/client/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { grpc, native, type Protocol } from "../../src/protocol/index.ts";
import { onMachine } from "../machine/stalls.ts";
import { Busy } from "./overload-contract.ts";

const workMs = 5;
/** Calls a second: six in ten of what the worker can do. */
const perSecond = 0.6 * 1_000 / workMs;
const timeoutMs = 30_000;
const [calmMs, afterMs] = [1_500, 4_000];

interface Outcome {
  readonly good: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly events: readonly string[];
}

/** Calls at a steady rate, while the server, or the server and its caller, stand still for a time. */
async function standstill(protocol: Protocol, stoppedMs: number, isMachineWide: boolean): Promise<Outcome> {
  const server = fork(new URL("overload-process.ts", import.meta.url), [String(workMs)], { stdio: "inherit" });
  try {
    const { address } = await said<{ address: string }>(server);
    // No heartbeat ends a connection whose peer stands still, and nothing is sent twice: the server is tested.
    const client = createClient(Busy, {
      address, protocol, timeoutMs, retry: false, hedge: false, throttle: false, outliers: false, metrics: false,
    });
    const counts = { good: 0, codes: {} as Record<string, number> };
    const pending = new Set<Promise<void>>();
    const beganMs = performance.now();
    let made = 0;
    let isStopped = false;
    const callUntil = async (untilMs: number): Promise<void> => {
      for (let elapsedMs = performance.now() - beganMs; elapsedMs < untilMs; elapsedMs = performance.now() - beganMs) {
        const dueCalls = isStopped ? made : elapsedMs * perSecond / 1_000;
        for (; made < dueCalls; made++) {
          const call = client[made % 10 === 0 ? "critical" : "work"]({}).then(() => void counts.good++, (error) => {
            const { code } = RpcError.from(error);
            counts.codes[code] = (counts.codes[code] ?? 0) + 1;
          }).finally(() => pending.delete(call));
          pending.add(call);
        }
        await sleep(2);
      }
    };
    await callUntil(calmMs);
    server.kill("SIGSTOP");
    isStopped = isMachineWide;
    await callUntil(calmMs + stoppedMs);
    server.kill("SIGCONT");
    isStopped = false;
    await callUntil(calmMs + stoppedMs + afterMs);
    await Promise.all(pending);
    client.$.close(0);
    return { ...counts, events: await eventsOf(server) };
  } finally {
    server.kill("SIGKILL");
  }
}

async function eventsOf(server: ChildProcess): Promise<string[]> {
  server.send("tell");
  return (await said<{ events: string[] }>(server)).events;
}

/** The next that a server says; one that ends says nothing more. */
async function said<Message>(server: ChildProcess): Promise<Message> {
  const heard = new AbortController();
  const { signal } = heard;
  try {
    return await Promise.race([
      once(server, "message", { signal }).then(([message]) => message as Message),
      once(server, "exit", { signal }).then(([code, by]) => {
        throw new Error(`the server ended: ${String(code ?? by)}`);
      }),
    ]);
  } finally {
    heard.abort();
  }
}

// Side by side: they mostly wait.
describe("standstills over sockets", { concurrency: true }, () => {
  for (const [protocol, stoppedMs, isMachineWide] of [
    [native(), 500, false], [native(), 2_000, false], [native(), 2_000, true], [grpc(), 2_000, false],
  ] as const) {
    const who = isMachineWide ? "server and caller" : "the server";
    test(`over ${protocol.name} ${who} stood still for ${stoppedMs} ms: nobody is turned away`, async (t) => {
      await onMachine(async () => {
        const outcome = await standstill(protocol, stoppedMs, isMachineWide);
        t.diagnostic(JSON.stringify(outcome));
        assert.deepEqual(outcome.codes, {}, JSON.stringify(outcome));
      });
    });
  }
});
