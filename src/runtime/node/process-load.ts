/**
 * Process load is what a server says of its own process: processor, memory, event loop, calls a second.
 *
 * The process is looked at when somebody asks, at most ten times a second however many servers it runs, and
 * never on a call's way. Processor and rates are moving averages over about a second: single tenths of a
 * second would send clients to and fro.
 */
import { availableParallelism, totalmem } from "node:os";
import { performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { RpcError } from "../../core/error.ts";
import type { LoadReport } from "../../core/load.ts";
import type { Observer } from "../../core/observer.ts";

/** What the reports of one server are made from. */
export interface ProcessLoad {
  /** The report for a server that is handling `inFlight` calls now. */
  (inFlight: number): LoadReport;
  /** Counts the server's calls: the server must be given it, or no calls show in the reports. */
  readonly observer: Observer;
}

/** Figures that are younger than this are told again. */
const freshMs = 100;
/** Time constant of the averages. */
const averageMs = 1_000;

/** Makes the load function of one server. */
export function processLoad(): ProcessLoad {
  const figures = shared ??= watchProcess();
  let calls = 0;
  let failed = 0;
  let sampledMs = performance.now();
  let callsPerSecond = 0;
  let errorsPerSecond = 0;

  const count = (_context: unknown, _latencyMs: number, error: RpcError | undefined): void => {
    calls++;
    if (error !== undefined) failed++;
  };
  const report = (inFlight: number): LoadReport => {
    const { cpu, memory, loopLagMs } = figures();
    const elapsedMs = performance.now() - sampledMs;
    if (elapsedMs >= freshMs) {
      sampledMs += elapsedMs;
      callsPerSecond = averaged(callsPerSecond, calls / elapsedMs * 1_000, elapsedMs);
      errorsPerSecond = averaged(errorsPerSecond, failed / elapsedMs * 1_000, elapsedMs);
      calls = failed = 0;
    }
    return { cpu, memory, inFlight, callsPerSecond, errorsPerSecond, loopLagMs };
  };
  return Object.assign(report, { observer: { handled: count } });
}

function averaged(before: number, value: number, elapsedMs: number): number {
  return value + (before - value) * Math.exp(-elapsedMs / averageMs);
}

type ProcessFigures = Pick<LoadReport, "cpu" | "memory" | "loopLagMs">;

/** The figures of this process, which its servers share. */
let shared: (() => ProcessFigures) | undefined;

function watchProcess(): () => ProcessFigures {
  const memoryInUse = watchMemory();
  const loopLag = watchLoop();
  const cores = availableParallelism();
  let sampledMs = performance.now();
  let cpuUsage = process.cpuUsage();
  let loopUse = performance.eventLoopUtilization();
  let figures: ProcessFigures = { cpu: 0, memory: 0, loopLagMs: 0 };

  return () => {
    const nowMs = performance.now();
    const elapsedMs = nowMs - sampledMs;
    if (elapsedMs < freshMs) return figures;
    const { user, system } = process.cpuUsage(cpuUsage);
    const cpuShare = (user + system) / 1_000 / elapsedMs / cores;
    const loopShare = performance.eventLoopUtilization(loopUse).utilization;
    sampledMs = nowMs;
    cpuUsage = process.cpuUsage();
    loopUse = performance.eventLoopUtilization();
    figures = {
      // Handlers run on one event loop: a server whose loop is always busy is full, however many cores are idle.
      cpu: averaged(figures.cpu, Math.min(1, Math.max(cpuShare, loopShare)), elapsedMs),
      memory: memoryInUse(nowMs),
      loopLagMs: loopLag(nowMs),
    };
    return figures;
  };
}

/** Memory moves slowly and costs 60 microseconds to ask for, so it is asked for once a second. */
const memoryFreshMs = 1_000;

function watchMemory(): (nowMs: number) => number {
  const heapLimit = getHeapStatistics().heap_size_limit;
  // What a container may use; without a limit it is a number larger than the machine, or 0.
  const constrained = process.constrainedMemory();
  const memoryLimit = constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  let readMs = -Infinity;
  let share = 0;
  return (nowMs) => {
    if (nowMs - readMs < memoryFreshMs) return share;
    readMs = nowMs;
    const { heapUsed, rss } = process.memoryUsage();
    return share = Math.min(1, Math.max(heapUsed / heapLimit, rss / memoryLimit));
  };
}

/** How often the event loop is looked at, and how long after anybody asked. */
const lookEveryMs = 50;
const lookForMs = 5_000;

/**
 * The worst lateness of a timer since it was asked for last. (The histogram of `monitorEventLoopDelay` would
 * lose the delay that follows each reset, which is the one that a busy server has.)
 */
function watchLoop(): (nowMs: number) => number {
  let dueMs = 0;
  let askedMs = 0;
  let worstMs = 0;
  let isLooking = false;

  const look = (): void => {
    const nowMs = performance.now();
    worstMs = Math.max(worstMs, nowMs - dueMs);
    isLooking = nowMs - askedMs < lookForMs;
    if (isLooking) lookLater(nowMs);
  };
  const lookLater = (nowMs: number): void => {
    dueMs = nowMs + lookEveryMs;
    setTimeout(look, lookEveryMs).unref();
  };
  return (nowMs) => {
    askedMs = nowMs;
    const lagMs = Math.max(worstMs, isLooking ? nowMs - dueMs : 0);
    worstMs = 0;
    if (!isLooking) {
      isLooking = true;
      lookLater(nowMs);
    }
    // A native timer is up to a millisecond late by design.
    return lagMs < 1 ? 0 : lagMs;
  };
}
