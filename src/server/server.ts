/** A server listens, serves handlers under their contracts, and makes itself known to a registry. */
import type { ServedConnection } from "../core/connection.ts";
import type { Registrar, Registration } from "../core/discovery.ts";
import { expected, RpcError } from "../core/error.ts";
import type { LoadReport } from "../core/load.ts";
import { gateOf } from "../core/gate.ts";
import type { Guard } from "../core/identity.ts";
import { observeAll, type Observer } from "../core/observer.ts";
import type { ByteSink, ByteStream, Listener, Network, Runtime, Security } from "../core/runtime.ts";
import type { Timer } from "../core/alarm.ts";
import type { HttpMount } from "../http/mount.ts";
import type { Codec } from "../contract/codec.ts";
import type { AnyContract } from "../contract/service.ts";
import type { Handlers } from "../contract/types.ts";
import type { NativeSettings } from "../protocol/native/index.ts";
import { PathTable } from "../protocol/http-json/index.ts";
import type { Admission, Router, Serving } from "../protocol/router.ts";
import { UdpPort, type UdpServerOptions } from "../protocol/udp/index.ts";
import type { Wire } from "../protocol/wire.ts";
import type { Compression } from "../wire/compression.ts";
import { healthOf, type ServerHealth } from "./health.ts";
import { type LatencyByLoad, latencyByLoad } from "./latency-by-load.ts";
import { ByAddress } from "./by-address.ts";
import { Arrival, type ReceptionOptions } from "./reception.ts";
import { Routes } from "./routes.ts";
import { ServerMount } from "./mount.ts";
import { serverStack, type ServerStackOptions } from "./stack.ts";
import { standardRoutes } from "./standard.ts";
import { createWires, type HttpOptions } from "./wires.ts";

export interface ServerOptions extends ServerStackOptions {
  /** Where this server is, what share of the traffic it wants, and whether only in need; see EndpointAddress. */
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
  readonly weight?: number | undefined;
  readonly backup?: boolean | undefined;
  readonly priority?: number | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** Where it announces itself once it listens. Default: nowhere. */
  readonly registry?: Registrar | undefined;
  /** Names to register under instead of the services' own (a gateway registers as a gateway). */
  readonly registerAs?: readonly string[] | undefined;
  /** Most calls handled at once, over all connections; more are refused, certain not to have started. 10,000. */
  readonly maxInFlight?: number | undefined;
  /** Most connections; more are told so and closed. Default 10,000. */
  readonly maxConnections?: number | undefined;
  /**
   * Most connections from one address (of IPv6, one network of 64 bits); more are told so and closed. Default: no limit
   * but `maxConnections`, since a gateway or a proxy is one address.
   */
  readonly maxConnectionsPerAddress?: number | undefined;
  readonly codecs?: readonly Codec[] | undefined;
  readonly observer?: Observer | undefined;
  /**
   * The load that replies carry, read at most every 5 ms for each native connection (100 ms over HTTP), and what pongs
   * tell who asks. What calls take in this server is added to it. `false` for none. Default
   * for `createServer`: that of this process (`processLoad`); for `createServerOn`, none.
   */
  readonly load?: ((inFlight: number) => LoadReport | undefined) | false | undefined;
  readonly settings?: Partial<NativeSettings> | undefined;
  /**
   * What requests may be compressed with, and replies are that their callers can read so, best first. Default for
   * `createServer`: gzip, brotli and zstd. The native wire has its own, in `settings`.
   */
  readonly compressions?: readonly Compression[] | undefined;
  /** HTTP: its limits, Connect's options, what else is served. */
  readonly http?: HttpOptions | undefined;
  /** More wires on the same port; one that has the name of a standard wire takes its place. */
  readonly wires?: readonly Wire[] | undefined;
  /** Datagrams for one-way and small idempotent calls, at the same port number (docs/udp.md): limits. Default none. */
  readonly udp?: UdpServerOptions | boolean | undefined;
  /** Finds a route where no handler is registered. */
  readonly fallback?: Router | undefined;
  /** Contracts of methods that `fallback` finds, for wires whose callers are told what is served (Avro). */
  readonly forwarded?: readonly AnyContract[] | undefined;
  /** Whether it says how it is by `grpc.health.v1` and `GET /healthz`: see `Server.health`. Default true. */
  readonly health?: boolean | undefined;
  /** Whether it tells everybody who may connect what it serves (`grpc.reflection`), for tools. Default false. */
  readonly reflection?: boolean | undefined;
  /**
   * On close, how long it goes on serving after it said that it will not (health, registry), in milliseconds: for
   * balancers that ask only now and then. Default 0.
   */
  readonly drainDelayMs?: number | undefined;
  /** Our certificate, and whom we trust: `tls(...)` of `meridian-rpc/runtime/node`. Default: no TLS. */
  readonly tls?: Security | undefined;
  /** With `tls`: whether connections without it are served on the same port. Default false. */
  readonly plaintext?: boolean | undefined;
  /** How long a connection may take to become secure and to show what it speaks, in milliseconds. Default 5,000. */
  readonly openingTimeoutMs?: number | undefined;
}

export interface ListenOptions {
  /** 0, the default, picks a free one. */
  readonly port?: number | undefined;
  /** Default 127.0.0.1: a server that the network shall reach must say so, e.g. `0.0.0.0`. */
  readonly host?: string | undefined;
  /** The network on which it listens, e.g. `zeromq()` of `meridian-rpc/runtime/node`. Default: the runtime's. */
  readonly network?: Network | undefined;
  /** Whether the address is registered. Default: unless it is on a network of its own, which others do not know. */
  readonly register?: boolean | undefined;
  /** A Unix socket instead of host and port. */
  readonly path?: string | undefined;
  /** The address to register instead of the bound one, for servers behind NAT or in containers. */
  readonly advertise?: string | undefined;
}

export interface Server extends AsyncDisposable {
  /** Serves `contract` by `handlers`. Throws if a handler is missing. */
  implement<S extends AnyContract>(contract: S, handlers: Handlers<S>): Server;
  /** Binds, begins to serve and registers. Resolves with the bound address. */
  listen(options?: ListenOptions): Promise<string>;
  /**
   * Ends in order: deregisters, refuses new calls, lets those in flight finish within `graceMs` (default
   * 10,000), then cancels what is left. No accepted call is cut before that.
   */
  close(graceMs?: number): Promise<void>;
  /** The services implemented so far. */
  readonly services: readonly string[];
  /** What it says of itself by `grpc.health.v1`: all implemented services are serving, unless set otherwise. */
  readonly health: ServerHealth;
  /** Its HTTP without its port, for other HTTP servers: see `nodeHandler`, `fastifyPlugin` and `fetchHandler`. */
  readonly http: HttpMount;
  /** Calls being handled, and connections open. */
  readonly inFlight: number;
  readonly connections: number;
  /**
   * Changes what can change while it serves: limits hold for what comes next, and what discovery is told is entered
   * anew, in place. Resolves once that is known. Rejects with `invalid_argument` for a limit that is none, and changes
   * nothing.
   */
  change(changes: ServerChanges): Promise<void>;
}

/** What of a server's options can change while it serves; what is left out stays. */
export type ServerChanges = Pick<ServerOptions,
  "weight" | "backup" | "priority" | "attributes" | "maxInFlight" | "maxConnections" | "drainDelayMs">;

/** Makes a server on `runtime`. The package's `createServer` fills in the Node runtime. */
export function createServerOn(runtime: Runtime, options: ServerOptions = {}): Server {
  return new ListeningServer(runtime, options);
}

const sweepMs = 1_000;
const defaultOpeningTimeoutMs = 5_000;
/** Most refused connections that are still being told why; more are closed without a word. */
const maxRefusals = 256;
const maxRefusalsPerAddress = 16;

class ListeningServer implements Server {
  readonly health: ServerHealth;
  readonly http: ServerMount;
  readonly #runtime: Runtime;
  #options: ServerOptions;
  readonly #observer: Observer;
  readonly #routes: Routes;
  readonly #paths = new PathTable();
  readonly #admission: { inFlight: number; maxInFlight: number };
  #maxConnections: number;
  readonly #maxPerAddress: number;
  readonly #byAddress: ByAddress;
  readonly #reception: ReceptionOptions;
  readonly #connections = new Set<ServedConnection>();
  /** Accepted streams that are not closed: also those of connections that are over, whose peers still hold on. */
  #streams = 0;
  readonly #listeners: Listener[] = [];
  readonly #udp: UdpPort | undefined;
  readonly #guard: Guard | undefined;
  readonly #registrations: Registration[] = [];
  /** The addresses that are registered. */
  readonly #advertised: string[] = [];
  #sweepTimer: Timer | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;
  /** Called when the last connection has ended. */
  #emptied: (() => void) | undefined = undefined;

  constructor(runtime: Runtime, options: ServerOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#observer = options.observer ?? {};
    this.#maxConnections = limit("maxConnections", options.maxConnections);
    this.#maxPerAddress = limit("maxConnectionsPerAddress", options.maxConnectionsPerAddress ?? Infinity);
    this.#byAddress = new ByAddress(this.#maxPerAddress);
    const { reflection = false } = options;
    const guard = this.#guard = options.auth?.(runtime, this.#observer);
    for (const contract of (options.http?.json || {}).contracts ?? []) {
      this.#paths.add(contract, this.#paths.plan(contract));
    }
    const stack = serverStack(runtime, this.#observer, { ...options, guard }, options.fallback !== undefined);
    this.health = healthOf({ services: () => this.services });
    this.#routes = new Routes({
      stack, guard, codecs: options.codecs ?? [], fallback: options.fallback, standard: standardRoutes({
        guard,
        health: options.health === false ? undefined : this.health,
        stack, reflection, contracts: () => this.#routes.contracts,
      }),
    });
    const maxInFlight = limit("maxInFlight", options.maxInFlight);
    const admission = this.#admission = { inFlight: 0, maxInFlight };
    const { load = false } = options;
    const latencies = load === false ? undefined : latencyByLoad(runtime);
    const serving: Serving = {
      runtime, admission, gate: gateOf(stack["admission"]), router: this.#routes.route,
      contracts: () => [...this.#routes.contracts, ...options.forwarded ?? []],
      observer: latencies === undefined ? this.#observer : observeAll(this.#observer, latencies.observer(admission)),
      load: reporting(admission, load, latencies),
    };
    const ended = (connection: ServedConnection, error: RpcError | undefined): void => this.#ended(connection, error);
    const { udp = false, tls, plaintext = false } = options;
    this.#udp = udp === false ? undefined : new UdpPort(serving, {
      options: udp === true ? {} : udp, isSecured: tls !== undefined, mayBeClear: plaintext, ended,
      begun: (session) => this.#connections.add(session),
    });
    const { wires, handle } = createWires(serving, {
      native: { region: options.region ?? "", zone: options.zone ?? "", ...options.settings },
      compressions: options.compressions ?? [], http: options.http ?? {}, ended, paths: this.#paths,
      codecs: options.codecs ?? [],
      more: [...this.#udp?.wire === undefined ? [] : [this.#udp.wire], ...options.wires ?? []],
      health: options.health === false ? undefined : this.health,
    });
    this.http = new ServerMount({
      clock: runtime.clock, handle, paths: this.#paths, services: () => this.services,
      busy: (mount) => this.#connections.add(mount), idle: (mount) => ended(mount, undefined),
    });
    this.#reception = {
      clock: runtime.clock, observer: this.#observer,
      openingTimeoutMs: options.openingTimeoutMs ?? defaultOpeningTimeoutMs, wires,
      settled: (arrival, connection) => {
        this.#connections.delete(arrival);
        this.#connections.add(connection);
      },
      left: (arrival) => this.#ended(arrival, undefined),
      gone: ({ peer }) => {
        this.#streams--;
        this.#byAddress.closed(peer);
      },
    };
  }

  get services(): readonly string[] {
    return this.#routes.services;
  }

  get inFlight(): number {
    return this.#admission.inFlight;
  }

  get connections(): number {
    return this.#connections.size;
  }

  implement<S extends AnyContract>(contract: S, handlers: Handlers<S>): this {
    const paths = this.#paths.plan(contract);
    this.#routes.add(contract, handlers);
    this.#paths.add(contract, paths);
    this.health.refresh();
    return this;
  }

  async listen(options: ListenOptions = {}): Promise<string> {
    if (this.#closing !== undefined) throw closedError();
    const wanted = options.path === undefined
      ? hostPort(options.host ?? "127.0.0.1", options.port ?? 0)
      : `unix:${options.path}`;
    const { tls, plaintext = false } = this.#options;
    const network = options.network ?? this.#runtime.network;
    const listener = await network.listen(wanted, (stream) => this.#accepted(stream), tls && {
      security: tls.offering(this.#applicationProtocols()), plaintext,
      openingTimeoutMs: this.#reception.openingTimeoutMs,
      refused: (peer, error) =>
        this.#observer.event?.("server.connection.refused", { peer, why: error.message }),
      unwelcome: (stream, error) => this.#accepted(stream,
        expected("unauthenticated", error.message, { neverStarted: true, retryable: false })),
    });
    if (this.#closing !== undefined) {
      await listener.close();
      throw closedError();
    }
    try {
      await this.#udp?.open(this.#runtime.network, listener.address);
    } catch (error) {
      await listener.close();
      throw error;
    }
    this.#listeners.push(listener);
    this.#sweepTimer ??= this.#sweepLater();
    if (options.register ?? options.network === undefined) {
      const address = options.advertise ?? listener.address;
      this.#advertised.push(address);
      this.#register(address);
      await Promise.all(this.#registrations.map((one) => one.registered));
    }
    this.#observer.event?.("server.listening", { address: listener.address, services: this.services });
    return listener.address;
  }

  #register(address: string): void {
    const { registry, region, zone, weight, backup, priority, attributes } = this.#options;
    if (registry === undefined) return;
    for (const name of this.#options.registerAs ?? this.#routes.services) {
      this.#registrations.push(registry.register(name,
        withoutUndefined({ address, region, zone, weight, backup, priority, attributes })));
    }
  }

  async change(changes: ServerChanges): Promise<void> {
    const given = withoutUndefined(changes);
    const before = this.#options;
    const maxInFlight = limit("maxInFlight", given.maxInFlight ?? this.#admission.maxInFlight);
    const maxConnections = limit("maxConnections", given.maxConnections ?? this.#maxConnections);
    this.#options = { ...before, ...given };
    this.#admission.maxInFlight = maxInFlight;
    this.#maxConnections = maxConnections;
    const told = ["weight", "backup", "priority", "attributes"] as const;
    const isNews = told.some((name) => JSON.stringify(before[name]) !== JSON.stringify(this.#options[name]));
    if (!isNews || this.#closing !== undefined) return;
    // The new entry stands before the old one is withdrawn: nobody sees the server leave.
    const old = this.#registrations.splice(0);
    for (const address of this.#advertised) this.#register(address);
    await Promise.all(this.#registrations.map((one) => one.registered));
    await Promise.allSettled(old.map((one) => one.close()));
  }

  /** Best first: HTTP/2 is what most clients know. */
  #applicationProtocols(): string[] {
    const names = this.#reception.wires.flatMap(({ applicationProtocol }) => applicationProtocol ?? []);
    return ["h2", "http/1.1", ...names.filter((name) => name !== "h2" && name !== "http/1.1")];
  }

  #accepted(stream: ByteStream, unwelcome?: RpcError): ByteSink {
    const refusal = unwelcome ?? this.#refusal(stream.peer);
    const isFlood = this.#streams >= this.#maxConnections + maxRefusals ||
      this.#byAddress.of(stream.peer) >= this.#maxPerAddress + maxRefusalsPerAddress;
    if (refusal !== undefined && isFlood) {
      this.#observer.event?.("server.connection.refused", { peer: stream.peer, why: refusal.message });
      stream.destroy();
      return { received: () => undefined, closed: () => undefined };
    }
    this.#streams++;
    this.#byAddress.opened(stream.peer);
    const arrival = new Arrival(this.#reception, stream, refusal);
    this.#connections.add(arrival);
    arrival.start();
    return arrival;
  }

  /** Why a connection cannot stay. */
  #refusal(peer: string): RpcError | undefined {
    const most = this.#maxConnections;
    const mostHere = this.#maxPerAddress;
    const why = this.#closing !== undefined ? "the server is closing"
      : this.#streams >= most ? `${most} connections are open (maxConnections)`
      : this.#byAddress.of(peer) >= mostHere
      ? `${mostHere} connections are open from this address (maxConnectionsPerAddress)` : undefined;
    return why === undefined ? undefined : expected("unavailable", why, { neverStarted: true });
  }

  #ended(connection: ServedConnection, error: RpcError | undefined): void {
    this.#connections.delete(connection);
    if (error !== undefined) {
      this.#observer.event?.("server.connection.failed",
        { peer: connection.peer, code: error.code, error: error.message });
    }
    if (this.#connections.size === 0) this.#emptied?.();
  }

  #sweepLater(): Timer {
    return this.#runtime.clock.after(sweepMs, () => {
      const nowMs = this.#runtime.clock.now();
      for (const connection of [...this.#connections]) connection.sweep(nowMs);
      this.#sweepTimer = this.#sweepLater();
    }).unref();
  }

  close(graceMs = 10_000): Promise<void> {
    return this.#closing ??= this.#close(graceMs);
  }

  async #close(graceMs: number): Promise<void> {
    // First out of the registry, so that nobody new comes while the doors are still open.
    this.health.drain();
    await Promise.allSettled(this.#registrations.map((one) => one.close()));
    const { drainDelayMs = 0 } = this.#options;
    if (drainDelayMs > 0) {
      await new Promise<void>((resolve) => void this.#runtime.clock.after(drainDelayMs, resolve));
    }
    this.health.close();
    this.#udp?.drain();
    await Promise.all(this.#listeners.map((one) => one.close()));
    const reason = expected("unavailable", "the server is shutting down", { neverStarted: true });
    this.http.drain(reason);
    for (const connection of [...this.#connections]) connection.drain(reason);
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#runtime.clock.after(graceMs, () => {
          const cut = expected("unavailable", `the server ended before the call: ${graceMs} ms of grace were over`);
          for (const connection of [...this.#connections]) connection.close(cut);
          resolve();
        });
        this.#emptied = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.#sweepTimer?.cancel();
    await this.#udp?.close();
    this.#guard?.close?.();
    this.#observer.event?.("server.closed", {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function closedError(): RpcError {
  return new RpcError("failed_precondition", "the server is closed and stays so: make another to listen again");
}

/** What replies and pongs tell: the load of the options, and what a call takes at so many in flight. */
function reporting(
  admission: Admission, load: Exclude<ServerOptions["load"], undefined>, latencies: LatencyByLoad | undefined,
): Serving["load"] {
  if (load === false || latencies === undefined) return () => undefined;
  return (leaving = 0) => {
    const inFlight = admission.inFlight - leaving;
    const report = load(inFlight);
    return report === undefined || report.latencyMs !== undefined
      ? report
      : { ...report, latencyMs: latencies.at(inFlight) };
  };
}

/** A limit by its name; a limit that is no number would be none. */
function limit(name: string, value = 10_000): number {
  if (value >= 1) return value;
  throw new RpcError("invalid_argument", `${name} is ${value}, expected a number of at least 1`);
}

function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function withoutUndefined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
