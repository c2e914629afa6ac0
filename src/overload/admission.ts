/**
 * Admission decides which calls a server takes on, when, and in which order: its default defence against overload.
 *
 * Three parts, each of which can do without the others. A concurrency limit lets as many calls work as keep the server
 * busy; a short line in front of it evens out bursts; and while the line stands, or the event loop runs late, an
 * admission level turns away at the door what the server was seen to have no room for, by criticality and then by
 * user. What cannot finish within its deadline is dropped. A call turned away is `resource_exhausted`, certain not to
 * have started, with `retryAfterMs`, and its metadata says its criticality and the level that was let in.
 *
 * What comes all at once because something stood still (this program, its callers, the network) is no overload: it waits
 * until it is worked off, however long that takes, and nothing is learned of how long calls took meanwhile.
 *
 * While there is room nothing of this is felt: a handler that answers at once costs a counter or two, any other a
 * sample, taken when the wire counts the call anyway. Streams pass the door and count against no limit: how long one lasts is its users'
 * affair, and a limit by latency would learn nothing from it (`maxInFlight` bounds them).
 */
import {
  Alarm, type Context, expected, isPromise, type LayerMaker, numberOption, type Observer, RpcError, type Runtime,
  type Service,
} from "../core/index.ts";
import { endIsTold, type GatedLayer } from "../core/gate.ts";
import type { BackPressure } from "./back-pressure.ts";
import { admissionLevel } from "./admission-level.ts";
import { Caller, type Waiting } from "./caller.ts";
import { kneeLimit } from "./knee-limit.ts";
import type { ConcurrencyLimit, LimitSample } from "./limit.ts";
import { pacedEvents, type PacedEvents } from "./paced.ts";
import { allLevels, criticalityAt, criticalityOf, levels, type LevelOptions } from "./priority.ts";
import { serviceTimes } from "./service-times.ts";
import { admissionName, levelText, shed } from "./shed.ts";
import { standstillMs, standstillRecord } from "./standstill.ts";
import { lineOptions, type LineOptions, type Waiter, waitingLine } from "./waiting-line.ts";

export interface AdmissionOptions extends LevelOptions {
  /** How many calls work at once; a maker, since each server has its own. Default {@link kneeLimit}. */
  readonly limit?: ((runtime: Runtime) => ConcurrencyLimit) | undefined;
  /**
   * So many calls may always be at work while no more comes than is done, whatever the limit says: so that no small
   * service is ever shed by a mistaken limit. Default 32.
   */
  readonly room?: number | undefined;
  /** The line in front of the limit; `false` for none. */
  readonly line?: (LineOptions & {
    /** Room in it while more comes than is done, in multiples of the limit; else also who is soon served. Default 2. */
    readonly capacity?: number;
  }) | false | undefined;
  /** Turning away at the door by criticality and user. Default true. */
  readonly levels?: boolean | undefined;
  /** Prices of what handlers call, so that who cannot pay for it is turned away here. Default none. */
  readonly backPressure?: BackPressure | undefined;
  /**
   * How late the event loop may run while calls are turned away for it, in milliseconds. That begins when it was five
   * times as late three times in a row, with more than half of `room` at once. Default 20.
   */
  readonly maxLoopLagMs?: number | undefined;
}

/** What an admission is doing now, for views and tests. */
export interface AdmissionState {
  readonly limit: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** Share of what arrives that is let in: 1 in peace. */
  readonly share: number;
  /** Calls turned away so far. */
  readonly shed: number;
}

export interface AdmissionLayer extends GatedLayer {
  readonly state: AdmissionState;
}

/** How often is looked at what happened, in milliseconds. */
const tickMs = 50;
/** Late ticks in a row that are no single pause, and pressed ones that are no single burst. */
const lateTicks = 3;
const pressedTicks = 2;
/** So much later than may be it must run before anybody is turned away for it; and not ever less late by itself. */
const lateTimes = 5;
const lessLate = 0.95;
/** Longest time to work off what came of a standstill, in milliseconds, and what is too little to speak of. */
const leastOwed = 4;
const graceMs = 60_000;
/** Time constant of what comes and what is completed, in milliseconds, and how much more than the other is too much. */
const rateMs = 2_000;
const overload = 1.1;
/** The same of what is completed at once, and by how many standard deviations of chance it must exceed the other. */
const briefMs = 500;
/** How long what was completed in better times is remembered: its time constant, in milliseconds. */
const usualMs = 30_000;
const certain = 3;
/** So many of those who cannot pay for what is called go there all the same, to learn its price. */
const probeShare = 0.01;
/** Ticks of peace after which the door is opened. */
const calmTicks = 10;

/** Makes the admission layer of a server. It is one for all its methods. */
export function admission(options: AdmissionOptions = {}): LayerMaker {
  const checked = resolve(options);
  return (runtime, observer): AdmissionLayer => {
    const control = new Admission(runtime, observer, checked);
    const layer = (next: Service): Service => (request, context) => control.enter(next, request, context);
    return Object.assign(layer, { gate: control, state: control });
  };
}

interface Resolved extends AdmissionOptions {
  readonly capacity: number;
  readonly maxWaitMs: number;
  readonly lagMs: number;
  readonly room: number;
}

/** Checks here what can be wrong, and not first when a server is made. */
function resolve(options: AdmissionOptions): Resolved {
  const { line } = options;
  const { maxWaitMs } = lineOptions(line === undefined || line === false ? {} : line);
  const capacity = line === false ? 0 : numberOption("line.capacity", line?.capacity ?? 2, { least: 0, most: 100 });
  const lagMs = numberOption("maxLoopLagMs", options.maxLoopLagMs ?? 20, { least: 1, unit: "milliseconds" });
  const room = numberOption("room", options.room ?? 32, { least: 1, most: 1_000_000, whole: true, unit: "calls" });
  return { ...options, capacity, maxWaitMs, lagMs, room };
}

export class Admission extends Alarm implements AdmissionState {
  /** Calls that may be at work now: by the limit, but for {@link AdmissionOptions.room}. */
  limit = 0;
  inFlight = 0;
  shed = 0;
  /** Whether calls are looked at at the door. */
  isShut = false;
  isAsked = false;
  readonly #runtime: Runtime;
  readonly #options: Resolved;
  readonly #limit: ConcurrencyLimit;
  readonly #tell: PacedEvents;
  readonly #line;
  readonly #level = admissionLevel();
  readonly #levelOf: (context: Context) => number;
  readonly #times = serviceTimes();
  readonly #sample: LimitSample = { nowMs: 0, latencyMs: 0, expectedMs: 0, inFlight: 0, lost: false };
  #arrived = 0;
  #completed = 0;
  #turnedAway = 0;
  #tickedMs = -Infinity;
  #late = 0;
  #lagMs = 0;
  readonly #standstills = standstillRecord();
  /** When this program last went on after a standstill. */
  #wokeMs = -Infinity;
  /** While what came of a standstill is worked off: since when, and how many more than else may wait. */
  #gracedMs = -Infinity;
  #granted = 0;
  /** Calls a millisecond that come, and that are completed. */
  #arriving = 0;
  #completing = 0;
  #briefly = 0;
  /** By the longer time constant alone; and the most of that lately. */
  #slowly = 0;
  #usual = 0;
  #pressed = 0;
  #calm = 0;
  /** Ticks since more came than was done, or somebody waited after that. */
  #settled = calmTicks;

  constructor(runtime: Runtime, observer: Observer, options: Resolved) {
    super();
    this.keepsAlive = false;
    this.#runtime = runtime;
    this.#options = options;
    this.#limit = options.limit?.(runtime) ?? kneeLimit();
    this.#tell = pacedEvents(runtime.clock, observer);
    this.#line = waitingLine(runtime.clock, options.line === false ? {} : options.line, this.#catchUp);
    this.#line.isOverloaded = false;
    this.#levelOf = levels(runtime, options);
    this.#limited();
  }

  /** The limit, or whether it binds, may have changed. */
  #limited(): void {
    const { limit } = this.#limit;
    this.limit = this.#settled < calmTicks ? limit : Math.max(limit, this.#options.room);
  }

  get waiting(): number {
    return this.#line.size;
  }

  get share(): number {
    return this.isShut ? this.#level.share : 1;
  }

  enter(next: Service, request: unknown, context: Context): unknown {
    if (this.isShut && !this.isAsked) {
      const refusal = this.refuse(context);
      if (refusal !== undefined) throw refusal;
    }
    if (this.#options.backPressure !== undefined) this.#askPrice(this.#options.backPressure, context);
    if (context.method.kind !== "unary") return next(request, context);
    if (!this.isSet) this.#watch(context.startedMs);
    // Whoever goes on after a standstill may read what came meanwhile before its clock rings.
    else if (context.startedMs > this.ringsAtMs + standstillMs) this.#catchUp(context.startedMs);
    if (this.inFlight < this.limit && this.#line.size === 0) {
      this.#arrived++;
      return this.#work(next, request, context, context.startedMs);
    }
    return this.#wait(next, request, context);
  }

  /** Turns away who could not pay for what the handler calls, and tells callers what it costs. */
  #askPrice(backPressure: BackPressure, context: Context): void {
    const below = backPressure.cursorOf(context.method.path, context.startedMs);
    const cursor = this.isShut ? Math.min(below, this.#level.cursor) : below;
    if (cursor < allLevels) context.setTrailer(admissionName, levelText(cursor));
    if (below === allLevels) return;
    const level = this.#levelOf(context);
    if (level < below || this.#runtime.random.next() < probeShare) return;
    this.shed++;
    throw shed("what this call needs lets in only what is more important", {
      criticality: criticalityAt(level), level: levelText(below), retryAfterMs: 100,
    });
  }

  #watch(nowMs: number): void {
    // Nobody came since, and nobody waits: it is no overload any more.
    const elapsedMs = nowMs - this.#tickedMs;
    if (elapsedMs > 0 && elapsedMs < Infinity) {
      const isOverloaded = this.#line.isOverloaded = this.#line.isOverloaded && elapsedMs < calmTicks * tickMs;
      this.#standstills.look({ elapsedMs, lagMs: 0, arrived: 0, completed: 0, isOverloaded });
      this.#grace(nowMs, isOverloaded);
    }
    this.#tickedMs = nowMs;
    this.#runtime.clock.set(this, nowMs + tickMs);
  }

  #work(next: Service, request: unknown, context: Context, startedMs: number): unknown {
    const inFlight = ++this.inFlight;
    let answer: unknown;
    try {
      answer = next(request, context);
    } catch (error) {
      this.#left(startedMs);
      throw error;
    }
    if (!isPromise(answer)) {
      this.#left(startedMs);
      return answer;
    }
    if (context.atWork === endIsTold && startedMs === context.startedMs) {
      context.atWork = inFlight;
      return answer;
    }
    return answer.then((value) => {
      this.#ended(context, { startedMs, inFlight, nowMs: this.#runtime.clock.now(), error: undefined });
      return value;
    }, (error: unknown) => {
      this.#ended(context, { startedMs, inFlight, nowMs: this.#runtime.clock.now(), error });
      throw error;
    });
  }

  ended(context: Context, nowMs: number, error: unknown): void {
    const inFlight = context.atWork;
    context.atWork = 0;
    this.#ended(context, { startedMs: context.startedMs, inFlight, nowMs, error });
  }

  #left(nowMs: number): void {
    this.inFlight--;
    this.#completed++;
    if (this.#line.size > 0) this.#admit(nowMs);
  }

  #ended(context: Context, { startedMs, inFlight, nowMs, error }: Ended): void {
    const lost = error !== undefined && isLost(error);
    // What failed at once, or was called off (a hedge that lost), says nothing of how long calls take; and of a
    // standstill it is not the load that says it.
    if ((error === undefined || lost) && startedMs >= this.#wokeMs &&
      !this.#isOverdue(nowMs)) {
      const latencyMs = nowMs - startedMs;
      const times = this.#times.of(context.method.ordinal);
      const sample = this.#sample;
      sample.nowMs = nowMs;
      sample.latencyMs = latencyMs;
      sample.expectedMs = times === undefined ? 0 : times.expectedMs;
      sample.inFlight = inFlight;
      sample.lost = lost;
      const before = this.#limit.limit;
      this.#limit.ended(sample);
      const after = this.#limit.limit;
      if (!lost && times !== undefined && !this.#isGraced) {
        times.ended(latencyMs, nowMs, this.isShut || this.inFlight >= after);
      }
      if (after !== before) {
        this.#limited();
        this.#tell("overload.limit", { from: before, to: after, why: this.#limit.why });
      }
    }
    this.#left(nowMs);
  }

  /** Whether this program has just gone on after a standstill, and has not looked yet. */
  #isOverdue(nowMs: number): boolean {
    return this.isSet && nowMs - this.ringsAtMs > standstillMs;
  }

  get #isGraced(): boolean {
    return this.#gracedMs !== -Infinity;
  }

  /** Looks now at what is long due: before anybody is judged by it. */
  readonly #catchUp = (nowMs: number): void => {
    if (!this.#isOverdue(nowMs)) return;
    this.#runtime.clock.clear(this);
    this.#look(nowMs);
  };

  /** Lets in who waits, as far as there is room. */
  #admit(nowMs: number): void {
    while (this.inFlight < this.limit) {
      const waiter = this.#line.next(nowMs) as Caller | undefined;
      if (waiter === undefined) return;
      waiter.begin(nowMs);
    }
  }

  /** There is no room at once. */
  #wait(next: Service, request: unknown, context: Context): Promise<unknown> {
    const nowMs = this.#runtime.clock.now();
    this.#catchUp(nowMs);
    this.#arrived++;
    const refusal = this.#hopeless(context, nowMs);
    if (refusal !== undefined) throw refusal;
    const level = this.#levelOf(context);
    return new Promise((resolve, reject) => {
      const caller = new Caller({
        next, request, context, resolve, reject, work: this.#begin, refuse: this.#refuse, leave: this.#leave,
      }, level, nowMs);
      if (!this.#line.enter(caller, this.#capacity(caller.rank))) caller.turnedAway("the line is full");
      else context.onCancel(caller);
    });
  }

  /** Room in line: a little while more comes than is done; else, and for the most critical, as burstiness needs. */
  #capacity(rank: number): number {
    const { capacity, room, maxWaitMs } = this.#options;
    if (this.#line.isOverloaded) return Math.ceil(capacity * (rank > 0 ? this.limit : Math.max(this.limit, room)));
    // Whoever is served within the longest wait may wait; callers who go on when they are answered come in waves.
    const soon = capacity === 0 ? 0 : this.#completing * maxWaitMs;
    return Math.ceil(Math.max(capacity * Math.max(this.limit, room), soon) +
      Math.max(this.#granted, this.#standstills.owed));
  }

  readonly #begin = ({ next, request, context }: Waiting, nowMs: number): unknown => {
    const refusal = this.#hopeless(context, nowMs);
    if (refusal !== undefined) throw refusal;
    return this.#work(next, request, context, nowMs);
  };

  readonly #leave = (waiter: Waiter): void => this.#line.leave(waiter);

  readonly #refuse = (context: Context, why: string): RpcError => {
    this.shed++;
    this.#turnedAway++;
    const criticality = criticalityOf(context, this.#options.trustsCriticality);
    // Whoever comes back at once finds the same line; whoever is spread over some of its lengths does not.
    const retryAfterMs = Math.round(10 + this.#runtime.random.next() * 40);
    return shed(`the server has no room: ${why}`, { criticality, retryAfterMs, level: this.#levelText });
  };

  #levelText: string | undefined = undefined;

  /** Why a call that waits need not be begun: its caller has left, or will have before it is done. */
  #hopeless(context: Context, nowMs: number): RpcError | undefined {
    const leftMs = context.deadline - nowMs;
    const quickMs = this.#times.of(context.method.ordinal)?.quickMs ?? 0;
    if (leftMs > quickMs) return undefined;
    this.shed++;
    return expected("deadline_exceeded", leftMs <= 0
      ? "the deadline passed before the call was begun"
      : `${leftMs.toFixed(1)} ms are left of the deadline, and nine calls in ten take more than ${quickMs.toFixed(1)}`,
      { neverStarted: true, retryable: false, phase: "queue" });
  }

  refuse(context: Context): RpcError | undefined {
    const level = this.#levelOf(context);
    this.#level.count(level);
    const { cursor } = this.#level;
    if (level < cursor) return undefined;
    this.#arrived++;
    this.shed++;
    if (!this.isSet) this.#watch(context.startedMs);
    const { share } = this.#level;
    return shed(`the server is overloaded and lets in ${(share * 100).toFixed(0)} % of the calls`, {
      criticality: criticalityAt(level), level: this.#levelText,
      retryAfterMs: Math.round(Math.min(1_000, 100 / share) * (0.75 + this.#runtime.random.next() / 2)),
    });
  }

  ring(): void {
    this.#look(this.#runtime.clock.now());
  }

  /** Looks at what happened since the last tick. */
  #look(nowMs: number): void {
    const elapsedMs = nowMs - this.#tickedMs;
    const happened = { arrived: this.#arrived, completed: this.#completed, turnedAway: this.#turnedAway };
    this.#arrived = this.#completed = this.#turnedAway = 0;
    this.#tickedMs = nowMs;
    const lagMs = elapsedMs - tickMs;
    const isBusy = this.#line.isOverloaded || this.isShut;
    const fresh = this.#standstills.look({ ...happened, elapsedMs, lagMs, isOverloaded: isBusy });
    const { stoodMs } = this.#standstills;
    if (stoodMs > 0) this.#woke(nowMs, stoodMs);
    this.#judgeLoop(lagMs, stoodMs === 0 && happened.arrived > this.#options.room / 2);
    const workedMs = elapsedMs - stoodMs;
    const keep = Math.exp(-workedMs / rateMs);
    this.#arriving = this.#arriving * keep + fresh * (1 - keep) / workedMs;
    this.#complete(happened.completed, workedMs, keep);
    this.#line.servedPerMs = this.#completing;
    // Those that are at work now came, too, and are not completed; once it has begun they are known to be few.
    const isOverloaded = this.#line.isOverloaded = this.#arriving > overload * this.#completing &&
      (this.#line.isOverloaded || (this.#arriving - this.#completing) * rateMs > this.#options.room);
    // The limit that was found binds until most ticks see nobody wait: the rest of an overload is to be worked off.
    if (isOverloaded) this.#settled = 0;
    else if (this.#settled < calmTicks) this.#settled = Math.max(0, this.#settled + (this.#line.size > 0 ? -2 : 1));
    this.#limited();
    this.#grace(nowMs, isOverloaded);
    const isPressed = isOverloaded && (this.#line.isStanding(nowMs) || happened.turnedAway > 0);
    this.#pressed = isPressed ? this.#pressed + 1 : 0;
    const isLate = this.#late >= lateTicks;
    if (this.#options.levels !== false) this.#place({ ...happened, elapsedMs: workedMs, isPressed, isLate, lagMs });
    const goesOn = happened.arrived > 0 || this.isShut || this.#line.size > 0 || this.#isGraced;
    if (goesOn) this.#runtime.clock.set(this, nowMs + tickMs);
  }

  /**
   * What is completed sinks slowly, and rises at once as far as that is no chance: after work stood still it would else
   * seem for seconds that more comes than can be done.
   */
  #complete(completed: number, workedMs: number, keep: number): void {
    this.#completing = this.#completing * keep + completed * (1 - keep) / workedMs;
    const keepBrief = Math.exp(-workedMs / briefMs);
    const brief = this.#briefly = this.#briefly * keepBrief + completed * (1 - keepBrief) / workedMs;
    this.#slowly = this.#slowly * keep + completed * (1 - keep) / workedMs;
    this.#usual = Math.max(this.#usual * Math.exp(-workedMs / usualMs), this.#slowly);
    // No more than was done before: calls that began together end together, which is no greater capacity.
    if (brief > this.#completing * (1 + certain / Math.sqrt(brief * 2 * briefMs))) {
      this.#completing = Math.max(this.#completing, Math.min(brief, this.#usual));
    }
  }

  /** This program has stood still: who waited did so for nothing that load has done. */
  #woke(nowMs: number, stoodMs: number): void {
    this.#wokeMs = nowMs;
    this.#line.stood(stoodMs);
  }

  /** A busy machine makes loops late that have little to do: only many calls at once are calls that waited. */
  #judgeLoop(lagMs: number, isFull: boolean): void {
    const { lagMs: mostMs } = this.#options;
    // What once stood still works off what came meanwhile, and is less late each time.
    const isLate = this.isShut ? lagMs > mostMs : lagMs > mostMs * lateTimes && lagMs > this.#lagMs * lessLate;
    this.#late = isFull && isLate ? this.#late + 1 : 0;
    this.#lagMs = lagMs;
  }

  /** Lets wait what came of a standstill, until it is worked off or more comes than can be done. */
  #grace(nowMs: number, isOverloaded: boolean): void {
    const { owed, stoodMs } = this.#standstills;
    if (this.#isGraced) {
      const isOver = isOverloaded || (this.#line.size === 0 && owed < leastOwed) || nowMs - this.#gracedMs > graceMs;
      this.#granted = isOver ? 0 : Math.max(this.#granted, owed);
      if (isOver) this.#gracedMs = -Infinity;
    } else if (this.#standstills.isNotable && !isOverloaded) {
      this.#gracedMs = nowMs;
      this.#granted = owed;
      this.#tell("overload.standstill", { owed: Math.round(owed), stoodMs: Math.round(stoodMs), why: stoodMs > 0
        ? `this program did not run for ${stoodMs.toFixed(0)} ms` : "the usual calls did not come" });
    }
    this.#line.graceMs = this.#isGraced ? graceMs : 0;
  }

  #place(happened: Tick): void {
    const { isPressed, isLate, lagMs } = happened;
    if (!this.isShut) {
      if (!isLate && this.#pressed < pressedTicks) return;
      this.isShut = true;
      this.#calm = 0;
      this.#tell("overload.begins", { limit: this.#limit.limit, waiting: this.#line.size, why: isLate
        ? `the event loop runs ${lagMs.toFixed(0)} ms late`
        : "calls wait too long for room" });
    }
    this.#level.adjust({ ...happened, limit: this.#limit.limit });
    const { cursor, share } = this.#level;
    this.#levelText = levelText(cursor);
    if (isPressed || isLate || cursor < allLevels) {
      this.#calm = 0;
      this.#tell("overload.level", { share, below: this.#levelText, arrived: happened.arrived,
        completed: happened.completed, why: isLate ? `the event loop runs ${lagMs.toFixed(0)} ms late`
          : isPressed ? "calls wait too long" : "there is room again" });
      return;
    }
    if (++this.#calm < calmTicks) return;
    this.isShut = false;
    this.#levelText = undefined;
    this.#level.open();
    // What was not completed before tells nothing of what will be.
    if (this.#settled >= calmTicks) this.#completing = this.#arriving;
    this.#tell("overload.ends", { limit: this.#limit.limit, shed: this.shed, why: "nobody had to wait" });
  }
}

/** A call that has left the handler. */
interface Ended {
  readonly startedMs: number;
  readonly inFlight: number;
  readonly nowMs: number;
  readonly error: unknown;
}

interface Tick {
  readonly elapsedMs: number;
  readonly arrived: number;
  readonly completed: number;
  readonly turnedAway: number;
  readonly isPressed: boolean;
  readonly isLate: boolean;
  readonly lagMs: number;
}

/** Whether a call was lost to load: here, or where it went on to. */
function isLost(error: unknown): boolean {
  return RpcError.is(error) && (error.code === "deadline_exceeded" || error.code === "resource_exhausted");
}
