/**
 * Outlier detection takes endpoints out of service by what happened to our own calls, without asking them.
 *
 * Failures in a row count at once. Failures and slowness beyond those of its peers are weighed a few times a second by
 * a sequential test (`sequential-test.ts`), so that one in ten errors, or a server many times slower, is out within a
 * second or so of steady traffic, while an even crowd loses nobody however high its error rate. What everybody suffers
 * speaks against nobody, and so does what was seen while this process itself stalled. An ejection lasts longer each
 * time; never more than a part of the set is out. The forms of Envoy and gRPC (A50) can be had beside it.
 */
import { Alarm, type Clock, type Runtime } from "../core/index.ts";
import type { LoopGuard } from "./loop-guard.ts";
import { OutlierMembers } from "./outlier-members.ts";
import { OutlierRecord } from "./outlier-record.ts";
import type { FailureShareOptions, SuccessRateOptions } from "./outlier-statistics.ts";

export interface OutlierOptions {
  /**
   * Failures in a row that eject at once; Infinity for never. More are asked for while the peers fail too, so that a
   * row by chance ejects nobody. Default 5.
   */
  readonly consecutiveFailures?: number;
  /** Failing more often than its peers; false switches it off. */
  readonly failureRate?: FailureRateOptions | false;
  /** Being slower than its peers; false switches it off. */
  readonly latency?: LatencyOptions | false;
  /** How sure both must be, in nats: 12 is odds of 160,000 to 1 for each beginning of a doubt. Default 12. */
  readonly certainty?: number;
  /** How often they are looked at while there is traffic, in milliseconds. Default 250. */
  readonly intervalMs?: number;
  /** How long a first ejection lasts, in milliseconds; a second lasts twice as long. Default 30,000. */
  readonly baseEjectionMs?: number;
  /** Longest ejection, in milliseconds. Default 300,000. */
  readonly maxEjectionMs?: number;
  /** Part of the set that may be out for failures in a row: strong evidence. Default, and at most, 0.5. */
  readonly maxEjectedShare?: number;
  /** Part of the set beyond which statistics alone eject nobody (but one may always be out). Default 0.3. */
  readonly maxStatisticalShare?: number;
  /**
   * Envoy's success rate test, so many deviations below the mean, once a window. Default false: of an even crowd
   * that fails now and then it convicts somebody in most windows.
   */
  readonly successRate?: SuccessRateOptions | false;
  /** Envoy's failure percentage test, once a window. Default false: `failureRate` sees the same sooner. */
  readonly failureShare?: FailureShareOptions | false;
  /** The window of these two, in milliseconds. Default 10,000. */
  readonly windowMs?: number;
  /** Tells of stalls of our own, during which nothing is held against anybody. */
  readonly loopGuard?: Pick<LoopGuard, "stalledRecently"> | undefined;
  /**
   * Whether the others could do without it: who fails because all are overloaded would, kept out, leave them with its
   * share as well. Asked before an ejection, and while it lasts. Default: yes.
   */
  readonly isDispensable?: ((id: string) => boolean) | undefined;
  /** How long after a stall evidence is still disregarded, in milliseconds. Default 500. */
  readonly stallWindowMs?: number;
  /** Most members told apart. Default 100,000; further ones are never ejected. */
  readonly maxMembers?: number;
}

export interface FailureRateOptions {
  /** A share of failures no higher than the peers' and this is in order. So is half as much again. Default 0.003. */
  readonly minGap?: number;
}

export interface LatencyOptions {
  /** A median so many times that of the peers stands out; twice that where there is but one peer. Default 3. */
  readonly factor?: number;
  /** It must also be longer by so much, in milliseconds. Default 5. */
  readonly minGapMs?: number;
}

/** Hears of every ejection and return. May be called within `attemptEnded` and from a timer. */
export type EjectionChanged = (id: string, ejected: boolean, why: string) => void;

/** One endpoint's record: hold on to it to spare the look-up by id. */
export interface OutlierMember {
  readonly id: string;
  /**
   * `failed` means a failure that speaks against the endpoint. `latencyMs` is given for attempts whose duration is the
   * server's doing (unary ones); negative or absent for others.
   */
  attemptEnded(failed: boolean, nowMs: number, latencyMs?: number): void;
  /** The same of an attempt that did not fail: what nearly all are. */
  succeeded(nowMs: number, latencyMs: number): void;
  /**
   * An attempt was given up by us. That says that the server is slow if it took long, or was `overtaken`: if an attempt
   * that began later was answered sooner elsewhere. Otherwise it says nothing, least of all that the server is well.
   */
  gaveUp(nowMs: number, latencyMs: number, overtaken: boolean): void;
  isEjected(): boolean;
  /** Estimate of the median latency in milliseconds; 0 before the first. */
  readonly medianMs: number;
}

export interface OutlierDetector {
  /** The record of an endpoint, made on first sight. Latencies are compared within `group`: a region, say. */
  member(id: string, group?: string): OutlierMember;
  attemptEnded(id: string, failed: boolean, nowMs: number, latencyMs?: number): void;
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

type Settings = Required<Omit<OutlierOptions, "loopGuard" | "isDispensable">> &
  Pick<OutlierOptions, "loopGuard" | "isDispensable">;

/** Makes a detector for one set of endpoints. `changed` is where ejections take effect. */
export function outlierDetection(
  runtime: Pick<Runtime, "clock">, options: OutlierOptions, changed: EjectionChanged,
): OutlierDetector {
  return new Detector(runtime.clock, {
    consecutiveFailures: options.consecutiveFailures ?? 5,
    failureRate: options.failureRate ?? {},
    latency: options.latency ?? {},
    certainty: options.certainty ?? 12,
    intervalMs: options.intervalMs ?? 250,
    baseEjectionMs: options.baseEjectionMs ?? 30_000,
    maxEjectionMs: options.maxEjectionMs ?? 300_000,
    maxEjectedShare: Math.min(0.5, options.maxEjectedShare ?? 0.5),
    maxStatisticalShare: Math.min(0.5, options.maxStatisticalShare ?? 0.3),
    successRate: options.successRate ?? false,
    failureShare: options.failureShare ?? false,
    windowMs: options.windowMs ?? 10_000,
    loopGuard: options.loopGuard,
    isDispensable: options.isDispensable,
    stallWindowMs: options.stallWindowMs ?? 500,
    maxMembers: options.maxMembers ?? 100_000,
  }, changed);
}

/** So many failures of one member are looked at ahead of time: it takes about as many to be sure. */
const manyFailures = 10;

class Detector extends Alarm implements OutlierDetector {
  readonly #clock: Clock;
  readonly #settings: Settings;
  readonly #changed: EjectionChanged;
  readonly #members: OutlierMembers;
  readonly #ejected = new Set<Member>();
  /** When the statistics are looked at next; Infinity while nothing happens. */
  #sweepAtMs = Infinity;
  #sweptMs = -Infinity;
  #windowEndsMs = -Infinity;
  #closed = false;

  constructor(clock: Clock, settings: Settings, changed: EjectionChanged) {
    super();
    this.keepsAlive = false;
    this.#clock = clock;
    this.#settings = settings;
    this.#changed = changed;
    this.#members = new OutlierMembers({
      failureRate: settings.failureRate, latency: settings.latency, certainty: settings.certainty,
      successRate: settings.successRate, failureShare: settings.failureShare,
      probationMs: settings.baseEjectionMs,
    });
  }

  get ejectedCount(): number {
    return this.#ejected.size;
  }

  member(id: string, group = ""): OutlierMember {
    const known = this.#members.get(id) as Member | undefined;
    if (known !== undefined) return known;
    const member = new Member(id, this, this.#members);
    if (this.#members.size < this.#settings.maxMembers) this.#members.add(member, group);
    return member;
  }

  attemptEnded(id: string, failed: boolean, nowMs: number, latencyMs = -1): void {
    this.member(id).attemptEnded(failed, nowMs, latencyMs);
  }

  isEjected(id: string): boolean {
    return this.#members.get(id)?.isEjected() ?? false;
  }

  retain(ids: Iterable<string>): void {
    const kept = new Set(ids);
    for (const { id } of this.#members.all()) if (!kept.has(id)) this.forget(id);
    for (const id of kept) this.member(id);
  }

  forget(id: string): void {
    const member = this.#members.delete(id) as Member | undefined;
    if (member !== undefined) this.#ejected.delete(member);
  }

  close(): void {
    this.#closed = true;
    this.#clock.clear(this);
  }

  /** There is something to look at; soon, if it is much at once. */
  wake(nowMs: number, isMuch = false): void {
    const atMs = isMuch
      ? Math.max(nowMs, this.#sweptMs + this.#settings.intervalMs / 8)
      : nowMs + this.#settings.intervalMs;
    if (atMs >= this.#sweepAtMs) return;
    this.#sweepAtMs = atMs;
    if (this.#windowEndsMs === -Infinity) this.#windowEndsMs = nowMs + this.#settings.windowMs;
    this.#setAlarm();
  }

  /** A member says that it failed so many times in a row. */
  failedInARow(member: Member, nowMs: number): void {
    const { consecutiveFailures, maxEjectedShare } = this.#settings;
    if (member.consecutive < consecutiveFailures || member.isEjected()) return;
    if (member.consecutive < this.#members.rowBeyondChance(member)) return;
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
    if (now >= this.#sweepAtMs) this.#sweep(now);
    // After the sweep, so that what went before an ejection is no longer there to judge by.
    for (const member of this.#ejected) {
      const isNeeded = now < member.ejectedUntilMs;
      if (isNeeded && this.#settings.isDispensable?.(member.id) !== false) continue;
      this.#ejected.delete(member);
      member.cleanSinceMs = now;
      member.ejectedUntilMs = 0;
      member.reset();
      this.#changed(member.id, false, isNeeded ? "the others have no room for its load" : "ejection over");
    }
    this.#setAlarm();
  }

  #sweep(now: number): void {
    const members = this.#members;
    this.#sweptMs = now;
    if (this.isStalled()) {
      members.disregard();
    } else {
      this.#ejectSome(members.judge(now), now);
      if (now >= this.#windowEndsMs) this.#ejectSome(members.judgeWindow(), now);
    }
    if (now >= this.#windowEndsMs) {
      members.endWindow();
      this.#windowEndsMs = now + this.#settings.windowMs;
    }
    // The next attempt wakes it; a window that is judged at its end ends without one.
    this.#sweepAtMs = members.judgesWindows ? this.#windowEndsMs : Infinity;
  }

  #ejectSome(outliers: readonly { readonly member: OutlierRecord; readonly why: string }[], now: number): void {
    const { maxStatisticalShare, maxEjectedShare } = this.#settings;
    const total = this.#members.size;
    // One may always be out, as long as that is not more than half of all.
    const most = Math.min(Math.max(1, total * maxStatisticalShare), total * maxEjectedShare);
    for (const { member, why } of outliers) {
      if (this.#ejected.size + 1 > most) return;
      if (!member.isEjected()) this.#eject(member as Member, now, why);
    }
  }

  #eject(member: Member, now: number, why: string): void {
    if (this.#settings.isDispensable?.(member.id) === false) return;
    const { baseEjectionMs, maxEjectionMs } = this.#settings;
    const most = Math.max(baseEjectionMs, maxEjectionMs);
    // A good stretch as long as a first ejection makes up for one of them.
    const forgiven = Math.floor((now - member.cleanSinceMs) / baseEjectionMs);
    member.ejections = Math.min(Math.max(0, member.ejections - forgiven) + 1, Math.ceil(most / baseEjectionMs));
    member.ejectedUntilMs = now + Math.min(baseEjectionMs * member.ejections, most);
    this.#ejected.add(member);
    this.#setAlarm();
    this.#changed(member.id, true, why);
  }

  #setAlarm(): void {
    if (this.#closed) return;
    let at = this.#sweepAtMs;
    for (const member of this.#ejected) at = Math.min(at, member.ejectedUntilMs);
    if (at < Infinity) this.#clock.set(this, at);
  }
}

class Member extends OutlierRecord implements OutlierMember {
  readonly #detector: Detector;
  readonly #members: OutlierMembers;

  constructor(id: string, detector: Detector, members: OutlierMembers) {
    super(id);
    this.#detector = detector;
    this.#members = members;
  }

  gaveUp(nowMs: number, latencyMs: number, overtaken: boolean): void {
    if (latencyMs < 0 || !(overtaken || latencyMs > this.group.slowAboveMs)) return;
    if (this.#members.isQuiet) this.#wake(nowMs);
    this.timed++;
    this.slow++;
  }

  #wake(nowMs: number): void {
    this.#members.isQuiet = false;
    this.#detector.wake(nowMs);
  }

  succeeded(nowMs: number, latencyMs: number): void {
    const members = this.#members;
    if (members.isQuiet) this.#wake(nowMs);
    if (latencyMs >= 0) this.took(latencyMs);
    members.everEnded++;
    this.ended++;
    this.consecutive = 0;
  }

  attemptEnded(failed: boolean, nowMs: number, latencyMs = -1): void {
    if (!failed) {
      this.succeeded(nowMs, latencyMs);
      return;
    }
    const members = this.#members;
    if (members.isQuiet) this.#wake(nowMs);
    // A failure that comes at once says nothing of the time that the server takes; one that comes late does.
    if (latencyMs >= 0 && latencyMs > this.group.slowAboveMs) this.took(latencyMs);
    if (this.#detector.isStalled()) return;
    if (this.consecutive++ === 0) {
      this.rowFromEnded = members.everEnded;
      this.rowFromFailed = members.everFailed;
    }
    members.everEnded++;
    members.everFailed++;
    this.ended++;
    this.failed++;
    this.#detector.failedInARow(this, nowMs);
    if (this.failed === manyFailures) this.#detector.wake(nowMs, true);
  }
}
