/**
 * Admission decides which calls a server takes on, when, and in which order: its default defence against overload.
 *
 * Three parts, each of which can do without the others. A concurrency limit lets as many calls work as keep the server
 * busy; a short line in front of it evens out bursts; and while the line stands, or the event loop runs late, an
 * admission level turns away at the door what the server was seen to have no room for, by criticality and then by
 * user. What cannot finish within its deadline is dropped. A call turned away is `resource_exhausted`, certain not to
 * have started, with `retryAfterMs`, and its metadata says its criticality and the level that was let in.
 *
 * What comes all at once because something stood still (this program, its callers, the network) is no overload: it
 * waits until it is worked off, however long that takes, and nothing is learned of how long calls took meanwhile.
 *
 * While there is room nothing of this is felt: a handler that answers at once costs a counter or two, any other a
 * sample, taken when the wire counts the call anyway. Streams pass the door and count against no limit: how long one
 * lasts is its users' affair, and a limit by latency would learn nothing from it (`maxInFlight` bounds them).
 */
import {
  Alarm, type Context, expected, isPromise, type LayerMaker, type Observer, RpcError, type Runtime, type Service,
} from "../core/index.ts";
import { endIsTold, type GatedLayer } from "../core/gate.ts";
import { type AdmissionOptions, admissionOptions, type ResolvedAdmission } from "./admission-options.ts";
import type { BackPressure } from "./back-pressure.ts";
import { Caller, type Waiting } from "./caller.ts";
import { Door } from "./door.ts";
import { Flow, tickMs } from "./flow.ts";
import { Grace } from "./grace.ts";
import { kneeLimit } from "./knee-limit.ts";
import { LateLoop } from "./late-loop.ts";
import type { ConcurrencyLimit, LimitSample } from "./limit.ts";
import { pacedEvents, type PacedEvents } from "./paced.ts";
import { allLevels, criticalityAt, criticalityOf, levels, userLevels } from "./priority.ts";
import { serviceTimes } from "./service-times.ts";
import { admissionName, levelText, shed } from "./shed.ts";
import { standstillMs, standstillRecord } from "./standstill.ts";
import { type Waiter, waitingLine } from "./waiting-line.ts";

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

/** So many of those who cannot pay for what is called go there all the same, to learn its price. */
const probeShare = 0.01;
/** So often what most calls take under load must be left of a deadline, or one is begun that is not done in time. */
const spare = 1.25;

/** Makes the admission layer of a server. It is one for all its methods. */
export function admission(options: AdmissionOptions = {}): LayerMaker {
  const checked = admissionOptions(options);
  return (runtime, observer): AdmissionLayer => {
    const control = new Admission(runtime, observer, checked);
    const layer = (next: Service): Service => (request, context) => control.enter(next, request, context);
    return Object.assign(layer, { gate: control, state: control });
  };
}

export class Admission extends Alarm implements AdmissionState {
  /** Calls that may be at work now: by the limit, but for {@link AdmissionOptions.room}. */
  limit = 0;
  inFlight = 0;
  shed = 0;
  /** Whether calls are looked at at the door: as the door says, in a field, which every call reads. */
  isShut = false;
  isAsked = false;
  readonly #runtime: Runtime;
  readonly #options: ResolvedAdmission;
  readonly #limit: ConcurrencyLimit;
  readonly #tell: PacedEvents;
  readonly #line;
  readonly #door;
  readonly #flow;
  readonly #loop;
  readonly #grace;
  readonly #standstills = standstillRecord();
  readonly #levelOf: (context: Context) => number;
  readonly #times = serviceTimes();
  readonly #sample: LimitSample = { nowMs: 0, latencyMs: 0, expectedMs: 0, inFlight: 0, lost: false };
  /** What happened since the last tick. */
  #arrived = 0;
  #completed = 0;
  #turnedAway = 0;
  #leftMs = Infinity;
  #shedBefore = 0;
  #tickedMs = -Infinity;
  /** When this program last went on after a standstill. */
  #wokeMs = -Infinity;

  constructor(runtime: Runtime, observer: Observer, options: ResolvedAdmission) {
    super();
    this.keepsAlive = false;
    this.#runtime = runtime;
    this.#options = options;
    this.#limit = options.limit?.(runtime) ?? kneeLimit();
    this.#tell = pacedEvents(runtime.clock, observer);
    this.#line = waitingLine(runtime.clock, options.line === false ? {} : options.line, this.#catchUp);
    this.#line.isOverloaded = false;
    this.#door = new Door(this.#tell);
    this.#flow = new Flow(options.room);
    this.#loop = new LateLoop(options.lagMs);
    this.#grace = new Grace(this.#standstills, this.#tell);
    this.#levelOf = levels(runtime, options);
    this.#limited();
  }

  /** The limit, or whether it binds, may have changed. */
  #limited(): void {
    const { limit } = this.#limit;
    this.limit = this.#flow.isSettled ? Math.max(limit, this.#options.room) : limit;
  }

  get waiting(): number {
    return this.#line.size;
  }

  get share(): number {
    return this.#door.share;
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
      this.#count(context);
      return this.#work(next, request, context, context.startedMs);
    }
    return this.#wait(next, request, context);
  }

  /** Turns away who could not pay for what the handler calls, and tells callers what it costs. */
  #askPrice(backPressure: BackPressure, context: Context): void {
    const below = backPressure.cursorOf(context.method.path, context.startedMs);
    const cursor = this.isShut ? Math.min(below, this.#door.level.cursor) : below;
    if (cursor < allLevels) context.setTrailer(admissionName, levelText(cursor));
    if (below === allLevels) return;
    const level = this.#levelOf(context);
    if (level < below || this.#runtime.random.next() < probeShare) return;
    this.shed++;
    throw shed("what this call needs lets in only what is more important", {
      criticality: criticalityAt(level), level: levelText(below), retryAfterMs: 100,
    });
  }

  /** Counts a call that came, and asks some how long they can wait. */
  #count(context: Context): void {
    if ((this.#arrived++ & 7) === 0) this.#leftMs = Math.min(this.#leftMs, context.deadline - context.startedMs);
  }

  #watch(nowMs: number): void {
    // Nobody came since, and nobody waits: it is no overload any more.
    const elapsedMs = nowMs - this.#tickedMs;
    if (elapsedMs > 0 && elapsedMs < Infinity) {
      this.#flow.paused(elapsedMs);
      const { isOverloaded } = this.#flow;
      this.#standstills.look({ elapsedMs, lagMs: 0, arrived: 0, completed: 0, isOverloaded });
      this.#overloaded(nowMs);
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
    return this.#awaited(answer, context, startedMs, inFlight);
  }

  /** Apart from `#work`, which would else make room for what these functions hold with every call. */
  #awaited(answer: Promise<unknown>, context: Context, startedMs: number, inFlight: number): Promise<unknown> {
    return answer.then((value) => {
      this.#ended(context, startedMs, inFlight, this.#runtime.clock.now(), undefined);
      return value;
    }, (error: unknown) => {
      this.#ended(context, startedMs, inFlight, this.#runtime.clock.now(), error);
      throw error;
    });
  }

  ended(context: Context, nowMs: number, error: unknown): void {
    const inFlight = context.atWork;
    context.atWork = 0;
    this.#ended(context, context.startedMs, inFlight, nowMs, error);
  }

  #left(nowMs: number): void {
    this.inFlight--;
    this.#completed++;
    if (this.#line.size > 0) this.#admit(nowMs);
  }

  #ended(context: Context, startedMs: number, inFlight: number, nowMs: number, error: unknown): void {
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
      if (this.#line.size > 0) times?.endedUnderLoad(latencyMs, nowMs);
      const before = this.#limit.limit;
      this.#limit.ended(sample);
      const after = this.#limit.limit;
      if (!lost && times !== undefined && !this.#grace.isGiven) {
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
    this.#count(context);
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
    const soon = capacity === 0 ? 0 : this.#flow.completing * maxWaitMs;
    return Math.ceil(Math.max(capacity * Math.max(this.limit, room), soon) + this.#grace.granted);
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
    const retryAfterMs = Math.round(soonMs(this.#runtime.random.next()));
    return shed(`the server has no room: ${why}`, { criticality, retryAfterMs, level: this.#door.text });
  };

  /** Why a call that waits need not be begun: its caller has left, or will have before it is done. */
  #hopeless(context: Context, nowMs: number): RpcError | undefined {
    const leftMs = context.deadline - nowMs;
    if (leftMs === Infinity) return undefined;
    const times = this.#times.of(context.method.ordinal);
    const quickMs = times === undefined ? 0 : Math.max(times.quickMs, spare * times.underLoadMs(nowMs));
    if (leftMs > quickMs) return undefined;
    this.shed++;
    return expected("deadline_exceeded", leftMs <= 0
      ? "the deadline passed before the call was begun"
      : `${leftMs.toFixed(1)} ms are left of the deadline, and calls take ${quickMs.toFixed(1)} or more now`,
      { neverStarted: true, retryable: false, phase: "queue" });
  }

  refuse(context: Context): RpcError | undefined {
    const level = this.#levelOf(context);
    const door = this.#door;
    door.level.count(level);
    const { cursor, share } = door.level;
    if (level < cursor) return undefined;
    this.#count(context);
    this.shed++;
    if (!this.isSet) this.#watch(context.startedMs);
    const draw = this.#runtime.random.next();
    return shed(`the server is overloaded and lets in ${(share * 100).toFixed(0)} % of the calls`, {
      criticality: criticalityAt(level), level: door.text,
      // The critical are turned away by what lasts a moment, and not on all servers: elsewhere or soon there is room.
      retryAfterMs: Math.round(level < userLevels ? soonMs(draw) : Math.min(1_000, 100 / share) * (0.75 + draw / 2)),
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
    const fresh = this.#standstills.look({
      ...happened, elapsedMs, lagMs, isOverloaded: this.#line.isOverloaded || this.isShut,
    });
    const { stoodMs } = this.#standstills;
    if (stoodMs > 0) this.#woke(nowMs, stoodMs);
    const isFull = stoodMs === 0 && happened.arrived > this.#options.room / 2;
    this.#loop.look({ lagMs, isFull, leftMs: this.#leftMs, isShut: this.isShut });
    this.#leftMs = Infinity;
    const workedMs = elapsedMs - stoodMs;
    const flow = this.#flow;
    flow.look({
      fresh, completed: happened.completed, workedMs, isSomebodyWaiting: this.#line.size > 0,
      isSomebodyShed: this.shed > this.#shedBefore,
    });
    this.#shedBefore = this.shed;
    this.#line.servedPerMs = flow.completing;
    this.#overloaded(nowMs);
    this.#limited();
    const isPressed = flow.isOverloaded && (this.#line.isStanding(nowMs) || happened.turnedAway > 0);
    if (this.#options.levels !== false) {
      const wasOpened = this.#door.look({
        ...happened, elapsedMs: workedMs, isPressed, isLate: this.#loop.isLate, lagMs, limit: this.#limit.limit,
        waiting: this.#line.size, shed: this.shed,
      });
      this.isShut = this.#door.isShut;
      if (wasOpened) flow.opened();
    }
    const goesOn = happened.arrived > 0 || this.isShut || this.#line.size > 0 || this.#grace.isGiven;
    if (goesOn) this.#runtime.clock.set(this, nowMs + tickMs);
  }

  /** Whether more comes than is done may have changed: of it depends who may wait, and how long. */
  #overloaded(nowMs: number): void {
    const { isOverloaded } = this.#flow;
    this.#line.isOverloaded = isOverloaded;
    this.#grace.look(nowMs, isOverloaded, this.#line.size > 0);
    this.#line.graceMs = this.#grace.waitMs;
  }

  /** This program has stood still: who waited did so for nothing that load has done. */
  #woke(nowMs: number, stoodMs: number): void {
    this.#wokeMs = nowMs;
    this.#line.stood(stoodMs);
  }
}

/** Whoever comes back at once finds the same line; whoever is spread over some of its lengths does not. */
function soonMs(draw: number): number {
  return 10 + draw * 40;
}

/** Whether a call was lost to load: here, or where it went on to. */
function isLost(error: unknown): boolean {
  return RpcError.is(error) && (error.code === "deadline_exceeded" || error.code === "resource_exhausted");
}
