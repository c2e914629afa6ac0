/** `simulatedServer` puts a server into a world: the production layers around a handler that does modelled work. */
import type { Context } from "../core/context.ts";
import type { Code } from "../core/code.ts";
import type { Registration } from "../core/discovery.ts";
import { expected, type RpcError } from "../core/error.ts";
import { gateOf } from "../core/gate.ts";
import type { LoadReport } from "../core/load.ts";
import { type MethodInfo } from "../core/method.ts";
import { type Observer, observeAll } from "../core/observer.ts";
import { badOption, numberOption } from "../core/option.ts";
import type { Random, Runtime } from "../core/runtime.ts";
import { compose, type Service, type Stack } from "../core/service.ts";
import type { AnyContract } from "../contract/service.ts";
import { programOf } from "../runtime/sim/inside.ts";
import { latencyByLoad } from "../server/latency-by-load.ts";
import { serverStack, type ServerStackOptions } from "../server/stack.ts";
import { constant, type Distribution } from "./distributions.ts";
import { listenersOf } from "./messages.ts";
import { loadOf } from "./server-load.ts";
import { type ModelledServing, ServedModelled } from "./served.ts";
import { Station, type StationFigures, type StationOptions } from "./station.ts";
import type { SimulatedWorld } from "./world.ts";

/** What a modelled handler may use. */
export interface HandlerPlace {
  readonly server: SimulatedServer;
  readonly runtime: Runtime;
  readonly station: Station;
  readonly random: Random;
  /** Does the method's work at the station: what a handler that is not given does. */
  work(context: Context): Promise<void>;
}

export type ModelledHandler = (request: never, context: Context, place: HandlerPlace) => unknown;

/** As `createServer`'s, as far as they concern what is modelled: admission is on unless it is `false`. */
export interface SimulatedServerOptions extends ServerStackOptions, StationOptions {
  /** The host's name; made if there is none of that name. */
  readonly host: string;
  /** Default 7000. */
  readonly port?: number | undefined;
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
  readonly weight?: number | undefined;
  readonly backup?: boolean | undefined;
  readonly priority?: number | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** How much work a call is, in milliseconds at speed 1; for all methods or by their names. Default 1 ms. */
  readonly work?: Distribution | Readonly<Record<string, Distribution>> | undefined;
  /** Handlers by method name instead of the one that works and answers `{}`. */
  readonly handlers?: Readonly<Record<string, ModelledHandler>> | undefined;
  /** Most calls handled at once. Default 10,000. */
  readonly maxInFlight?: number | undefined;
  readonly observer?: Observer | undefined;
  /** Whether replies carry load reports, as `createServer`'s do. Default true. */
  readonly reports?: boolean | undefined;
  /** Share of calls that fail after their work. Default 0. */
  readonly errorRate?: number | undefined;
  readonly errorCode?: Code | undefined;
  /** Whether it registers in the world's discovery, under the contract's name. Default true. */
  readonly registers?: boolean | undefined;
}

/** What a server has done in all its lives. */
export interface ServerFigures extends StationFigures {
  /** Calls that handlers were given, that ended well, and that failed. */
  readonly handled: number;
  readonly succeeded: number;
  readonly failed: number;
}

export interface SimulatedServer {
  readonly host: string;
  readonly address: string;
  readonly region: string;
  readonly options: SimulatedServerOptions;
  /** Of the present life. */
  readonly station: Station;
  readonly runtime: Runtime;
  readonly inFlight: number;
  readonly figures: ServerFigures;
  /** Works at another speed from now on, e.g. 0.1 for ten times slower. Outlives restarts. */
  setSpeed(speed: number): void;
  /** Has so many workers, or cores, from now on. Outlives restarts. */
  setWorkers(workers: number): void;
  /** Works at another speed for a time, and then as before. */
  slow(speed: number, forMs: number): void;
  /** Fails a share of its calls from now on: after their work, or `fast`, without any. 0 ends it. */
  setErrors(share: number, options?: { readonly code?: Code; readonly fast?: boolean }): void;
  /** The whole program stands still for so long, as in a collection of garbage: no work, no answers, no pings. */
  stall(forMs: number): void;
  /** Kills it; its machine tells the peers, or with `isSilent` is gone as well. */
  crash(options?: { readonly isSilent?: boolean }): void;
  /** Starts it anew, with an empty queue. It registers again. */
  restart(): void;
  /** Ends in order: deregisters, refuses new calls, lets those in flight finish within `graceMs`. */
  drain(graceMs?: number): void;
}

/** Puts a server of `contract` on a host of `world`. Throws `invalid_argument` for options that cannot be. */
export function simulatedServer(
  world: SimulatedWorld, contract: AnyContract, options: SimulatedServerOptions,
): SimulatedServer {
  if (world.servers.has(options.host)) {
    throw badOption("host", options.host, "a simulated server runs there already: one a host");
  }
  const server = new ModelledServer(world, contract, options);
  (world.servers as Map<string, SimulatedServer>).set(options.host, server);
  return server;
}

class ModelledServer implements SimulatedServer {
  readonly host: string;
  readonly address: string;
  readonly region: string;
  readonly options: SimulatedServerOptions;
  runtime!: Runtime;
  station!: Station;
  readonly #world: SimulatedWorld;
  readonly #contract: AnyContract;
  readonly #random: Random;
  readonly #counts = { handled: 0, succeeded: 0, failed: 0 };
  /** Of earlier lives. */
  #past: StationFigures | undefined = undefined;
  #serving!: ModelledServing;
  #registration: Registration | undefined = undefined;
  #errors: { share: number; code: Code; fast: boolean };
  #speed: number | undefined = undefined;
  #workers: number | undefined = undefined;

  constructor(world: SimulatedWorld, contract: AnyContract, options: SimulatedServerOptions) {
    this.#world = world;
    this.#contract = contract;
    this.options = options;
    this.host = options.host;
    this.region = options.region ?? "";
    const port = numberOption("port", options.port ?? 7_000, { least: 1, most: 65_535, whole: true });
    this.address = `${options.host}:${port}`;
    this.#errors = { share: 0, code: options.errorCode ?? "unavailable", fast: false };
    this.setErrors(options.errorRate ?? 0);
    this.#random = world.chance(`server ${options.host}`);
    const { region, zone } = options;
    const place = { ...(region === undefined ? {} : { region }), ...(zone === undefined ? {} : { zone }) };
    this.#begin(world.host(options.host, place));
  }

  #begin(runtime: Runtime): void {
    const { options } = this;
    const program = programOf(runtime);
    this.runtime = runtime;
    const station = this.station = new Station(program, options);
    if (this.#speed !== undefined) station.tune({ speed: this.#speed });
    if (this.#workers !== undefined) station.tune({ workers: this.#workers });
    const maxInFlight = numberOption("maxInFlight", options.maxInFlight ?? 10_000, { least: 1, unit: "calls" });
    const admission = { inFlight: 0, maxInFlight };
    const load = options.reports === false ? undefined : loadOf(runtime.clock, station);
    const latencies = latencyByLoad(runtime);
    const counts = this.#counts;
    const observer = observeAll(options.observer, {
      handled(_context, _latencyMs, error) {
        counts.handled++;
        if (error === undefined) counts.succeeded++;
        else counts.failed++;
        load?.handled(error);
      },
    }, load && latencies.observer(admission));
    const stack = serverStack(runtime, observer, options);
    const routes = this.#routes(runtime, stack);
    this.#serving = {
      program, admission, gate: gateOf(stack["admission"]), observer, connections: new Set(),
      route: (method) => routes.get(method.path),
      load(leaving = 0): LoadReport | undefined {
        const inFlight = admission.inFlight - leaving;
        return load?.report(inFlight, latencies.at(inFlight));
      },
    };
    const serving = this.#serving;
    listenersOf(program).set(this.address.slice(this.host.length + 1), {
      accept: (connection) => new ServedModelled(serving, connection),
    });
    this.#register();
  }

  #routes(runtime: Runtime, stack: Stack): Map<string, Service> {
    const { options } = this;
    const routes = new Map<string, Service>();
    for (const [name, method] of Object.entries(this.#contract.methods)) {
      const given = options.handlers?.[name];
      const work = this.#workOf(name, method);
      const { station } = this;
      const random = this.#random;
      const place: HandlerPlace = {
        server: this, runtime, station, random,
        work: (context) => station.serve(work.sample(random), context),
      };
      const handler: Service = given === undefined
        ? (_request, context) => station.serve(work.sample(random), context).then(emptyAnswer)
        : (request, context) => given(request as never, context, place);
      routes.set(method.path, compose(stack, this.#faulty(handler)));
    }
    return routes;
  }

  #workOf(name: string, _method: MethodInfo): Distribution {
    const { work = constant(1) } = this.options;
    if ("sample" in work && typeof work.sample === "function") return work as Distribution;
    const one = (work as Readonly<Record<string, Distribution>>)[name];
    return one ?? constant(1);
  }

  /** The handler, which fails now and then if it was told to. */
  #faulty(handler: Service): Service {
    return (request, context) => {
      const { share, fast } = this.#errors;
      if (share === 0 || this.#random.next() >= share) return handler(request, context);
      if (fast) throw this.#error();
      return this.station.serve(this.#failedWorkMs(context), context).then(() => {
        throw this.#error();
      });
    };
  }

  #failedWorkMs(context: Context): number {
    return this.#workOf(context.method.name, context.method).sample(this.#random);
  }

  #error(): RpcError {
    const { code } = this.#errors;
    return expected(code, `${this.host} fails: it was told to`, { phase: "handler" });
  }

  #register(): void {
    if (this.options.registers === false) return;
    const { region, zone, weight, backup, priority, attributes } = this.options;
    const fields = { region, zone, weight, backup, priority, attributes };
    const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    this.#registration = this.#world.discovery.register(this.#contract.name, { address: this.address, ...given });
  }

  get inFlight(): number {
    return this.#serving.admission.inFlight;
  }

  get figures(): ServerFigures {
    return { ...this.#counts, ...added(this.#past, this.station.figures) };
  }

  setSpeed(speed: number): void {
    this.#speed = numberOption("speed", speed, { least: 0 });
    this.station.tune({ speed });
  }

  setWorkers(workers: number): void {
    this.station.tune({ workers });
    this.#workers = workers;
  }

  slow(speed: number, forMs: number): void {
    numberOption("forMs", forMs, { least: 0, unit: "milliseconds" });
    const before = this.station.speed;
    this.setSpeed(speed);
    this.#world.at(this.#world.nowMs + forMs, () => this.setSpeed(before));
  }

  setErrors(share: number, { code, fast = false }: { readonly code?: Code; readonly fast?: boolean } = {}): void {
    numberOption("share", share, { least: 0, most: 1 });
    this.#errors = { share, fast, code: code ?? this.#errors.code };
  }

  stall(forMs: number): void {
    numberOption("forMs", forMs, { least: 0, unit: "milliseconds" });
    const { station } = this;
    station.pause();
    this.#world.silence(this.host);
    this.#world.at(this.#world.nowMs + forMs, () => {
      if (this.station !== station) return;
      station.resume();
      this.#world.wake(this.host);
    });
  }

  crash(options: { readonly isSilent?: boolean } = {}): void {
    this.#past = added(this.#past, this.station.figures);
    this.#world.crash(this.host, options);
    this.station = new Station(programOf(this.runtime), this.options);
    this.#world.discovery.lost(this.#contract.name, this.address);
  }

  restart(): void {
    if (programOf(this.runtime).isAlive) this.crash();
    this.#begin(this.#world.restart(this.host));
  }

  drain(graceMs = 10_000): void {
    void this.#registration?.close();
    const reason = expected("unavailable", "the server is shutting down", { neverStarted: true });
    for (const one of [...this.#serving.connections]) one.drain(reason);
    const program = programOf(this.runtime);
    listenersOf(program).clear();
    this.runtime.clock.after(graceMs, () => {
      for (const one of [...this.#serving.connections]) one.close(reason);
    });
  }
}

const emptyAnswer = (): unknown => ({});

function added(a: StationFigures | undefined, b: StationFigures): StationFigures {
  if (a === undefined) return b;
  const sum = { ...b } as Record<keyof StationFigures, number>;
  for (const key of Object.keys(sum) as (keyof StationFigures)[]) sum[key] += a[key];
  sum.mostInside = Math.max(a.mostInside, b.mostInside);
  return sum;
}
