// Offers load to a caller and measures what comes back; runs inside the client's process.
import { setTimeout as sleep } from "node:timers/promises";
import { type EchoRecord, sameRecord } from "../records.ts";
import { createHistogram, type Histogram } from "./histogram.ts";
import type { Caller } from "./system.ts";

/**
 * - `closed`: so many callers, each of which awaits its call before it makes the next;
 * - `open`: calls leave when they are due, at random times of the given mean rate, whatever became of earlier ones;
 * - `receive` and `send`: one stream of small records after another, from and to the server.
 */
export type Load =
  | { readonly kind: "closed"; readonly outstanding: number }
  | { readonly kind: "open"; readonly perSecond: number }
  | { readonly kind: "receive" }
  | { readonly kind: "send" };

export interface Timing {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface Measured {
  /** Calls answered, or messages of streams, within the measured time. */
  readonly done: number;
  readonly elapsedMs: number;
  /** Undefined for streams, whose messages nobody waits for one by one. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly cpuSeconds: number;
  /** Whether the answers kept up with the rate offered. True for every other load. */
  readonly sustained: boolean;
}

/** Reading the clock costs as much as a fast call's share of a batch, so one call in so many is timed. */
const timedOneIn = 7;
/** Every reply is checked at first, then one in so many. */
const checkedAtFirst = 10;
const checkedOneIn = 1_000;
/** An open load that has so many calls unanswered has plainly not kept up. */
const maxUnanswered = 20_000;
/** How long the answers of an open load may take after the last call left. */
const drainMs = 2_000;
const receivedStreamLength = 20_000;
/** Shorter, since messages sent count only when the server has confirmed their stream. */
const sentStreamLength = 2_000;

/** Calls `begin` when the warm-up is over; throws if a reply is wrong or a call fails. */
export async function offer(
  caller: Caller, records: readonly EchoRecord[], plan: { load: Load; timing: Timing; begin: () => void },
): Promise<Measured> {
  const { load, timing, begin } = plan;
  const meter = createMeter(begin);
  const offered: Offered = { caller, records, meter, stopped: false };
  // The first call connects those clients that wait for one, and shakes hands.
  const first = records[0] as EchoRecord;
  check(caller, 0, await caller.call(first), first);
  if (load.kind === "open") return offerOpen(offered, timing, load.perSecond);
  return measured(offered, timing, startWork(offered, load));
}

function startWork(offered: Offered, load: Exclude<Load, { kind: "open" }>): Promise<unknown> {
  if (load.kind === "receive") return receiveStreams(offered);
  if (load.kind === "send") return sendStreams(offered);
  return Promise.all(Array.from({ length: load.outstanding }, () => callInTurn(offered)));
}

interface Offered {
  readonly caller: Caller;
  readonly records: readonly EchoRecord[];
  readonly meter: Meter;
  stopped: boolean;
}

interface Meter {
  readonly latency: Histogram;
  issued: number;
  done: number;
  begin(): void;
  end(): Measured;
}

function createMeter(onBegin: () => void): Meter {
  const latency = createHistogram();
  let beganMs = 0;
  let cpu = process.cpuUsage();
  return {
    latency,
    issued: 0,
    done: 0,
    begin() {
      latency.clear();
      this.done = 0;
      cpu = process.cpuUsage();
      beganMs = performance.now();
      onBegin();
    },
    end() {
      const { user, system } = process.cpuUsage(cpu);
      return {
        done: this.done, elapsedMs: performance.now() - beganMs, cpuSeconds: (user + system) / 1e6,
        ...quantiles(latency), sustained: true,
      };
    },
  };
}

function quantiles(latency: Histogram): Pick<Measured, "p50Ms" | "p99Ms"> {
  if (latency.count === 0) return { p50Ms: undefined, p99Ms: undefined };
  return { p50Ms: latency.quantileMs(0.5), p99Ms: latency.quantileMs(0.99) };
}

/** Measures while `work` goes on, then lets it end. `work` ends by itself only if it fails. */
async function measured(offered: Offered, timing: Timing, work: Promise<unknown>): Promise<Measured> {
  await Promise.race([work, sleep(timing.warmUpMs)]);
  offered.meter.begin();
  await Promise.race([work, sleepUntil(performance.now() + timing.measureMs)]);
  const result = offered.meter.end();
  offered.stopped = true;
  await work;
  return result;
}

/** A native timer may ring up to a millisecond early; a measurement is never shorter than it says. */
async function sleepUntil(atMs: number): Promise<void> {
  for (let leftMs = atMs - performance.now(); leftMs > 0; leftMs = atMs - performance.now()) await sleep(leftMs);
}

async function callInTurn(offered: Offered): Promise<void> {
  const { caller, records, meter } = offered;
  while (!offered.stopped) {
    const turn = meter.issued++;
    const record = records[turn % records.length] as EchoRecord;
    if (turn % timedOneIn === 0) {
      const sentMs = performance.now();
      const reply = await caller.call(record);
      meter.latency.record(performance.now() - sentMs);
      check(caller, turn, reply, record);
    } else {
      check(caller, turn, await caller.call(record), record);
    }
    meter.done++;
  }
}

function check(caller: Caller, turn: number, reply: unknown, record: EchoRecord): void {
  if (turn >= checkedAtFirst && turn % checkedOneIn !== 0) return;
  if (caller.isEcho === undefined ? sameRecord(reply, record) : caller.isEcho(reply)) return;
  throw new Error(`call ${turn} came back as ${JSON.stringify(reply)?.slice(0, 300)}, sent was ` +
    JSON.stringify(record).slice(0, 300));
}

/** An open load on its way. */
interface Line {
  readonly offered: Offered;
  unanswered: number;
  measureFromMs: number;
  failure: { readonly error: unknown } | undefined;
}

/**
 * Latency runs from when a call was due, not from when it left, so that a stall counts for every call it
 * delayed. The client's process never sleeps meanwhile: a timer would only wake it to the millisecond.
 */
async function offerOpen(offered: Offered, timing: Timing, perSecond: number): Promise<Measured> {
  const { meter } = offered;
  const gapMs = exponentialGaps(1000 / perSecond);
  let now = performance.now();
  let dueMs = now;
  const line: Line = { offered, unanswered: 0, measureFromMs: now + timing.warmUpMs, failure: undefined };
  const untilMs = line.measureFromMs + timing.measureMs;
  let begun = false;
  let due = 0;
  while (now < untilMs && mayIssue(line)) {
    if (!begun && now >= line.measureFromMs) {
      begun = true;
      line.measureFromMs = now;
      meter.begin();
    }
    for (; dueMs <= now && mayIssue(line); dueMs += gapMs()) {
      if (dueMs >= line.measureFromMs) due++;
      void issue(line, dueMs);
    }
    await nextTurn();
    now = performance.now();
  }
  const answeredInTime = meter.done;
  const result = meter.end();
  const giveUpMs = now + drainMs;
  while (line.unanswered > 0 && performance.now() < giveUpMs) await sleep(5);
  if (line.failure !== undefined) throw line.failure.error;
  const sustained = begun && line.unanswered === 0 && answeredInTime >= 0.98 * due;
  return { ...result, ...quantiles(meter.latency), sustained };
}

function mayIssue({ unanswered, failure }: Line): boolean {
  return unanswered < maxUnanswered && failure === undefined;
}

async function issue(line: Line, dueMs: number): Promise<void> {
  const { caller, records, meter } = line.offered;
  const turn = meter.issued++;
  const record = records[turn % records.length] as EchoRecord;
  line.unanswered++;
  try {
    check(caller, turn, await caller.call(record), record);
  } catch (error) {
    line.failure ??= { error };
  }
  line.unanswered--;
  if (dueMs < line.measureFromMs) return;
  meter.latency.record(performance.now() - dueMs);
  meter.done++;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Gaps of a Poisson process; the same sequence for every system. */
function exponentialGaps(meanMs: number): () => number {
  let state = 0x9e37_79b9;
  return () => {
    // Mulberry32, by Tommy Ettinger, public domain.
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return -Math.log1p(-((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * meanMs;
  };
}

async function receiveStreams(offered: Offered): Promise<void> {
  const { caller, records, meter } = offered;
  if (caller.receive === undefined) throw new Error("this system does not stream to its clients");
  while (!offered.stopped) {
    let received = 0;
    for await (const message of caller.receive(receivedStreamLength)) {
      if (received % checkedOneIn === 0) check(caller, 0, message, records[0] as EchoRecord);
      received++;
      meter.done++;
    }
    if (received !== receivedStreamLength) throw new Error(`a stream ended after ${received} messages`);
  }
}

async function sendStreams(offered: Offered): Promise<void> {
  const { caller, meter } = offered;
  if (caller.send === undefined) throw new Error("this system does not stream to its servers");
  while (!offered.stopped) {
    const counted = await caller.send(sentStreamLength);
    if (counted !== sentStreamLength) throw new Error(`of ${sentStreamLength} messages the server got ${counted}`);
    meter.done += counted;
  }
}
