/**
 * Outlier detection takes endpoints out of service by what happened to our own calls, without asking them.
 *
 * Envoy's and gRPC's (A50): failures in a row at once; success rate and share of failures once per interval. An
 * ejection lasts longer each time; never more than a part of the set is out. What is seen while this process
 * itself stalled speaks against nobody.
 */
import { Alarm, type Clock, type Runtime } from "../core/index.ts";
import type { LoopGuard } from "./loop-guard.ts";
import {
  failureShareOutliers, type FailureShareOptions, successRateOutliers, type SuccessRateOptions,
} from "./outlier-statistics.ts";

export interface OutlierOptions {
  /** Failures in a row that eject at once; Infinity for never. Default 5. */
  readonly consecutiveFailures?: number;
  /** How often the statistics are looked at, in milliseconds. Default 10,000. */
  readonly intervalMs?: number;
  /** How long a first ejection lasts, in milliseconds; a second lasts twice as long. Default 30,000. */
  readonly baseEjectionMs?: number;
  /** Longest ejection, in milliseconds. Default 300,000. */
  readonly maxEjectionMs?: number;
  /** Part of the set that may be out for failures in a row: strong evidence. Default, and at most, 0.5. */
  readonly maxEjectedShare?: number;
  /** Part of the set beyond which statistics alone eject nobody (but one may always be out). Default 0.1. */
  readonly maxStatisticalShare?: number;
  /** The success rate test; false switches it off. */
  readonly successRate?: SuccessRateOptions | false;
  /** The share of failures test; false switches it off. */
  readonly failureShare?: FailureShareOptions | false;
  /** Tells of stalls of our own, during which nothing is held against anybody. */
  readonly loopGuard?: Pick<LoopGuard, "stalledRecently"> | undefined;
  /** How long after a stall evidence is still disregarded, in milliseconds. Default 500. */
  readonly stallWindowMs?: number;
  /** Most members told apart. Default 100,000; further ones are never ejected. */
  readonly maxMembers?: number;
}

/** Hears of every ejection and return. May be called within `attemptEnded` and from a timer. */
export type EjectionChanged = (id: string, ejected: boolean, why: string) => void;

/** One endpoint's record: hold on to it to spare the look-up by id. */
export interface OutlierMember {
  readonly id: string;
  /** `failed` means a failure that speaks against the endpoint. */
  attemptEnded(failed: boolean, nowMs: number): void;
  isEjected(): boolean;
}

export interface OutlierDetector {
  /** The record of an endpoint, made on first sight. */
  member(id: string): OutlierMember;
  attemptEnded(id: string, failed: boolean, nowMs: number): void;
  isEjected(id: string): boolean;
  /** Forgets everybody else. Call it with each snapshot. */
  retain(ids: Iterable<string>): void;
  /** Forgets one. */
  forget(id: string): void;
  /** How many are out now. */
  readonly ejectedCount: number;
  /** Stops the timer. Nobody is let back by it. */
  close(): void;
}

type Settings = Required<Omit<OutlierOptions, "loopGuard">> & Pick<OutlierOptions, "loopGuard">;

/** Makes a detector for one set of endpoints. `changed` is where ejections take effect. */
export function outlierDetection(
  runtime: Pick<Runtime, "clock">, options: OutlierOptions, changed: EjectionChanged,
): OutlierDetector {
  return new Detector(runtime.clock, {
    consecutiveFailures: options.consecutiveFailures ?? 5,
    intervalMs: options.intervalMs ?? 10_000,
    baseEjectionMs: options.baseEjectionMs ?? 30_000,
    maxEjectionMs: options.maxEjectionMs ?? 300_000,
    maxEjectedShare: Math.min(0.5, options.maxEjectedShare ?? 0.5),
    maxStatisticalShare: Math.min(0.5, options.maxStatisticalShare ?? 0.1),
    successRate: options.successRate ?? {},
    failureShare: options.failureShare ?? {},
    loopGuard: options.loopGuard,
    stallWindowMs: options.stallWindowMs ?? 500,
    maxMembers: options.maxMembers ?? 100_000,
  }, changed);
}

class Detector extends Alarm implements OutlierDetector {
  readonly #clock: Clock;
  readonly #settings: Settings;
  readonly #changed: EjectionChanged;
  readonly #members = new Map<string, Member>();
  readonly #ejected = new Set<Member>();
  #sweepAtMs: number;
  #closed = false;

  constructor(clock: Clock, settings: Settings, changed: EjectionChanged) {
    super();
    this.keepsAlive = false;
    this.#clock = clock;
    this.#settings = settings;
    this.#changed = changed;
    this.#sweepAtMs = clock.now() + settings.intervalMs;
    this.#setAlarm();
  }

  get ejectedCount(): number {
    return this.#ejected.size;
  }

  member(id: string): OutlierMember {
    let member = this.#members.get(id);
    if (member === undefined) {
      member = new Member(id, this);
      if (this.#members.size < this.#settings.maxMembers) this.#members.set(id, member);
    }
    return member;
  }

  attemptEnded(id: string, failed: boolean, nowMs: number): void {
    this.member(id).attemptEnded(failed, nowMs);
  }

  isEjected(id: string): boolean {
    return this.#members.get(id)?.isEjected() ?? false;
  }

  retain(ids: Iterable<string>): void {
    const kept = new Set(ids);
    for (const member of this.#members.values()) {
      if (!kept.has(member.id)) this.forget(member.id);
    }
    for (const id of kept) this.member(id);
  }

  forget(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    this.#ejected.delete(member);
  }

  close(): void {
    this.#closed = true;
    this.#clock.clear(this);
  }

  /** A member says that it failed so many times in a row. */
  failedInARow(member: Member, nowMs: number): void {
    const { consecutiveFailures, maxEjectedShare } = this.#settings;
    if (member.consecutive < consecutiveFailures || member.isEjected()) return;
    const isMember = this.#members.get(member.id) === member;
    if (!isMember || this.#ejected.size + 1 > this.#members.size * maxEjectedShare) return;
    this.#eject(member, nowMs, `${member.consecutive} failures in a row`);
  }

  /** Whether what happens now may be due to us. */
  isStalled(): boolean {
    const { loopGuard, stallWindowMs } = this.#settings;
    return loopGuard?.stalledRecently(stallWindowMs) ?? false;
  }

  override ring(): void {
    const now = this.#clock.now();
    if (now >= this.#sweepAtMs) {
      this.#sweep(now);
      this.#sweepAtMs = now + this.#settings.intervalMs;
    }
    // After the sweep, so that the interval an ejection ends in is not taken for a clean one.
    for (const member of this.#ejected) {
      if (now < member.ejectedUntilMs) continue;
      this.#ejected.delete(member);
      member.ejectedUntilMs = 0;
      member.reset();
      this.#changed(member.id, false, "ejection over");
    }
    this.#setAlarm();
  }

  #sweep(now: number): void {
    const { successRate, failureShare } = this.#settings;
    const judged = [...this.#members.values()].filter((member) => !member.isEjected());
    if (!this.isStalled()) {
      if (successRate !== false) {
        this.#ejectSome(judged, successRateOutliers(judged, successRate), now, "success rate below the others'");
      }
      if (failureShare !== false) {
        this.#ejectSome(judged, failureShareOutliers(judged, failureShare), now, "most attempts failed");
      }
    }
    for (const member of judged) {
      if (!member.isEjected() && member.ejections > 0) member.ejections--;
      member.succeeded = member.failed = 0;
    }
  }

  #ejectSome(judged: readonly Member[], outliers: readonly number[], now: number, why: string): void {
    const { maxStatisticalShare, maxEjectedShare } = this.#settings;
    const total = this.#members.size;
    // One may always be out, as long as that is not more than half of all.
    const most = Math.min(Math.max(1, total * maxStatisticalShare), total * maxEjectedShare);
    for (const index of outliers) {
      const member = judged[index] as Member;
      if (this.#ejected.size + 1 > most) return;
      if (!member.isEjected()) this.#eject(member, now, why);
    }
  }

  #eject(member: Member, now: number, why: string): void {
    const { baseEjectionMs, maxEjectionMs } = this.#settings;
    member.ejections++;
    member.ejectedUntilMs = now + Math.min(baseEjectionMs * member.ejections, Math.max(baseEjectionMs, maxEjectionMs));
    this.#ejected.add(member);
    this.#setAlarm();
    this.#changed(member.id, true, why);
  }

  #setAlarm(): void {
    if (this.#closed) return;
    let at = this.#sweepAtMs;
    for (const member of this.#ejected) at = Math.min(at, member.ejectedUntilMs);
    this.#clock.set(this, at);
  }
}

class Member implements OutlierMember {
  readonly id: string;
  readonly #detector: Detector;
  consecutive = 0;
  succeeded = 0;
  failed = 0;
  /** Multiplier of the next ejection's length; a clean interval takes one off. */
  ejections = 0;
  /** 0 while in service. */
  ejectedUntilMs = 0;

  constructor(id: string, detector: Detector) {
    this.id = id;
    this.#detector = detector;
  }

  attemptEnded(failed: boolean, nowMs: number): void {
    if (!failed) {
      this.succeeded++;
      this.consecutive = 0;
      return;
    }
    if (this.#detector.isStalled()) return;
    this.failed++;
    this.consecutive++;
    this.#detector.failedInARow(this, nowMs);
  }

  isEjected(): boolean {
    return this.ejectedUntilMs > 0;
  }

  reset(): void {
    this.consecutive = this.succeeded = this.failed = 0;
  }
}
