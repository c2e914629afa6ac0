/**
 * A Simulation is a world of hosts under virtual time, in which the same seed gives the same events, byte
 * for byte.
 *
 * Everything that happens is an event; events run one at a time in order of time and, at equal times, of
 * planning. After an event every promise job it caused is done before the next (see drain.ts), and then the
 * callbacks it deferred. Code under simulation may wait for promises and for its Runtime, for nothing else:
 * what waits for a real timer or real I/O waits in vain, and what finishes off-thread would not be
 * repeatable.
 *
 * Modelled: latency, jitter, bandwidth, loss as retransmission delay (of datagrams: as loss), reordered datagrams,
 * flow control by a receive window, cut ways (nothing arrives, nobody is told), crashed and stopped programs. Not
 * modelled: packets of streams, slow start and congestion, the time that computing takes, clocks that drift apart,
 * an accept queue that fills.
 */
import { RpcError } from "../../core/error.ts";
import type { Random, Runtime } from "../../core/runtime.ts";
import { Agenda, Happening } from "./agenda.ts";
import { Digest } from "./digest.ts";
import { createDraining, type Drain } from "./drain.ts";
import { createNetwork, firstEphemeralPort } from "./network.ts";
import { SimulatedProgram } from "./program.ts";
import { createSeededRandom } from "./random.ts";
import { createSealing } from "./sealing.ts";
import { createTopology, type DirectionOptions, type LinkOptions, type Selector } from "./topology.ts";
import { programs, worlds } from "./inside.ts";
import { type Host, record, type World } from "./world.ts";

export interface SimulationOptions {
  /** What all chance follows from. */
  readonly seed: number | string;
  /** The link between hosts about which nothing else is said. Default 0.1 ms and no trouble. */
  readonly link?: LinkOptions;
  /** Queued bytes from which `write` returns false. Default 1 MiB. */
  readonly highWaterBytes?: number;
  /** Bytes a stream may send before its reader reads. Default 4 MiB, about what TCP grows to. */
  readonly windowBytes?: number;
  /** First retransmission of what was lost, in milliseconds; later ones double. Default 200, as on Linux. */
  readonly retransmitMs?: number;
  /** Longest distance of two retransmissions, in milliseconds. Default 120 000, as on Linux. */
  readonly maxRetransmitMs?: number;
  /** Wall clock at the start, in milliseconds since 1970. Default the beginning of 2026. */
  readonly startWallMs?: number;
  /** Events in one `run` after which it fails. Default 100 000 000. */
  readonly maxEvents?: number;
  /** Events without a step of time after which `run` fails: a livelock. Default 1 000 000. */
  readonly maxEventsPerInstant?: number;
  /** Waits until all promise jobs are done; called within one. Default the best the environment has. */
  readonly drain?: Drain;
  /** Hears a line of text for every event. */
  readonly log?: (line: string) => void;
}

/** Where a host stands. */
export interface HostOptions {
  readonly region?: string;
  readonly zone?: string;
}

/** How a host's clock differs from the simulation's. */
export interface ClockOptions {
  /** Above 0; 1 is right. */
  readonly rate?: number;
  readonly wallOffsetMs?: number;
}

export interface Simulation {
  readonly nowMs: number;
  /** Everything that has happened, in sixteen hexadecimal digits. */
  readonly digest: string;
  /** How many events have run. */
  readonly events: number;
  /** Chance for the scenario itself; hosts have their own. */
  readonly random: Random;
  /** Makes a host, or finds it again; returns the Runtime of its present program. */
  host(name: string, options?: HostOptions): Runtime;
  /** Says what the links between two sides are like. Later calls win, option by option. */
  link(left: Selector, right: Selector, options: LinkOptions & DirectionOptions): void;
  /** Lets nothing through between two sides; nobody is told. */
  partition(left: Selector, right: Selector, options?: DirectionOptions): void;
  /** Takes back the partitions between two sides, or all. */
  heal(left?: Selector, right?: Selector): void;
  /**
   * Kills the program of a host: nothing of it runs again and its listeners are gone. Its machine tells the
   * peers, and refuses whoever comes; with `isSilent` the machine is gone too and nobody is told.
   */
  crash(host: string, options?: { readonly isSilent?: boolean }): void;
  /** Starts a program anew, crashing the one that runs; its Runtime is a new one. */
  restart(host: string): Runtime;
  /** Stops a program as SIGSTOP does: nothing of it runs, its kernel goes on answering. */
  silence(host: string): void;
  /** Lets a silenced program go on, with everything that came for it in the meantime. */
  wake(host: string): void;
  /**
   * Lets a host's clock run at another rate from now on (1.001: a second too fast in a thousand), or its wall clock be
   * so far ahead (negative: behind) at once. The monotonic clock never jumps. What is not named stays.
   */
  setClock(host: string, options: ClockOptions): void;
  /** Runs a step of the scenario at `atMs`. */
  at(atMs: number, step: () => void): void;
  /** Folds a line of the scenario's own into the digest and the log. */
  trace(text: string): void;
  /** Runs what happens until `untilMs` and moves time there. Rejects with what a callback threw. */
  run(untilMs: number): Promise<void>;
  /**
   * Runs until the promise is settled, and passes its outcome on, or until the predicate (asked after each
   * event) is true. Rejects if that has not come about by `limitMs`, or if nothing is left to happen.
   */
  runUntil<T>(condition: Promise<T> | (() => boolean), limitMs: number): Promise<T>;
}

export function createSimulation(options: SimulationOptions): Simulation {
  const { seed } = options;
  const world: World = {
    agenda: new Agenda(),
    topology: createTopology(options.link ?? {}),
    random: createSeededRandom(`${seed} network`),
    digest: new Digest(),
    log: options.log,
    settings: {
      startWallMs: options.startWallMs ?? 1_767_225_600_000,
      highWaterBytes: options.highWaterBytes ?? 1 << 20,
      windowBytes: Math.max(1, options.windowBytes ?? 4 << 20),
      retransmitMs: Math.max(1, options.retransmitMs ?? 200),
      maxRetransmitMs: Math.max(1, options.maxRetransmitMs ?? 120_000),
    },
    hosts: new Map(),
    stalled: new Set(),
    deferred: [],
    isTouched: false,
  };
  const runtimes = new Map<string, Runtime>();

  function start(host: Host): Runtime {
    const runtime: Runtime = {
      clock: host.program.clock,
      // By name: a host's numbers do not depend on which other hosts there are.
      random: createSeededRandom(`${seed} host ${host.name} ${host.program.life}`),
      network: createNetwork(host.program),
      sealing: createSealing(createSeededRandom(`${seed} secrets ${host.name} ${host.program.life}`)),
    };
    runtimes.set(host.name, runtime);
    programs.set(runtime, host.program);
    return runtime;
  }

  const driver = createDriver(world, options);
  const simulation: Simulation = {
    ...createFaults(world, start),
    run: driver.run,
    runUntil: driver.runUntil,
    // Getters last: spreading would read them once.
    get nowMs() {
      return world.agenda.nowMs;
    },
    get digest() {
      return world.digest.toString();
    },
    get events() {
      return driver.events;
    },
    random: createSeededRandom(`${seed} scenario`),
    host: (name, place) => runtimes.get(name) ?? start(createHost(world, name, place)),
    at(atMs, step) {
      world.agenda.plan(new Step(world, step), atMs);
    },
    trace(text) {
      world.digest.foldText(text);
      world.log?.(`${world.agenda.nowMs.toFixed(3)} ${text}`);
    },
  };
  worlds.set(simulation, world);
  return simulation;
}

type Faults = Pick<Simulation, "link" | "partition" | "heal" | "crash" | "restart" | "silence" | "wake" | "setClock">;

function createFaults(world: World, start: (host: Host) => Runtime): Faults {
  const find = (name: string): Host => {
    const host = world.hosts.get(name);
    if (host !== undefined) return host;
    throw new RpcError("invalid_argument",
      `the simulation has no host ${JSON.stringify(name)}; it has ${[...world.hosts.keys()].join(", ") || "none"}`);
  };
  const recover = () => {
    for (const pipe of world.stalled) pipe.recover();
  };
  const crash: Faults["crash"] = (name, { isSilent = false } = {}) => {
    const host = find(name);
    record(world, "crash", host);
    host.program.die(!isSilent);
    host.state = isSilent ? "gone" : "down";
  };

  return {
    link: (left, right, options) => world.topology.setLink(left, right, options),
    partition: (left, right, options = {}) => world.topology.cut(left, right, options),
    heal(left, right) {
      world.topology.heal(left, right);
      recover();
    },
    crash,
    restart(name) {
      const host = find(name);
      if (host.state === "up") crash(name);
      record(world, "restart", host);
      host.program = new SimulatedProgram(world, host, host.program.life + 1);
      host.state = "up";
      recover();
      return start(host);
    },
    silence(name) {
      const host = find(name);
      record(world, "silence", host);
      host.program.isSilent = true;
    },
    wake(name) {
      const host = find(name);
      record(world, "wake", host);
      host.program.wake();
    },
    setClock(name, { rate, wallOffsetMs }) {
      const host = find(name);
      record(world, "note", host, undefined, `clock ${rate} ${wallOffsetMs}`);
      const time = host.clock;
      if (wallOffsetMs !== undefined) time.wallOffsetMs = wallOffsetMs;
      if (rate === undefined) return;
      if (!(rate > 0 && Number.isFinite(rate))) {
        throw new RpcError("invalid_argument", `rate is ${rate}: expected a number above 0, 1 for a right clock`);
      }
      const { nowMs } = world.agenda;
      time.localMs = host.program.clock.now();
      time.atMs = nowMs;
      time.rate = rate;
      host.program.retimed();
    },
  };
}

function createHost(world: World, name: string, { region = "", zone = "" }: HostOptions = {}): Host {
  if (!/^[^[\]:/\s]{1,253}$/.test(name)) {
    throw new RpcError("invalid_argument", `${JSON.stringify(name)} is no host name: write 1 to 253 characters ` +
      "without spaces, colons, slashes or brackets");
  }
  const index = world.hosts.size;
  const host = {
    name, region, zone, index, state: "up", nextPort: firstEphemeralPort - 1,
    clock: { rate: 1, atMs: 0, localMs: 0, wallOffsetMs: 0 },
  } as Omit<Host, "program"> as Host;
  host.program = new SimulatedProgram(world, host, 1);
  world.hosts.set(name, host);
  return host;
}

/** A step of the scenario: no host's, so that it runs whatever becomes of them. */
class Step extends Happening {
  readonly #world: World;
  readonly #step: () => void;

  constructor(world: World, step: () => void) {
    super();
    this.#world = world;
    this.#step = step;
  }

  happen(): void {
    this.#world.digest.foldNumber(this.#world.agenda.nowMs);
    this.#world.isTouched = true;
    this.#step();
  }
}

type Driver = Pick<Simulation, "run" | "runUntil" | "events">;

function createDriver(world: World, options: SimulationOptions): Driver {
  const drain = createDraining(options.drain);
  const { agenda } = world;
  let events = 0;
  let isRunning = false;

  /** Runs events up to the next that leaves promise jobs behind, or until `isDone`, or none is left by `untilMs`. */
  function stepper(untilMs: number, isDone: () => boolean): () => "drain" | "done" {
    const count = livelockGuard(options);
    return () => {
      for (;;) {
        // What was deferred comes after the promise jobs of its event, and before anything else.
        if (world.deferred.length > 0) {
          runDeferred(world);
          return "drain";
        }
        const happening = isDone() ? undefined : agenda.take(untilMs);
        if (happening === undefined) return "done";
        events++;
        count(agenda.nowMs);
        world.isTouched = false;
        happening.happen();
        if (world.isTouched) return "drain";
      }
    };
  }

  /** Drives the simulation until `isDone` or until nothing happens by `untilMs` any more. */
  async function drive(untilMs: number, isDone: () => boolean): Promise<void> {
    if (isRunning) throw new RpcError("failed_precondition", "the simulation runs already; await the other run first");
    isRunning = true;
    try {
      // Before the first event: code outside started things, and draining must begin within a promise job.
      await Promise.resolve();
      await drain();
      await drain.each(stepper(untilMs, isDone));
    } finally {
      isRunning = false;
    }
  }

  return {
    get events() {
      return events;
    },
    async run(untilMs) {
      await drive(untilMs, () => false);
      if (Number.isFinite(untilMs)) agenda.nowMs = Math.max(agenda.nowMs, untilMs);
    },
    async runUntil<T>(condition: Promise<T> | (() => boolean), limitMs: number): Promise<T> {
      let isSettled = false;
      const settled = () => {
        isSettled = true;
      };
      if (typeof condition !== "function") condition.then(settled, settled);
      const isDone = typeof condition === "function" ? condition : () => isSettled;
      await drive(limitMs, isDone);
      if (!isDone()) {
        throw new RpcError("deadline_exceeded", `what runUntil waits for has not come about by ${limitMs} ms ` +
          `(simulated); the last event was at ${agenda.nowMs} ms`);
      }
      return (typeof condition === "function" ? undefined : condition) as Promise<T>;
    },
  };
}

/** Runs what was deferred; its promise jobs, and what it deferred itself, come after it. */
function runDeferred(world: World): void {
  const batch = world.deferred;
  world.deferred = [];
  for (const { program, callback } of batch) program.admit(undefined, callback);
}

/** Counts the events of one run, and throws when there is no end of them. */
function livelockGuard(
  { maxEvents = 100_000_000, maxEventsPerInstant = 1_000_000 }: SimulationOptions,
): (nowMs: number) => void {
  let events = 0;
  let instantMs = -1;
  let instantEvents = 0;
  return (nowMs) => {
    if (nowMs !== instantMs) {
      instantMs = nowMs;
      instantEvents = 0;
    }
    if (++instantEvents > maxEventsPerInstant) throw livelock(`${maxEventsPerInstant} events at ${instantMs} ms`);
    if (++events > maxEvents) throw livelock(`${maxEvents} events in one run`);
  };
}

function livelock(what: string): RpcError {
  return new RpcError("aborted", `the simulation makes no progress: ${what}; something sets itself off again, ` +
    "or the limit (maxEvents, maxEventsPerInstant) is too low");
}
