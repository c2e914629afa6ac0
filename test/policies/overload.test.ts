// A server with default options, on a thread of its own, offered three times what its processor can do, over sockets.
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

const workMs = 4;
/** Calls a second below which the machine gives too little of a processor to show anything: half of what is due. */
const leastAlone = 125;
const timeoutMs = 1_000;
const factor = 3;
const criticalShare = 0.15;
const [settleMs, measureMs] = [3_000, 3_000];

interface Outcome {
  /** Calls a second, four at a time and under the load. */
  readonly alone: number;
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
    let alone = 0;
    const endMs = performance.now() + 2_000;
    await Promise.all(Array.from({ length: 4 }, async () => {
      while (performance.now() < endMs) {
        await client.work({});
        alone += 0.5;
      }
    }));
    const counts = { good: 0, shed: 0, late: 0, critical: 0, criticals: 0 };
    const beganMs = performance.now();
    const perMs = alone * factor / 1_000;
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
      alone, good: counts.good / measureMs * 1_000, critical: counts.critical / counts.criticals, shed: counts.shed,
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
      if (outcome.alone < leastAlone) {
        t.skip(`the machine did ${outcome.alone} of 250 calls a second: too busy to show anything`);
        return;
      }
      assert.ok(outcome.good >= outcome.alone * 0.6, `goodput ${outcome.good} of ${outcome.alone}`);
      assert.ok(outcome.critical >= 0.95, `critical ${outcome.critical}`);
      assert.ok(outcome.shed > outcome.late, `${outcome.shed} were shed, ${outcome.late} ran late`);
      assert.ok(outcome.events.some((event) => event.startsWith("overload.begins")), outcome.events.join("; "));
    });
  });
}
