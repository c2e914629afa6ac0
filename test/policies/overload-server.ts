// A server whose only method takes its turn at one modelled worker: what overload.test.ts overloads.
import { parentPort, workerData } from "node:worker_threads";
import { admission } from "../../src/overload/index.ts";
import { createServer } from "../../src/server/index.ts";
import { Busy } from "./overload-contract.ts";

const { workMs } = workerData as { workMs: number };
const events: string[] = [];
let served = 0;

/**
 * One worker that takes `workMs` a call, one after the other, by timers instead of processor time: how much it can do
 * is the same on any machine. Timers are late by what the machine likes, so that what is due by the clock is done at
 * once: none of its capacity is lost to a late timer while somebody waits.
 */
const queue: ((answer: { done: boolean }) => void)[] = [];
/** When the first of the queue is done, and when the one before was. */
let dueMs = 0;
let doneMs = 0;
let timer: NodeJS.Timeout | undefined;
function turn(): void {
  timer = undefined;
  const nowMs = performance.now();
  while (queue.length > 0 && dueMs <= nowMs) {
    queue.shift()?.({ done: true });
    served++;
    doneMs = dueMs;
    dueMs += workMs;
  }
  if (queue.length > 0) timer = setTimeout(turn, Math.max(1, dueMs - nowMs));
}
const work = (): Promise<{ done: boolean }> => new Promise((resolve) => {
  const nowMs = performance.now();
  if (queue.length === 0) dueMs = Math.max(doneMs, nowMs) + workMs;
  queue.push(resolve);
  timer ??= setTimeout(turn, Math.max(1, dueMs - nowMs));
});

const server = createServer({
  metrics: false, admission: admission(),
  observer: {
    event: (name, fields) => {
      if (name.startsWith("overload")) events.push(`${name} ${String(fields["why"])}`);
    },
  },
});
server.implement(Busy, { work, critical: work });
const address = await server.listen();
parentPort?.on("message", () => {
  parentPort?.postMessage({ events, served }, []);
  void server.close(0).then(() => parentPort?.close());
});
parentPort?.postMessage({ address }, []);
