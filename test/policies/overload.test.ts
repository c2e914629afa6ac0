// A server under admission, on a thread of its own, offered three times what its modelled worker can do, over
// sockets. The worker takes its time by timers, so that the capacity is the same on any machine.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { createClient } from "../../src/client/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { grpc, native, type Protocol } from "../../src/protocol/index.ts";
import { onMachine } from "../machine/stalls.ts";
import { Busy } from "./overload-contract.ts";

const workMs = 20;
/** Calls a second. */
const capacity = 1_000 / workMs;
const timeoutMs = 1_000;
const factor = 3;
const criticalShare = 0.15;
const [calmMs, settleMs, measureMs] = [1_000, 2_500, 4_000];

interface Outcome {
  /** Good calls a second, and the share of the critical ones that are good. */
  readonly good: number;
  readonly critical: number;
  readonly shed: number;
  readonly late: number;
  readonly events: readonly string[];
}

async function overload(protocol: Protocol): Promise<Outcome> {
  const worker = new Worker(new URL("overload-server.ts", import.meta.url), { workerData: { workMs } });
  const [{ address }] = await once(worker, "message") as [{ address: string }];
  const client = createClient(Busy, { address, protocol, timeoutMs, retry: false, throttle: false, metrics: false });
  try {
    // In peace first: what calls take when there is room is what a limit is found by.
    const calmUntilMs = performance.now() + calmMs;
    while (performance.now() < calmUntilMs) await client.work({});
    const counts = { good: 0, shed: 0, late: 0, critical: 0, criticals: 0 };
    const beganMs = performance.now();
    const perMs = capacity * factor / 1_000;
    const pending = new Set<Promise<void>>();
    for (let made = 0, elapsedMs = 0; elapsedMs < settleMs + measureMs; elapsedMs = performance.now() - beganMs) {
      for (; made < elapsedMs * perMs; made++) {
        const isCritical = made % 100 < criticalShare * 100;
        const counted = elapsedMs >= settleMs;
        if (counted && isCritical) counts.criticals++;
        const call = client[isCritical ? "critical" : "work"]({}).then(() => {
          if (counted) counts.good++;
          if (counted && isCritical) counts.critical++;
        }, (error: unknown) => {
          if (counted) counts[RpcError.is(error) && error.code === "resource_exhausted" ? "shed" : "late"]++;
        }).finally(() => pending.delete(call));
        pending.add(call);
      }
      await sleep(2);
    }
    await Promise.all(pending);
    worker.postMessage("end", []);
    const [{ events }] = await once(worker, "message") as [{ events: string[] }];
    return {
      good: counts.good / measureMs * 1_000, critical: counts.critical / counts.criticals, shed: counts.shed,
      late: counts.late, events,
    };
  } finally {
    client.$.close(0);
    await worker.terminate();
  }
}

for (const protocol of [native(), grpc()]) {
  test(`three times overload over ${protocol.name}: what can be done is done, and the critical first`, async (t) => {
    await onMachine(async () => {
      const outcome = await overload(protocol);
      t.diagnostic(JSON.stringify(outcome));
      assert.ok(outcome.good >= 0.9 * capacity, `goodput ${outcome.good} of ${capacity} a second`);
      assert.ok(outcome.critical >= 0.99, `critical ${outcome.critical}`);
      assert.ok(outcome.shed > outcome.late, `${outcome.shed} were shed, ${outcome.late} ran late`);
      assert.ok(outcome.events.some((event) => event.startsWith("overload.begins")), outcome.events.join("; "));
    });
  });
}
