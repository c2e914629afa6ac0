/**
 * Completion records in the memory of one process: for a service that has one server, or whose calls with one key go
 * to one server. Whatever another server ran, and whatever ran before this process began, it does not know.
 *
 * Bounded by bytes and by records. When it is full the oldest records leave, and the stamp of the latest of them is
 * from then on the horizon: keys from before it are forgotten, not new. Records of keys without a stamp cannot be
 * forgotten so; they stay until they expire, and where they take half of the room, new such keys are refused.
 */
import { numberOption, RpcError } from "../core/index.ts";
import { RecordLog } from "./record-log.ts";
import type { Claim, ClaimAnswer, ReplayCall, ReplayStore } from "./store.ts";

export interface MemoryReplayOptions {
  /** Most memory for records and their index, in bytes. Default 64 MiB. */
  readonly maxBytes?: number | undefined;
  /** Most records. Default 1,000,000. */
  readonly maxRecords?: number | undefined;
  /**
   * Since when it knows of all calls, in milliseconds since 1970: keys from before are forgotten. Default the time of
   * its first call, since what this service did before this process began is not known here.
   */
  readonly bornMs?: number | undefined;
}

export interface MemoryReplayStore extends ReplayStore<() => unknown> {
  /** Records of ended calls, claims of running ones, and bytes in use. */
  readonly figures: { readonly records: number; readonly running: number; readonly bytes: number };
}

interface Running {
  readonly call: ReplayCall;
  fence: number;
  leaseEndsMs: number;
}

/** Makes a store. It is asked the time by those who call it. */
export function memoryReplayStore(options: MemoryReplayOptions = {}): MemoryReplayStore {
  return new MemoryStore(options);
}

class MemoryStore implements MemoryReplayStore {
  readonly name = "memory";
  readonly #maxBytes: number;
  readonly #maxRecords: number;
  readonly #log: RecordLog;
  readonly #running = new Map<string, Running>();
  #bornMs: number | undefined;
  /** Keys with earlier stamps that are not here were dropped, or may have been. */
  #horizonMs = -Infinity;
  #lastFence = 0;

  constructor({ maxBytes = 64 << 20, maxRecords = 1_000_000, bornMs }: MemoryReplayOptions) {
    this.#maxBytes = numberOption("maxBytes", maxBytes, { least: 131_072, whole: true, unit: "bytes" });
    this.#maxRecords = numberOption("maxRecords", maxRecords, { least: 1, whole: true });
    this.#bornMs = bornMs;
    this.#log = new RecordLog(this.#maxBytes);
  }

  get figures(): MemoryReplayStore["figures"] {
    return { records: this.#log.size, running: this.#running.size, bytes: this.#log.memoryBytes };
  }

  claim(call: ReplayCall): ClaimAnswer {
    const { key, nowMs, stampMs } = call;
    const bornMs = this.#bornMs ??= nowMs;
    const other = this.#running.get(key);
    if (other !== undefined) return this.#claimRunning(call, other);
    const ended = this.#ended(call);
    if (ended !== undefined) return ended;
    if (stampMs === undefined) {
      if (this.#isFullOfUnstamped()) return { kind: "full" };
    } else {
      if (stampMs > nowMs + call.clockSkewMs) return { kind: "ahead", byMs: stampMs - nowMs };
      if (isForgotten(stampMs, call, this.#horizonMs, bornMs)) return { kind: "forgotten" };
    }
    if (this.#running.size >= this.#maxRecords) return { kind: "full" };
    return this.#claimed(call, undefined);
  }

  #ended({ key, method, fingerprint, nowMs }: ReplayCall): ClaimAnswer | undefined {
    const record = this.#log.find(key);
    if (record === undefined) return undefined;
    if (!record.isStamped && record.expiresMs <= nowMs) {
      this.#log.remove(key);
      return undefined;
    }
    return record.method === method && record.fingerprint === fingerprint
      ? { kind: "done", outcome: record.outcome.slice() }
      : { kind: "reused", method: record.method };
  }

  #claimRunning(call: ReplayCall, other: Running): ClaimAnswer {
    if (other.call.method !== call.method || other.call.fingerprint !== call.fingerprint) {
      return { kind: "reused", method: other.call.method };
    }
    if (other.leaseEndsMs > call.nowMs) return { kind: "running" };
    return call.takesOver ? this.#claimed(call, other) : { kind: "abandoned" };
  }

  #claimed(call: ReplayCall, other: Running | undefined): ClaimAnswer {
    const fence = this.#lastFence = Math.max(this.#lastFence, other?.fence ?? 0) + 1;
    this.#running.set(call.key, { call, fence, leaseEndsMs: call.nowMs + call.leaseMs });
    return { kind: "claimed", fence };
  }

  complete(held: Claim, outcome: Uint8Array): boolean {
    if (this.#held(held) === undefined) return false;
    const { key, method, fingerprint, stampMs, nowMs, retentionMs } = held.call;
    this.#running.delete(key);
    this.#makeRoom(nowMs, outcome.length + 3 * key.length + 128);
    const expiresMs = (stampMs === undefined ? nowMs : Math.min(stampMs, nowMs)) + retentionMs;
    this.#log.append({ key, method, fingerprint, stampMs, expiresMs, outcome });
    return true;
  }

  release(held: Claim): void {
    if (this.#held(held) !== undefined) this.#running.delete(held.call.key);
  }

  renew(held: Claim, nowMs: number): boolean {
    const mine = this.#held(held);
    if (mine === undefined) return false;
    mine.leaseEndsMs = nowMs + held.call.leaseMs;
    return true;
  }

  record(held: Claim | undefined, outcome: Uint8Array, effect: () => unknown): Promise<unknown> {
    return new Promise((resolve) => {
      if (held !== undefined && this.#held(held) === undefined) throw claimLost();
      const answer = effect();
      if (held !== undefined) this.complete(held, outcome);
      resolve(answer);
    });
  }

  sweep(nowMs: number): void {
    while (this.#log.oldestExpiresMs <= nowMs) this.#drop(nowMs);
  }

  #held({ call, fence }: Claim): Running | undefined {
    const mine = this.#running.get(call.key);
    return mine?.fence === fence ? mine : undefined;
  }

  #makeRoom(nowMs: number, recordBytes: number): void {
    const log = this.#log;
    this.sweep(nowMs);
    // Once round at most: what may not be dropped is appended again.
    for (let left = log.segments; left > 0; left--) {
      if (log.size < this.#maxRecords && log.memoryBytes + log.growthFor(recordBytes) <= this.#maxBytes) return;
      this.#drop(nowMs);
    }
  }

  #drop(nowMs: number): void {
    const droppedMs = this.#log.dropOldest(nowMs, (entry) => void this.#log.append(entry));
    this.#horizonMs = Math.max(this.#horizonMs, droppedMs + 1);
  }

  /** Records without a stamp cannot be dropped early: they get half of the room. */
  #isFullOfUnstamped(): boolean {
    return this.#log.unstampedBytes * 2 > this.#maxBytes || this.#log.unstamped * 2 > this.#maxRecords;
  }
}

/**
 * Whether a key that a store has no record of may have had one: it is from before the horizon, up to which records were
 * dropped, or from before the store was born. The birth is by the store's clock and the stamp by the caller's; where
 * they are too close to tell, a first attempt is its own witness.
 */
function isForgotten(
  stampMs: number, { clockSkewMs, isFirst }: ReplayCall, horizonMs: number, bornMs: number,
): boolean {
  if (stampMs < horizonMs) return true;
  return stampMs < bornMs + clockSkewMs && !(isFirst && stampMs >= bornMs - clockSkewMs);
}

/** Another server took the claim over: what was to be written must not be. */
export function claimLost(): RpcError {
  return new RpcError("aborted", "the claim on this idempotency key was taken over by another server: undo what was " +
    "not written yet, and write nothing more", { reason: "ClaimLost", retryable: false, phase: "handler" });
}
