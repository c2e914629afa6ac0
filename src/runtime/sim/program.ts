/**
 * A SimulatedProgram is one life of a program on a host: its clock, its alarms, its streams, its listeners.
 *
 * A host that crashes and restarts gets a new program; what still holds the Runtime of the old one is cut
 * off from the world, so that promises that outlive a crash do no harm.
 */
import type { Alarm } from "../../core/alarm.ts";
import { CallbackAlarm } from "../../core/callback-alarm.ts";
import { RpcError } from "../../core/error.ts";
import type { Clock } from "../../core/runtime.ts";
import { Happening } from "./agenda.ts";
import { type Accept, type DatagramPort, type Host, type Program, record, type World } from "./world.ts";

/** Errors that name their host already. */
const blamed = new WeakSet<object>();

export class SimulatedProgram implements Program {
  readonly world: World;
  readonly host: Host;
  readonly life: number;
  readonly clock: Clock;
  isAlive = true;
  isSilent = false;
  /** Alarms that are set: the first of a list. */
  firstAlarm: Ringing | undefined = undefined;
  readonly streams = new Set<{ abandon(isReset: boolean): void }>();
  readonly listeners = new Map<string, Accept>();
  readonly sockets = new Map<string, DatagramPort>();
  /** What came due while the program was stopped, in order. */
  #held: (() => void)[] = [];

  constructor(world: World, host: Host, life: number) {
    this.world = world;
    this.host = host;
    this.life = life;
    this.clock = createClock(this);
  }

  get isHolding(): boolean {
    return this.isSilent || this.#held.length > 0;
  }

  admit<T>(happening: Happening | undefined, callback: (of: T) => void, of: T): void;
  admit(happening: Happening | undefined, callback: () => void): void;
  admit<T>(happening: Happening | undefined, callback: (of: T) => void, of?: T): void {
    if (!this.isAlive || happening?.isCalledOff === true) return;
    if (!this.isSilent && this.#held.length === 0) {
      try {
        callback(of as T);
      } catch (error) {
        throw this.#blame(error);
      }
      return;
    }
    this.#held.push(() => {
      if (happening?.isCalledOff !== true) callback(of as T);
    });
  }

  /** Says where and when an error was thrown, once however many of our frames it passes. */
  #blame(error: unknown): unknown {
    if (typeof error === "object" && error !== null && blamed.has(error)) return error;
    const { world, host } = this;
    const reason = error instanceof Error ? error.message : String(error);
    const blame = new RpcError("internal", `host ${host.name} threw at ${world.agenda.nowMs} ms: ${reason}`,
      { cause: error });
    blamed.add(blame);
    return blame;
  }

  wake(): void {
    if (!this.isSilent) return;
    this.isSilent = false;
    this.world.agenda.plan(new CatchingUp(this), this.world.agenda.nowMs);
  }

  retimed(): void {
    const { agenda } = this.world;
    for (let ringing = this.firstAlarm; ringing !== undefined;) {
      const { next, alarm } = ringing;
      ringing.leave();
      agenda.callOff(ringing);
      this.clock.set(alarm, alarm.ringsAtMs);
      ringing = next;
    }
  }

  /** Runs the oldest thing held back; returns whether there is more. */
  catchUp(): boolean {
    if (!this.isAlive || this.isSilent) return false;
    try {
      this.#held[0]?.();
    } catch (error) {
      throw this.#blame(error);
    } finally {
      // Only now: while it ran, whatever came had to queue up behind the others.
      this.#held.shift();
    }
    return this.#held.length > 0;
  }

  die(isReset: boolean): void {
    this.isAlive = false;
    for (let ringing = this.firstAlarm; ringing !== undefined; ringing = ringing.next) {
      this.world.agenda.callOff(ringing);
      ringing.alarm.isSet = false;
      ringing.alarm.nextAlarm = undefined;
    }
    this.firstAlarm = undefined;
    this.listeners.clear();
    this.sockets.clear();
    this.#held = [];
    for (const stream of this.streams) stream.abandon(isReset);
    this.streams.clear();
  }
}

/** One thing held back an event, so that promise jobs run in between, as they would have. */
class CatchingUp extends Happening {
  readonly #program: SimulatedProgram;

  constructor(program: SimulatedProgram) {
    super();
    this.#program = program;
  }

  happen(): void {
    const { agenda } = this.#program.world;
    if (this.#program.catchUp()) agenda.plan(this, agenda.nowMs);
  }
}

/** An alarm that is set. The alarm's own link leads to it, so that clearing one costs no look-up. */
class Ringing extends Happening {
  readonly program: SimulatedProgram;
  readonly alarm: Alarm;
  next: Ringing | undefined = undefined;
  previous: Ringing | undefined = undefined;

  constructor(program: SimulatedProgram, alarm: Alarm) {
    super();
    this.program = program;
    this.alarm = alarm;
    const { firstAlarm } = program;
    this.next = firstAlarm;
    if (firstAlarm !== undefined) firstAlarm.previous = this;
    program.firstAlarm = this;
    alarm.nextAlarm = this as unknown as Alarm;
  }

  /** That of `alarm`, if `program` holds it. */
  static of(program: SimulatedProgram, alarm: Alarm): Ringing | undefined {
    const ringing = alarm.nextAlarm as unknown as Ringing | undefined;
    return ringing !== undefined && ringing.program === program ? ringing : undefined;
  }

  /** Takes it out of its program's list. */
  leave(): void {
    const { next, previous, alarm, program } = this;
    if (next !== undefined) next.previous = previous;
    if (previous !== undefined) previous.next = next;
    else program.firstAlarm = next;
    alarm.nextAlarm = undefined;
    alarm.isSet = false;
  }

  happen(): void {
    this.program.admit(this, Ringing.ring, this);
  }

  static ring(this: void, ringing: Ringing): void {
    const { world, host } = ringing.program;
    ringing.leave();
    world.isTouched = true;
    record(world, "alarm", host);
    ringing.alarm.ring();
  }
}

function createClock(program: SimulatedProgram): Clock {
  const { world, host } = program;
  const { agenda, settings } = world;
  const time = host.clock;
  const now = (): number =>
    (time.rate === 1 && time.atMs === 0 ? agenda.nowMs : time.localMs + (agenda.nowMs - time.atMs) * time.rate);
  /** The time of the simulation at which the host's clock shows `localMs`. */
  const inWorld = (localMs: number): number =>
    (time.rate === 1 && time.atMs === 0 ? localMs : time.atMs + (localMs - time.localMs) / time.rate);
  const clock: Clock = {
    now,
    wallMs: () => settings.startWallMs + Math.floor(now() + time.wallOffsetMs),
    set(alarm, atMs) {
      if (Number.isNaN(atMs)) {
        throw new RpcError("invalid_argument", "an alarm was set at NaN; give clock milliseconds");
      }
      clock.clear(alarm);
      if (!program.isAlive) return;
      const ringing = new Ringing(program, alarm);
      alarm.isSet = true;
      alarm.ringsAtMs = atMs;
      agenda.plan(ringing, inWorld(atMs));
    },
    clear(alarm) {
      const ringing = Ringing.of(program, alarm);
      if (ringing === undefined) return;
      ringing.leave();
      agenda.callOff(ringing);
    },
    after(delayMs, callback) {
      const alarm = new CallbackAlarm(clock, callback);
      clock.set(alarm, now() + delayMs);
      return alarm;
    },
    defer(callback) {
      if (program.isAlive) world.deferred.push({ program, callback });
    },
  };
  return clock;
}
