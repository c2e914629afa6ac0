/**
 * Hedging sends a call that is late a second time, elsewhere, and takes whichever answer comes first.
 *
 * From "The Tail at Scale" (Dean and Barroso, 2013) with the terms of gRFC A6's `hedgingPolicy`: a hedge leaves when a
 * call has taken longer than nearly all calls of its method lately do; its delay therefore follows the live quantile,
 * and nobody need set it. Hedges are at most 2 % of calls, draw on the retries' budget too, go only to endpoints that
 * the call has not tried, in its region, and stop where servers say that they are busy: what is slow because it is
 * overloaded gets no faster by more calls.
 *
 * A call that is answered in time costs two stores in a ring of its method; one alarm a layer looks at the rings.
 */
import {
  Alarm, badOption, type Candidate, type Code, type Context, isPromise, type Layer, type MethodInfo, numberOption,
  type Observer, RpcError, type Runtime, type Service,
} from "../core/index.ts";
import { Contest, type ContestOwner } from "./contest.ts";
import { hedgeBucket, type HedgeBucket } from "./hedge-bucket.ts";
import { HedgeLine, type Late } from "./hedge-line.ts";
import { liveLatency, type LiveLatency } from "./live-latency.ts";
import type { RetryBudget } from "./retry-budget.ts";

export interface HedgeOptions {
  /** Attempts in all, the first included. Default 3, from 2 to 5 (gRFC A6). */
  readonly maxAttempts?: number | undefined;
  /** A fixed delay in milliseconds (`hedgingDelay`); 0 sends at once. Default: the live quantile of the method. */
  readonly delayMs?: number | undefined;
  /**
   * The share of calls that are answered before a hedge leaves. Default 0.985; where the slowest in a thousand are
   * later by less than half a median, so that a hedge would be no sooner, it leaves a tenth after them.
   */
  readonly quantile?: number | undefined;
  /** Bounds of the delay by quantile, in milliseconds. Defaults 1 and 2,000. */
  readonly leastDelayMs?: number | undefined;
  readonly mostDelayMs?: number | undefined;
  /** Samples of a method below which its quantile means nothing, and nothing is hedged. Default 100. */
  readonly minSamples?: number | undefined;
  /** Hedges for each call, at most, on average. Default 0.02. */
  readonly ratio?: number | undefined;
  /**
   * An attempt that has taken so many times the 99th percentile hangs: another is made on the retries' budget, whether
   * there is one left among the hedges or not. Default 3; `Infinity` for never. Needs `budget`.
   */
  readonly hangsAfter?: number | undefined;
  /** Least time after which an attempt hangs, in milliseconds. Default 50. */
  readonly leastHangMs?: number | undefined;
  /** Codes after which the other attempts go on (`nonFatalStatusCodes`), beside what is retryable anyway. */
  readonly nonFatalCodes?: readonly Code[] | undefined;
  /** Utilisation that servers report, 0 to 1, from which nothing is hedged. Default 0.8; again below 9/10 of it. */
  readonly maxLoad?: number | undefined;
  /** How long nothing is hedged after a server said that it has no room, in milliseconds. Default 1,000. */
  readonly holdMs?: number | undefined;
  /** Names of the methods that are hedged. Default: all that bear a repeat. */
  readonly methods?: readonly string[] | undefined;
  /** What single methods have of their own: `false` for no hedges. Asked when a method is first called. */
  readonly byMethod?: ((method: MethodInfo) => MethodHedge | false | undefined) | undefined;
  /** Calls looked after at once, of one method; those beyond are not hedged. Default 16,384. */
  readonly maxPending?: number | undefined;
  /** The statistics that the delay is read from. Default: the layer's own, of the calls that it sees. */
  readonly latency?: LiveLatency | undefined;
  /** The retries' budget, on which every hedge draws as well, so that both together stay within it. */
  readonly budget?: RetryBudget | undefined;
  /**
   * Whether whoever carries out calls below tells their contexts of the end of an attempt, and a retry layer directly
   * below asks `context.contenders` about failures. A client's own stack does; then a call costs no promise here.
   */
  readonly endsAreTold?: boolean | undefined;
  /** Whether there is no other endpoint, so that no call can be sent elsewhere. Default: there is. */
  readonly isAlone?: (() => boolean) | undefined;
  /** Hears `hedge.sent`, `hedge.delay`, `hedge.held` and `hedge.resumed`. */
  readonly observer?: Observer | undefined;
}

/** What hedges of one method differ in. */
export interface MethodHedge {
  /** A fixed delay, in milliseconds. Default the layer's. */
  readonly delayMs?: number | undefined;
}

/** Where latencies hardly vary: the share that is answered by then, and how much later a hedge leaves. */
const latest = 0.999;
const beyond = 1.1;

export interface HedgeLayer extends Layer {
  /** Calls that could have been hedged. */
  readonly calls: number;
  /** Further attempts sent, and calls that one of them answered. */
  readonly hedges: number;
  readonly wins: number;
  /** Why nothing is hedged at present; undefined while it is. */
  readonly held: string | undefined;
  /** Takes in a failure heard of elsewhere: a server without room is given a rest. */
  told(error: unknown): void;
  /** The delay of a method's hedges now, in milliseconds; undefined while too little is known. */
  delayMs(method: MethodInfo): number | undefined;
}

/** Most hedged calls waiting for a further attempt; those beyond get none. */
const maxLate = 4_096;
/** Weight of the newest of the loads that calls meet; every eighth is looked at. */
const newestLoad = 0.1;

/** Makes the layer. Only unary methods that bear a repeat (`idempotent: true`, or `safe`) are hedged. */
export function hedge(runtime: Pick<Runtime, "clock">, options: HedgeOptions = {}): HedgeLayer {
  const hedging = new Hedging(runtime, options);
  const layer: Layer = (next) => hedging.service(next);
  return Object.defineProperties(layer as HedgeLayer, {
    calls: { get: () => hedging.bucket.calls },
    hedges: { get: () => hedging.hedges },
    wins: { get: () => hedging.wins },
    held: { get: () => hedging.held },
    told: { value: (error: unknown) => hedging.told(error) },
    delayMs: { value: (method: MethodInfo) => hedging.knownDelayMs(method) },
  });
}

/** Whether a method may be hedged at all. */
export function bearsHedges(method: MethodInfo): boolean {
  return method.kind === "unary" && (method.idempotent === true || method.safe === true);
}

class Hedging extends Alarm {
  readonly #runtime: Pick<Runtime, "clock">;
  readonly #settings: ReturnType<typeof resolve>;
  readonly bucket: HedgeBucket;
  readonly #lines: (HedgeLine | null | undefined)[] = [];
  /** Lines that have calls to look after. */
  readonly #busy = new Set<HedgeLine>();
  /** Calls that may get another attempt at their time. */
  readonly #late: Late[] = [];
  hedges = 0;
  wins = 0;
  held: string | undefined = undefined;
  #heldUntilMs = 0;
  #load = 0;
  override keepsAlive = false;
  #looksSoon = false;

  constructor(runtime: Pick<Runtime, "clock">, options: HedgeOptions) {
    super();
    this.#runtime = runtime;
    this.#settings = resolve(runtime, options);
    this.bucket = hedgeBucket(this.#settings.ratio, runtime.clock.now());
  }

  service(next: Service): Service {
    const { endsAreTold, isAlone } = this.#settings;
    const lines = this.#lines;
    const { bucket } = this;
    const owner = this.#owner(next);
    return (request, context) => {
      const line = lines[context.method.ordinal] ?? this.#line(context.method);
      const answer = next(request, context);
      if (line === null || !isPromise(answer)) return answer;
      if ((++bucket.calls & 7) === 0) this.#sampleLoad(context);
      if (!isAlone()) this.#follow(line, owner, request, context, answer);
      return endsAreTold ? answer : this.#told(owner, request, context, answer);
    };
  }

  #follow(line: HedgeLine, owner: ContestOwner, request: unknown, context: Context, answer: Promise<unknown>): void {
    if (line.delayMs === Infinity && line.isWorthALook()) this.#refresh(line, context.startedMs);
    if (line.delayMs !== Infinity && line.add(owner, request, context, answer) && line.size === 1) this.#watch(line);
  }

  #watch(line: HedgeLine): void {
    this.#busy.add(line);
    const { dueMs } = line;
    if (!this.isSet || dueMs < this.ringsAtMs) this.#runtime.clock.set(this, dueMs);
  }

  #line(method: MethodInfo): HedgeLine | null {
    const { isHedged, maxPending } = this.#settings;
    return this.#lines[method.ordinal] = isHedged(method) ? new HedgeLine(method, maxPending) : null;
  }

  /** Where nobody below tells of ends: the layer listens itself, and keeps its own statistics. */
  #told(owner: ContestOwner, request: unknown, context: Context, answer: Promise<unknown>): Promise<unknown> {
    const { latency, ownLatency } = this.#settings;
    return answer.then((value) => {
      context.attemptEnded = true;
      const nowMs = this.#runtime.clock.now();
      if (ownLatency) latency.record(context.method, nowMs - context.startedMs, nowMs);
      return value;
    }, (error: unknown) => {
      context.attemptEnded = true;
      this.told(error);
      if (context.contenders !== undefined) return context.contenders.failed(error);
      if (context.cancelReason !== undefined) throw error;
      return new Contest(owner, request, context).failed(error);
    });
  }

  #owner(next: Service): ContestOwner {
    return {
      next,
      nowMs: () => this.#runtime.clock.now(),
      isNonFatal: (error) => RpcError.is(error) &&
        (error.retryable || error.neverStarted || this.#settings.nonFatalCodes.includes(error.code)),
      mayFollow: (contest, error) => {
        this.told(error);
        return this.#maySend(contest.context, contest.attempts);
      },
      followLater: (contest, waitMs) => {
        const dueMs = this.#runtime.clock.now() + waitMs;
        this.#addLate({ dueMs, contest, owner: undefined, request: undefined, context: contest.context, paid: true });
      },
      forkFailed: (contest, error) => {
        if (!RpcError.is(error) || !(error.retryable || error.neverStarted)) return;
        // Cut off by a suspicion, it tells what was not known when it was sent, not that repeats are in vain.
        if ((error.candidate as Candidate | undefined)?.status === "suspect") return;
        this.#settings.budget?.retryFailed(regionOf(contest.context));
      },
      notSent: ({ context }) => this.#settings.budget?.giveBack?.(regionOf(context)),
      won: () => void this.wins++,
    };
  }

  /** Takes in a failure: a server without room is given a rest. */
  told(error: unknown): void {
    if (!RpcError.is(error) || error.code !== "resource_exhausted") return;
    this.#heldUntilMs = this.#runtime.clock.now() + this.#settings.holdMs;
  }

  knownDelayMs(method: MethodInfo): number | undefined {
    const line = this.#lines[method.ordinal] ?? this.#line(method);
    if (line === null) return undefined;
    this.#refresh(line, this.#runtime.clock.now());
    return line.delayMs === Infinity ? undefined : line.delayMs;
  }

  /** Reads the delay off the statistics anew. */
  #refresh(line: HedgeLine, nowMs: number): void {
    const { delayMs, quantile, leastDelayMs, mostDelayMs, minSamples, latency, observer } = this.#settings;
    const { hangsAfter, leastHangMs, isLive, byMethod } = this.#settings;
    line.refreshedAtMs = nowMs;
    const known = latency.of(line.method);
    const enough = known !== undefined && known.samples >= minSamples;
    line.medianMs = enough ? known.p50Ms : 0;
    line.hangMs = enough ? Math.max(leastHangMs, known.p99Ms * hangsAfter) : Infinity;
    const own = byMethod?.(line.method);
    const fixedMs = own ? own.delayMs ?? delayMs : delayMs;
    if (fixedMs !== undefined) {
      line.delayMs = fixedMs;
      return;
    }
    if (!enough) {
      line.delayMs = Infinity;
      return;
    }
    const lateMs = known.quantileMs(quantile);
    const latestMs = known.quantileMs(latest);
    // A hedge takes its time as well. Where nearly all who are late are answered before one could be, it pays only for
    // those who are later than that.
    const isNarrow = isLive && latestMs - lateMs < known.p50Ms / 2;
    line.delayMs = Math.min(mostDelayMs, Math.max(leastDelayMs, isNarrow ? latestMs * beyond : lateMs));
    const { toldMs, toldAtMs } = line;
    if (Math.abs(line.delayMs - toldMs) <= toldMs / 4 || nowMs - toldAtMs < 1_000) return;
    observer?.event?.("hedge.delay", {
      method: line.method.path, delayMs: line.delayMs, beforeMs: toldMs,
      why: isNarrow
        ? `of about ${Math.round(known.samples)} attempts hardly one takes longer: a hedge would be no sooner`
        : `${quantile * 100} % of about ${Math.round(known.samples)} attempts were faster`,
    });
    line.toldMs = line.delayMs;
    line.toldAtMs = nowMs;
  }

  /** Calls that seem late because this process is have answers that lie unread: these are read first. */
  override ring(): void {
    const { clock } = this.#runtime;
    if (clock.afterInput === undefined) this.#look();
    else if (!this.#looksSoon) {
      this.#looksSoon = true;
      clock.afterInput(this.#lookNow);
    }
  }

  readonly #lookNow = (): void => {
    this.#looksSoon = false;
    this.#look();
  };

  #look(): void {
    const nowMs = this.#runtime.clock.now();
    let nextMs = Infinity;
    for (const line of this.#busy) {
      if (nowMs - line.refreshedAtMs > 100) this.#refresh(line, nowMs);
      line.takeDue(nowMs, this.#looked);
      if (line.size === 0) this.#busy.delete(line);
      else nextMs = Math.min(nextMs, line.dueMs);
    }
    nextMs = Math.min(nextMs, this.#serveLate(nowMs));
    // At most once a millisecond: what comes due in between is looked at together.
    if (nextMs !== Infinity) this.#runtime.clock.set(this, Math.max(nextMs, nowMs + 1));
  }

  #sampleLoad(context: Context): void {
    const report = (context.picked as Candidate | undefined)?.load?.report;
    if (report !== undefined) this.#load += (report.cpu - this.#load) * newestLoad;
  }

  /** One call that has come to its delay: most have ended long since. */
  readonly #looked = (line: HedgeLine, context: Context): void => {
    const { request } = context;
    const owner = context.hedger as ContestOwner;
    const { answer } = context;
    // Without an answer it has just failed.
    if (answer === undefined || context.attemptEnded) return;
    if (context.cancelReason !== undefined || context.contenders !== undefined) return;
    if (this.#maySend(context, 1)) this.#begin(line, owner, request, context, answer);
    else this.#addLate({
      dueMs: context.startedMs + line.hangMs, contest: undefined, owner, request, context, answer, paid: false,
    });
  };

  #begin(line: HedgeLine, owner: ContestOwner, request: unknown, context: Context, answer: Promise<unknown>): void {
    const contest = new Contest(owner, request, context);
    contest.watch(answer);
    this.#sendNow(line, contest);
  }

  #sendNow(line: HedgeLine, contest: Contest): void {
    const { observer, maxAttempts } = this.#settings;
    const nowMs = this.#runtime.clock.now();
    const { context } = contest;
    const attempt = contest.attempts;
    contest.send();
    // With nobody else to send it to, none was sent.
    if (contest.attempts === attempt) return;
    this.hedges++;
    observer?.event?.("hedge.sent", { method: line.method.path, attempt, afterMs: nowMs - context.startedMs });
    if (contest.isOver || contest.attempts >= maxAttempts) return;
    this.#addLate({
      dueMs: nowMs + line.delayMs, contest, owner: undefined, request: undefined, context, paid: false,
    });
  }

  #addLate(late: Late): void {
    if (late.dueMs === Infinity || late.dueMs >= late.context.deadline || this.#late.length >= maxLate) return;
    this.#late.push(late);
    const { clock } = this.#runtime;
    if (!this.isSet || late.dueMs < this.ringsAtMs) clock.set(this, late.dueMs);
  }

  /** Further attempts that are due; answers when the next is. */
  #serveLate(nowMs: number): number {
    const late = this.#late;
    const due = late.filter((one) => one.dueMs <= nowMs);
    if (due.length > 0) late.splice(0, late.length, ...late.filter((one) => one.dueMs > nowMs));
    for (const one of due) this.#serve(one);
    let nextMs = Infinity;
    for (const one of late) nextMs = Math.min(nextMs, one.dueMs);
    return nextMs;
  }

  #serve(late: Late): void {
    const { context, contest } = late;
    const line = this.#lines[context.method.ordinal];
    if (line === null || line === undefined || context.cancelReason !== undefined) return;
    if (contest !== undefined) {
      if (contest.isOver || (contest.stopped && !late.paid)) return;
      if (late.paid || this.#maySend(context, contest.attempts)) this.#sendNow(line, contest);
      return;
    }
    if (context.attemptEnded || context.contenders !== undefined || late.answer === undefined) return;
    if (this.#mayReplace(line, context)) this.#begin(line, late.owner, late.request, context, late.answer);
  }

  /** An attempt that hangs may be made anew as a retry is: on the retries' budget. */
  #mayReplace(line: HedgeLine, context: Context): boolean {
    const { budget } = this.#settings;
    if (budget === undefined || this.#isHeld() || !this.#isWorthwhile(line, context)) return false;
    return budget.withdraw(regionOf(context));
  }

  #maySend(context: Context, attempts: number): boolean {
    const { maxAttempts, budget } = this.#settings;
    const line = this.#lines[context.method.ordinal];
    if (line === null || line === undefined || attempts >= maxAttempts || context.hedged) return false;
    if (this.#isHeld() || !this.#isWorthwhile(line, context)) return false;
    const region = regionOf(context);
    if (budget !== undefined && (budget.isLow?.(region) ?? budget.balance(region) < 1)) return false;
    if (!this.bucket.withdraw(this.#runtime.clock.now())) return false;
    return budget === undefined || budget.withdraw(region);
  }

  /** No attempt is begun for which too little time is left. */
  #isWorthwhile(line: HedgeLine, context: Context): boolean {
    return context.deadline - this.#runtime.clock.now() > line.medianMs;
  }

  #isHeld(): boolean {
    const { maxLoad, observer } = this.#settings;
    const nowMs = this.#runtime.clock.now();
    const limit = this.held === undefined ? maxLoad : maxLoad * 0.9;
    let why: string | undefined;
    if (this.#load > limit) why = `servers report ${Math.round(this.#load * 100)} % utilisation`;
    else if (nowMs < this.#heldUntilMs) why = "a server has no room";
    if ((why === undefined) !== (this.held === undefined)) {
      if (why === undefined) observer?.event?.("hedge.resumed", { why: "servers have room again" });
      else observer?.event?.("hedge.held", { why });
    }
    this.held = why;
    return why !== undefined;
  }
}

function regionOf(context: Context): string {
  return (context.picked as Candidate | undefined)?.address?.region ?? "";
}

function resolve(runtime: Pick<Runtime, "clock">, options: HedgeOptions) {
  const ms = { least: 0, most: 3_600_000, unit: "milliseconds" };
  const { delayMs, hangsAfter = 3 } = options;
  const leastDelayMs = numberOption("leastDelayMs", options.leastDelayMs ?? 1, ms);
  const mostDelayMs = numberOption("mostDelayMs", options.mostDelayMs ?? Math.max(2_000, leastDelayMs), ms);
  if (leastDelayMs > mostDelayMs) {
    throw badOption("leastDelayMs", leastDelayMs, `it is above mostDelayMs, which is ${mostDelayMs}`);
  }
  if (delayMs !== undefined && options.quantile !== undefined) {
    throw badOption("delayMs", delayMs, "a fixed delay and a quantile contradict each other: give one of them");
  }
  return {
    maxAttempts: numberOption("maxAttempts", options.maxAttempts ?? 3,
      { least: 2, most: 5, whole: true, unit: "attempts" }),
    delayMs: delayMs === undefined ? undefined : numberOption("delayMs", delayMs, ms),
    isLive: options.quantile === undefined,
    quantile: numberOption("quantile", options.quantile ?? 0.985, { least: 0.5, most: 0.9999 }),
    leastDelayMs, mostDelayMs,
    minSamples: numberOption("minSamples", options.minSamples ?? 100, { least: 10, most: 1e6 }),
    ratio: numberOption("ratio", options.ratio ?? 0.02, { least: 0, most: 4 }),
    hangsAfter: hangsAfter === Infinity ? Infinity : numberOption("hangsAfter", hangsAfter, { least: 1, most: 1_000 }),
    leastHangMs: numberOption("leastHangMs", options.leastHangMs ?? 50, ms),
    nonFatalCodes: options.nonFatalCodes ?? [],
    isHedged: (method: MethodInfo) =>
      bearsHedges(method) && (options.methods === undefined || options.methods.includes(method.name)) &&
      options.byMethod?.(method) !== false,
    byMethod: options.byMethod,
    maxLoad: numberOption("maxLoad", options.maxLoad ?? 0.8, { least: 0, most: 1_000 }),
    holdMs: numberOption("holdMs", options.holdMs ?? 1_000, ms),
    maxPending: numberOption("maxPending", options.maxPending ?? 16_384,
      { least: 16, most: 1 << 20, whole: true, unit: "calls" }),
    latency: options.latency ?? liveLatency(runtime.clock), ownLatency: options.latency === undefined,
    budget: options.budget, endsAreTold: options.endsAreTold ?? false, isAlone: options.isAlone ?? (() => false),
    observer: options.observer,
  };
}
