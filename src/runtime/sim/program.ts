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
  readonly alarms = new Map<Alarm, Happening>();
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

  admit(happening: Happening | undefined, callback: () => void): void {
    if (!this.isAlive || happening?.isCalledOff === true) return;
    if (!this.isHolding) {
      this.#run(callback);
      return;
    }
    this.#held.push(() => {
      if (happening?.isCalledOff !== true) callback();
    });
  }

  #run(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      throw this.#blame(error);
    }
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

  /** Runs the oldest thing held back; returns whether there is more. */
  catchUp(): boolean {
    if (!this.isAlive || this.isSilent) return false;
    try {
      this.#run(() => this.#held[0]?.());
    } finally {
      // Only now: while it ran, whatever came had to queue up behind the others.
      this.#held.shift();
    }
    return this.#held.length > 0;
  }

  die(isReset: boolean): void {
    this.isAlive = false;
    for (const [alarm, happening] of this.alarms) {
      this.world.agenda.callOff(happening);
      alarm.isSet = false;
    }
    this.alarms.clear();
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

class Ringing extends Happening {
  readonly #program: SimulatedProgram;
  readonly #alarm: Alarm;

  constructor(program: SimulatedProgram, alarm: Alarm) {
    super();
    this.#program = program;
    this.#alarm = alarm;
  }

  happen(): void {
    this.#program.admit(this, () => {
      const { world, host, alarms } = this.#program;
      alarms.delete(this.#alarm);
      this.#alarm.isSet = false;
      world.isTouched = true;
      record(world, "alarm", host);
      this.#alarm.ring();
    });
  }
}

function createClock(program: SimulatedProgram): Clock {
  const { world, alarms } = program;
  const { agenda, settings } = world;
  const clock: Clock = {
    now: () => agenda.nowMs,
    wallMs: () => settings.startWallMs + Math.floor(agenda.nowMs),
    set(alarm, atMs) {
      if (Number.isNaN(atMs)) {
        throw new RpcError("invalid_argument", "an alarm was set at NaN; give clock milliseconds");
      }
      clock.clear(alarm);
      if (!program.isAlive) return;
      const ringing = new Ringing(program, alarm);
      alarms.set(alarm, ringing);
      alarm.isSet = true;
      alarm.ringsAtMs = atMs;
      agenda.plan(ringing, atMs);
    },
    clear(alarm) {
      const ringing = alarms.get(alarm);
      if (ringing === undefined) return;
      alarms.delete(alarm);
      alarm.isSet = false;
      agenda.callOff(ringing);
    },
    after(delayMs, callback) {
      const alarm = new CallbackAlarm(clock, callback);
      clock.set(alarm, agenda.nowMs + delayMs);
      return alarm;
    },
    defer(callback) {
      if (program.isAlive) world.deferred.push({ program, callback });
    },
  };
  return clock;
}
