/**
 * Stalls: how long the machine let a process stand still that had something to do. What a test promises in seconds
 * can only be seen where seconds are to be had, so a scenario that failed while there were none is run once more.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";

export interface Stalls {
  /** The longest time that a thread, which had 5 ms of work and nothing to wait for, stood still. */
  readonly worstMs: number;
  /** What such a thread got of a processor, on average: 1 on a quiet machine. */
  readonly share: number;
  /** The longest time for which this process' own event loop was held up, by the machine or by what it runs. */
  readonly loopMs: number;
}

/** Above the first or below the second, a scenario that failed says little of what it tests. */
const stalledMs = 1_000;
const starvedShare = 0.6;
/** What a machine must give before a scenario is run once more, or it has had half a minute to calm. */
const calmShare = 0.8;
const calmWithinMs = 30_000;

// A thread of its own: what holds up the main thread may be what is tested.
const probe = `
  const { parentPort } = require("node:worker_threads");
  const usedMs = () => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1_000; };
  let worstMs = 0, wallMs = 0, workMs = 0;
  let dueMs = performance.now() + 50;
  setInterval(() => {
    const fromMs = usedMs();
    while (usedMs() < fromMs + 5);
    const nowMs = performance.now();
    const spentMs = usedMs() - fromMs;
    worstMs = Math.max(worstMs, nowMs - dueMs - spentMs);
    wallMs += Math.max(nowMs - dueMs, spentMs);
    workMs += spentMs;
    dueMs = nowMs + 50;
    parentPort.postMessage({ worstMs, share: workMs / wallMs });
  }, 50);`;

/** Watches the machine until it is stopped. */
export async function watchStalls(): Promise<{ stop(): Promise<Stalls> }> {
  const worker = new Worker(probe, { eval: true });
  worker.unref();
  let figures: Omit<Stalls, "loopMs"> = { worstMs: 0, share: 1 };
  worker.on("message", (latest: typeof figures) => {
    figures = latest;
  });
  await once(worker, "message");
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  return {
    async stop() {
      loop.disable();
      // What it says next is of the standstill that may have just ended.
      await once(worker, "message");
      await sleep(0);
      await worker.terminate();
      return { ...figures, loopMs: loop.max / 1e6 };
    },
  };
}

/**
 * Runs a scenario that promises times. If it fails while the machine stood still for more than a second, or gave us
 * less than 60 % of a processor, it is run once more when the machine has calmed, or after half a minute; that
 * counts. A failure tells what the machine did meanwhile.
 */
export async function onMachine<T>(
  scenario: () => Promise<T>, watch: () => Promise<{ stop(): Promise<Stalls> }> = watchStalls,
): Promise<T> {
  for (let isFirst = true; ; isFirst = false) {
    const watched = await watch();
    const outcome = await scenario().then((value) => ({ value }), (error: unknown) => ({ error }));
    const stalls = await watched.stop();
    if ("value" in outcome) return outcome.value;
    const plainMs = await plainStart();
    const said = `meanwhile the machine let a ready thread stand still for up to ${Math.round(stalls.worstMs)} ms, ` +
      `and gave it ${stalls.share.toFixed(2)} of a processor; this event loop was held up for up to ` +
      `${Math.round(stalls.loopMs)} ms; a plain \`node -e 0\` took ${Math.round(plainMs)} ms`;
    if (!isFirst || !wasBusy(stalls)) throw new Error(`${messageOf(outcome.error)}\n${said}`, { cause: outcome.error });
    console.error(`once more, since it failed (${messageOf(outcome.error).slice(0, 300)}) on a busy machine: ${said}`);
    await calm(watch);
  }
}

function wasBusy({ worstMs, share }: Stalls): boolean {
  return worstMs > stalledMs || share < starvedShare;
}

async function calm(watch: typeof watchStalls): Promise<void> {
  for (const untilMs = performance.now() + calmWithinMs; performance.now() < untilMs;) {
    const watched = await watch();
    await sleep(1_000);
    const { worstMs, share } = await watched.stop();
    if (worstMs < stalledMs / 10 && share > calmShare) return;
  }
}

/** How long the smallest program of Node takes, in milliseconds: 40 on a quiet machine. */
async function plainStart(): Promise<number> {
  const fromMs = performance.now();
  await once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit");
  return performance.now() - fromMs;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
