/**
 * Faults are injected to rehearse what happens when something is slow or fails: a share of the attempts that match is
 * delayed, or fails with a code, until a time.
 *
 * On a client, or a gateway, they strike beneath the endpoint, where a real one would: figures, outlier detection,
 * failover, retries and hedges see no difference. On a server they strike before the handler. With no fault in force a
 * connection costs one comparison; where nobody makes any, nothing at all.
 */
import {
  Alarm, type AttemptObserver, badOption, type Cancellable, type Candidate, type Clock, type Code, codeFromNumber,
  type Connect, type Connection, type Context, expected, type Layer, numberOption, type Observer, RpcError,
  type Runtime,
} from "../core/index.ts";

export interface FaultSettings {
  /** Whose attempts: exact, or ending in `*`. Default `*`. Region is that of the endpoint; on a server, its own. */
  readonly service?: string | undefined;
  readonly method?: string | undefined;
  readonly region?: string | undefined;
  /** Share of the attempts, above 0 to 100. */
  readonly percent: number;
  /** Delays them first, in milliseconds, up to a minute. Default 0. */
  readonly delayMs?: number | undefined;
  /** Then fails them with this code. Default: they go on. */
  readonly code?: Code | undefined;
  /** How long it is in force, in milliseconds, up to an hour. */
  readonly forMs: number;
  /** Who wants it: errors name them. */
  readonly by?: string | undefined;
}

export interface Fault {
  readonly service: string;
  readonly method: string;
  readonly region: string;
  readonly percent: number;
  readonly delayMs: number;
  readonly by: string;
  readonly id: string;
  readonly code: Code | undefined;
  /** When it ends, in milliseconds since 1970. */
  readonly untilWallMs: number;
  /** Attempts struck so far. */
  readonly struck: number;
}

export interface Faults {
  /** Puts one in force. Throws `invalid_argument` by the name of the setting. */
  add(settings: FaultSettings): Fault;
  /** Ends one, or all; answers those that were in force. */
  clear(id?: string): readonly Fault[];
  list(): readonly Fault[];
  /** What a client connects by. */
  over<C extends Connect>(connect: C): C;
  /** What stands before a server's handlers, in `region`. */
  layer(region?: string): Layer;
}

export interface FaultOptions {
  /** Hears `fault.injected` and `fault.ended`. */
  readonly observer?: Observer | undefined;
}

/** Most faults in force at once, most delayed attempts, longest delay and longest time in force. */
export const faultLimits = { maxFaults: 100, maxDelayed: 10_000, maxDelayMs: 60_000, maxForMs: 3_600_000 } as const;

/** Makes a switchboard of faults, with none in force. */
export function faults(runtime: Pick<Runtime, "clock" | "random">, options: FaultOptions = {}): Faults {
  const board = new FaultBoard(runtime, options.observer);
  return {
    add: (settings) => board.add(settings),
    clear: (id) => board.clear(id),
    list: () => board.list(),
    over: (connect) => Object.assign(
      ((by, address, events, attributes) => new FaultyConnection(board, connect(by, address, events, attributes))
      ) satisfies Connect, connect),
    layer: (region = "") => (next) => (request, context) => {
      const fault = board.isOn ? board.draw(context, region) : undefined;
      if (fault === undefined) return next(request, context);
      const struck = board.strike(fault, context);
      return (async () => {
        await struck;
        return next(request, context);
      })();
    },
  };
}

interface Active {
  readonly fault: Omit<Fault, "struck">;
  readonly untilMs: number;
  struck: number;
}

class FaultBoard {
  readonly clock: Clock;
  readonly #random: Runtime["random"];
  readonly #observer: Observer | undefined;
  #active: Active[] = [];
  isOn = false;
  /** Attempts that are being delayed. */
  delayed = 0;

  constructor(runtime: Pick<Runtime, "clock" | "random">, observer: Observer | undefined) {
    this.clock = runtime.clock;
    this.#random = runtime.random;
    this.#observer = observer;
  }

  add(settings: FaultSettings): Fault {
    this.#expire();
    const { maxFaults, maxDelayMs, maxForMs } = faultLimits;
    if (this.#active.length >= maxFaults) {
      throw new RpcError("resource_exhausted", `${maxFaults} faults are in force already; end some first`);
    }
    const { service = "*", method = "*", region = "*", delayMs = 0, code, by = "" } = settings;
    const percent = numberOption("percent", settings.percent, { least: 0, most: 100 });
    if (percent === 0) throw badOption("percent", percent, "a fault of no calls is none: clear it instead");
    numberOption("delayMs", delayMs, { least: 0, most: maxDelayMs, unit: "milliseconds" });
    if (delayMs === 0 && code === undefined) throw badOption("delayMs", delayMs, "say a delay, a code, or both");
    if (code !== undefined && !codes.has(code)) {
      throw badOption("code", code, `expected one of ${[...codes].join(", ")}`);
    }
    const forMs = numberOption("forMs", settings.forMs, { least: 1, most: maxForMs, unit: "milliseconds" });
    const fault = {
      id: this.#random.id().slice(0, 12), service: any(service), method: any(method), region: any(region), percent,
      delayMs, code, by, untilWallMs: this.clock.wallMs() + forMs,
    };
    const active: Active = { fault, untilMs: this.clock.now() + forMs, struck: 0 };
    this.#active.push(active);
    this.isOn = true;
    this.#observer?.event?.("fault.injected", { ...fault, why: `rehearsal by ${by || "somebody"}` });
    return shown(active);
  }

  clear(id?: string): readonly Fault[] {
    this.#expire();
    const ended = this.#active.filter(({ fault }) => id === undefined || fault.id === id);
    this.#active = this.#active.filter((one) => !ended.includes(one));
    this.isOn = this.#active.length > 0;
    for (const { fault, struck } of ended) {
      this.#observer?.event?.("fault.ended", { id: fault.id, struck, why: "ended" });
    }
    return ended.map(shown);
  }

  list(): readonly Fault[] {
    this.#expire();
    return this.#active.map(shown);
  }

  #expire(): void {
    const nowMs = this.clock.now();
    const over = this.#active.filter(({ untilMs }) => untilMs <= nowMs);
    if (over.length === 0) return;
    this.#active = this.#active.filter(({ untilMs }) => untilMs > nowMs);
    this.isOn = this.#active.length > 0;
    for (const { fault, struck } of over) {
      this.#observer?.event?.("fault.ended", { id: fault.id, struck, why: "its time is over" });
    }
  }

  /** The first fault that strikes this attempt. */
  draw({ method }: Context, region: string): Fault | undefined {
    this.#expire();
    for (const active of this.#active) {
      const { fault } = active;
      if (!fits(fault.service, method.service) || !fits(fault.method, method.name)) continue;
      if (!fits(fault.region, region)) continue;
      if (fault.percent < 100 && this.#random.next() * 100 >= fault.percent) continue;
      active.struck++;
      return shown(active);
    }
    return undefined;
  }

  /** Waits as long as the fault says, and fails as it says. */
  async strike({ delayMs, code, by, id }: Fault, context: Context): Promise<void> {
    if (delayMs > 0) {
      if (this.delayed >= faultLimits.maxDelayed) {
        throw expected("resource_exhausted", `${faultLimits.maxDelayed} attempts are delayed by faults already`,
          { neverStarted: true });
      }
      const startedMs = this.clock.now();
      this.delayed++;
      try {
        await new Delay(this.clock, context).wait(delayMs);
      } finally {
        this.delayed--;
        context.traced().phase("fault", startedMs, this.clock.now());
      }
    }
    if (code === undefined) return;
    throw expected(code, `a fault was injected here to rehearse it (fault ${id}${by === "" ? "" : `, by ${by}`})`,
      { remote: true, phase: "server" });
  }
}

const codes: ReadonlySet<string> = new Set(Array.from({ length: 16 }, (_, index) => codeFromNumber(index + 1)));

function shown({ fault, struck }: Active): Fault {
  return { ...fault, struck };
}

function any(pattern: string): string {
  return pattern === "" ? "*" : pattern;
}

function fits(pattern: string, text: string): boolean {
  return pattern === "*" || (pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : text === pattern);
}

/** One attempt held back: no longer than its deadline, and not beyond its cancellation. */
class Delay extends Alarm implements Cancellable {
  readonly #clock: Clock;
  readonly #context: Context;
  readonly #settled = Promise.withResolvers<void>();

  constructor(clock: Clock, context: Context) {
    super();
    this.#clock = clock;
    this.#context = context;
  }

  wait(delayMs: number): Promise<void> {
    this.#clock.set(this, Math.min(this.#context.deadline, this.#clock.now() + delayMs));
    this.#context.onCancel(this);
    return this.#settled.promise;
  }

  ring(): void {
    this.#context.offCancel(this);
    if (this.#clock.now() < this.#context.deadline) {
      this.#settled.resolve();
      return;
    }
    this.#settled.reject(expected("deadline_exceeded", "the deadline passed while a fault delayed the call",
      { phase: "server" }));
  }

  cancelled(reason: RpcError): void {
    this.#clock.clear(this);
    this.#settled.reject(reason);
  }
}

/** A connection some of whose attempts meet faults, accounted for as any other's. */
class FaultyConnection implements Connection {
  readonly #board: FaultBoard;
  readonly #inner: Connection;
  #held = 0;

  constructor(board: FaultBoard, inner: Connection) {
    this.#board = board;
    this.#inner = inner;
  }

  call(request: unknown, context: Context, observer: AttemptObserver): unknown {
    const board = this.#board;
    const fault = board.isOn
      ? board.draw(context, (context.picked as Candidate | undefined)?.address?.region ?? "")
      : undefined;
    if (fault === undefined) return this.#inner.call(request, context, observer);
    const ended = (error: unknown): never => {
      // The endpoint counts an attempt as begun once its call has not thrown at once.
      observer.attemptEnded(context, context.startedMs, board.clock.now(), RpcError.from(error));
      throw error;
    };
    this.#held++;
    const struck = board.strike(fault, context).finally(() => {
      this.#held--;
    }).then(() => {
      try {
        return this.#inner.call(request, context, observer);
      } catch (error) {
        return ended(error);
      }
    }, ended);
    const { kind } = context.method;
    return kind === "server_stream" || kind === "bidi_stream" ? later(struck) : struck;
  }

  get inFlight(): number {
    return this.#inner.inFlight + this.#held;
  }

  get lastReceivedMs(): number {
    return this.#inner.lastReceivedMs;
  }

  get pingsSparingly(): boolean {
    return this.#inner.pingsSparingly;
  }

  ping(): boolean {
    return this.#inner.ping();
  }

  askLoad(): boolean {
    return this.#inner.askLoad?.() ?? false;
  }

  failRepeatable(error: RpcError): void {
    this.#inner.failRepeatable(error);
  }

  abort(error: RpcError): void {
    this.#inner.abort(error);
  }

  close(graceMs: number): void {
    this.#inner.close(graceMs);
  }
}

/** A stream that begins once it may. Nobody need read it for its failure to be known. */
async function* later(struck: Promise<unknown>): AsyncGenerator {
  struck.catch(() => undefined);
  yield* await struck as AsyncIterable<unknown>;
}
