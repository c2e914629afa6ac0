/** Putting a client together: discovery, endpoints, picker and stack, from options that all have defaults. */
import type { Context } from "../core/context.ts";
import { type Candidate, endpointAddress, type EndpointFields } from "../core/endpoint.ts";
import type { Discovery } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { Connect } from "../core/connection.ts";
import type { MethodInfo } from "../core/method.ts";
import type { Observer } from "../core/observer.ts";
import { badOption, numberOption } from "../core/option.ts";
import type { Picker } from "../core/picker.ts";
import type { Probe } from "../core/probe.ts";
import type { Runtime, Security } from "../core/runtime.ts";
import { compose, type Layer, type LayerMaker, type Service, type Stack } from "../core/service.ts";
import { avoidTried, leastRequests, slowStart } from "../balance/index.ts";
import { codersOf, type MethodCoders } from "../contract/coders.ts";
import type { Codec } from "../contract/codec.ts";
import type { AnyMethod } from "../contract/method.ts";
import type { AnyContract } from "../contract/service.ts";
import type { Client } from "../contract/types.ts";
import { codecByName, codecFor } from "../codec/choose.ts";
import { type DiscoveryView, discoveryView, type ViewOptions } from "../discovery/view.ts";
import { native, type NativeSettings } from "../protocol/native/index.ts";
import { byAttribute, type ConnectorOptions, type Protocol } from "../protocol/protocol.ts";
import type { Compression } from "../wire/compression.ts";
import { preferRegion, type RegionPreferenceOptions } from "../region/index.ts";
import type { LoadThresholds, OutlierOptions } from "../health/index.ts";
import type { AdaptiveThrottleOptions, Faults, RetryOptions } from "../resilience/index.ts";
import { Balancer } from "./balancer.ts";
import { callMethods } from "./client.ts";
import { connectProbe } from "./connect-probe.ts";
import type { ClientEndpoint, EndpointOptions } from "./endpoint.ts";
import type { FailoverOptions } from "./failover.ts";
import { type MethodPolicies, retryOf } from "./method-policy.ts";
import { pooled } from "./pool.ts";
import { probeOf, type ProbeSettings } from "./probes.ts";
import type { SentinelOptions } from "./sentinels.ts";
import { Shared } from "./shared.ts";
import { type ClientCredentials, credentialsLayer, onlyHere } from "./credentials.ts";
import { defaultStack } from "./stack.ts";
import { checkHedged, type ClientHedgeOptions, createTuning, type TuningOptions } from "./tuning.ts";

export interface ClientOptions extends EndpointOptions, SentinelOptions {
  /** Who serves what. Either this or `address`. */
  readonly discovery?: Discovery | undefined;
  /** Fixed servers: an address, or several, or endpoints with region, zone and weight. */
  readonly address?: string | readonly (string | EndpointFields)[] | undefined;
  /** The name to ask discovery for. Default: the contract's. A gateway is called under its own. */
  readonly name?: string | undefined;
  /** Where this client is. Endpoints of the same zone, then region, are preferred. Default: no preference. */
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
  /** Regions: spillover, fail-back, residency, drain. */
  readonly regions?: Omit<RegionPreferenceOptions, "region" | "zone"> | undefined;
  /** How one endpoint of a region is chosen. Default: the less loaded of two (least requests, P2C). */
  readonly picker?: Picker | undefined;
  /**
   * Wraps the choice of an endpoint: gets a maker of what is the choice otherwise, region preference over `picker`,
   * and returns the one to use. For rules: `(makePicker) => byRules(rules, makePicker)`.
   */
  readonly routing?: ((makePicker: () => Picker) => Picker) | undefined;
  /** Milliseconds for a unary call that says nothing and whose method says nothing. Default 15,000. */
  readonly timeoutMs?: number | undefined;
  /**
   * What a call that is made for another one (`{ context }`) leaves of that one's time, in milliseconds, so that its
   * outcome can still be told. Default a hundredth of what is left, 1 to 20.
   */
  readonly deadlineReserveMs?: number | undefined;
  /** Default: 3 attempts, 20 % budget. `false` for single attempts. */
  readonly retry?: RetryOptions | false | undefined;
  /**
   * Calls that are late are sent a second time, elsewhere. Default: those of methods with `idempotent: true` or `safe`,
   * by the live quantile of their latency, 2 % of them at most (docs/resilience.md). `false` for none.
   */
  readonly hedge?: ClientHedgeOptions | false | undefined;
  /** How calls are turned away here while servers turn many away. Default: from twice as many as they accept on. */
  readonly throttle?: AdaptiveThrottleOptions | false | undefined;
  /**
   * What single methods have of their own: timeout, retry, hedge. Asked for each method when it is made or first
   * called; what it returns is read at each use, so that whoever changes it changes the calls to come.
   */
  readonly methods?: MethodPolicies | undefined;
  /** What is kept of the time that attempts take, by which delays are set. `false` for nothing: delays are fixed. */
  readonly tuning?: TuningOptions | false | undefined;
  /** Lets identical calls that are under way share one attempt: `collapse(...)`. Default none. */
  readonly collapse?: LayerMaker | undefined;
  /** Answers calls from what was answered before: `responseCache(...)` of `meridian-rpc/cache`. Default none. */
  readonly cache?: LayerMaker | undefined;
  /** Faults that are injected to rehearse them: `faults(...)` of `meridian-rpc/resilience`. Default none. */
  readonly faults?: Faults | undefined;
  /** Passive outlier detection. `false` for none. */
  readonly outliers?: OutlierOptions | false | undefined;
  /** How those let back after an ejection warm up. Default: from 2 % of their share to all of it within 10 s. */
  readonly slowStart?: { readonly windowMs?: number; readonly minShare?: number } | false | undefined;
  /** What a server may report of itself before others are picked first. `false` to disregard reports. */
  readonly loadThresholds?: LoadThresholds | false | undefined;
  /** Active probes of servers that no traffic tells of. Default: none, since heartbeats find silent connections. */
  readonly probes?: ProbeSettings | undefined;
  /** Which endpoints take over from which: N+1, active groups. Default: by `priority` and `backup`. */
  readonly failover?: FailoverOptions | undefined;
  /** Default: compiled Protobuf, or MessagePack where a schema has no readable structure. */
  readonly codec?: Codec | undefined;
  /** Changes the stack: gets the default one, returns the one to use. */
  readonly stack?: ((defaults: Stack) => Stack) | undefined;
  readonly observer?: Observer | undefined;
  /** Of the native protocol, unless `protocol` is given. */
  readonly settings?: Partial<NativeSettings> | undefined;
  /**
   * What is spoken. Default: Meridian's own wire. Of several, endpoints choose by their attribute `protocol`; the first
   * is for those without one. Clients that shall share connections must be given the same object.
   */
  readonly protocol?: Protocol | readonly Protocol[] | undefined;
  /** Whom we trust, and our certificate: `tls(...)` of `meridian-rpc/runtime/node`. Default: no TLS. */
  readonly tls?: Security | undefined;
  /** What is shown of us with every call: a token, an API key. Over TLS alone. Default none. */
  readonly credentials?: ClientCredentials | undefined;
  /** What can be decompressed here, best first. Default for `createClient`: gzip, brotli and zstd. */
  readonly compressions?: readonly Compression[] | undefined;
  /** Up to so many endpoints are connected to ahead of the first call. Default 64. */
  readonly eagerConnections?: number | undefined;
  /**
   * What is made of what discovery tells: by default a storm of changes is calmed, and an update that takes away more
   * than half at once is held back while those it takes away answer (docs/discovery-views.md). A cache for restarts and
   * a subset of a large set can be added. `false` to take everything as it is told.
   */
  readonly view?: ViewOptions | false | undefined;
}

/** What every client has beside its methods. */
export interface ClientControl<Methods = unknown, S extends AnyContract = AnyContract> {
  /**
   * The same methods, called at the endpoints alone that `picker` picks, with the same stack, connections and figures:
   * for one replica, one shard, one region. Keep what it returns: it is made for many calls.
   */
  by(picker: Picker): Methods;
  /** What is called, and on which runtime: for calls over many servers (`meridian-rpc/distributed`). */
  readonly contract: S;
  readonly runtime: Runtime;
  /** Ends it: calls in flight may finish within `graceMs` (default 10,000). */
  close(graceMs?: number): void;
  /** The endpoints as they are now, for views and tests. */
  endpoints(): readonly ClientEndpoint[];
  /**
   * Takes the endpoint of this id out of service for this client: calls in flight end, no new ones go there, not even
   * when nobody else is left. Answers false when nobody has the id.
   */
  drain(id: string): boolean;
  /** Lets it back, with slow start. */
  undrain(id: string): boolean;
  /** Believes discovery now: endpoints that are kept although it no longer lists them are dropped. For operators. */
  confirm(): void;
}

/** The methods of `contract`, and `$`, by which the client itself is governed. */
export type ClientOf<S extends AnyContract> = Client<S> & { readonly $: ClientControl<Client<S>, S> } & Disposable;

/** Makes a client on `runtime`. The package's `createClient` fills in the Node runtime. */
export function createClientOn<S extends AnyContract>(
  runtime: Runtime, contract: S, options: ClientOptions,
): ClientOf<S> {
  checkHedged(contract.methods, options.hedge ?? false);
  const calling = createCaller(runtime, { ...options, name: options.name ?? contract.name });
  const caller = {
    clock: runtime.clock, timeoutMs: options.timeoutMs ?? 15_000, deadlineReserveMs: reserveOf(options),
    methods: options.methods,
  };
  const methodsOver = (services: Services) => callMethods(contract, { ...caller, ...services });
  const methods = methodsOver(calling);
  const control: ClientControl<Client<S>, S> = {
    by: (picker) => methodsOver(calling.servicesBy(picker)),
    contract, runtime,
    close: (graceMs = 10_000) => calling.close(graceMs),
    endpoints: () => calling.endpoints(),
    drain: (id) => calling.drain(id, true),
    undrain: (id) => calling.drain(id, false),
    confirm: () => calling.confirm(),
  };
  return Object.freeze(Object.assign(methods, { $: control, [Symbol.dispose]: () => control.close() })) as ClientOf<S>;
}

export interface CallerOptions extends ClientOptions {
  readonly name: string;
  /** Coders of methods that come from no contract (a gateway's). */
  readonly connect?: PooledConnect | undefined;
}

/** A stack over a balancer, as calls of different methods need it. */
export interface Services {
  /** The whole of it. */
  readonly service: Service;
  /** The same without the layer that makes keys, for methods that have none: it costs their calls nothing. */
  readonly keyless: Service;
}

/** The way to those who serve one name. */
export interface Calling extends Services {
  /** The same stack over the same endpoints, chosen by another picker: what a gateway's rules call. */
  serviceBy(picker: Picker): Service;
  servicesBy(picker: Picker): Services;
  /** The picker of `service`. */
  readonly picker: Picker;
  /** Makes another like it, with nothing remembered. */
  makePicker(): Picker;
  close(graceMs: number): void;
  endpoints(): readonly ClientEndpoint[];
  /** Takes an endpoint out of service, or lets it back. */
  drain(id: string, isDrained: boolean): boolean;
  /** Drops endpoints that are kept although discovery no longer lists them. */
  confirm(): void;
}

/** The stack over the balancer of one name: what a client's methods and a gateway's routes call. */
export function createCaller(runtime: Runtime, options: CallerOptions): Calling {
  const observer = options.observer ?? {};
  // Of several pickers the first tells where regions stand: the observer has one story to follow.
  let regionObserver: Observer | undefined = observer;
  const makePicker = (): Picker => {
    const tried = avoidTried(options.picker ?? leastRequests(runtime.random));
    const inner = options.slowStart === false
      ? tried
      : slowStart(runtime, { of: "returned", windowMs: 10_000, minShare: 0.02, ...options.slowStart })(tried);
    if (options.region === undefined) return inner;
    const { region, zone, regions } = options;
    const picker = preferRegion(runtime, { observer: regionObserver, ...regions, region, zone })(inner);
    regionObserver = undefined;
    return picker;
  };
  const picker = options.routing?.(makePicker) ?? makePicker();
  const tuning = createTuning(runtime, observer, options);
  const sound = options.connect ?? connectorFor(options);
  const faulty = options.faults?.over(sound) ?? sound;
  const { credentials } = options;
  const showing = credentials && credentialsLayer(runtime.clock, credentials, options.tls !== undefined);
  const connect = showing === undefined || options.tls !== undefined ? faulty
    : Object.assign(onlyHere(faulty), { alone: onlyHere(faulty.alone) });
  // Whoever is connected and well is asked by its connection; a new one is made to those who are not.
  const probe: Probe = connectProbe(runtime, connect.alone);
  const view = viewOf(runtime, options, (endpoint, timeoutMs) =>
    (balancer.isReady(endpoint.id) ? Promise.resolve() : probe(endpoint, timeoutMs)));
  const own = { connect: connect.alone, tls: options.tls };
  const probes = options.probes && {
    ...options.probes, probe: probeOf(runtime, options.probes.probe ?? "ping", own),
  };
  const chosen = (by: Picker): Picker => told(tuning.guarded(by), observer);
  const balancer: Balancer = new Balancer(runtime, {
    ...options, picker: chosen(picker), observer: tuning.observer, discovery: view, connect, probes,
  });
  const defaults = defaultStack(runtime, {
    observer, cache: options.cache, collapse: options.collapse, credentials: showing,
    hedges: (budget) => tuning.hedges(budget, () => balancer.size < 2),
    retry: options.retry === false ? false : {
      attemptMs: (method) => tuning.attemptMs(method), byMethod: options.methods && retryOf(options.methods),
      ...options.retry,
    },
  });
  const stack = options.stack?.(defaults) ?? defaults;
  const over = (service: Service) => servicesOver(stack, defaults["idempotency"], service);
  const servicesBy = (other: Picker): Services => over(balancer.serviceBy(chosen(other)));
  return {
    ...over(balancer.service),
    servicesBy, serviceBy: (other) => servicesBy(other).service,
    picker, makePicker,
    close: (graceMs) => balancer.close(graceMs),
    endpoints: () => balancer.endpoints,
    drain: (id, isDrained) => balancer.drain(id, isDrained),
    confirm: () => view.confirm?.(options.name),
  };
}

/** Tells an observer that wants to know of each choice; nobody pays where none does. */
function told(picker: Picker, observer: Observer): Picker {
  if (observer.picked === undefined) return picker;
  const hear = observer.picked.bind(observer);
  const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
    const endpoint = picker(candidates, context);
    hear(context, candidates, endpoint, picker);
    return endpoint;
  };
  return Object.assign(pick, { seesAll: picker.seesAll ?? false, explain: picker.explain });
}

/**
 * Where our layer of keys is the outermost, what is beneath it serves methods without keys. Layers of the user's above
 * it may keep something, and are made once: then all calls go through all.
 */
function servicesOver(stack: Stack, keys: Layer | undefined, service: Service): Services {
  const [first, ...others] = Object.entries(stack).filter(([, layer]) => layer !== undefined);
  if (first === undefined || first[1] !== keys) {
    const whole = compose(stack, service);
    return { service: whole, keyless: whole };
  }
  const keyless = compose(Object.fromEntries(others), service);
  return { service: compose(Object.fromEntries([first]), keyless), keyless };
}

function reserveOf({ deadlineReserveMs }: ClientOptions): number | undefined {
  return deadlineReserveMs === undefined
    ? undefined
    : numberOption("deadlineReserveMs", deadlineReserveMs, { least: 0, most: 3_600_000, unit: "milliseconds" });
}

/** What the balancer is told; fixed addresses are as they are. */
function viewOf(
  runtime: Runtime, options: CallerOptions, probe: Probe,
): Discovery & Partial<Pick<DiscoveryView, "confirm">> {
  const discovery = discoveryOf(options);
  if (options.view === false || options.discovery === undefined) return discovery;
  return discoveryView(runtime, discovery, options.view, { observer: options.observer, probe });
}

/** Clients whose protocols, codec, security and settings are the same objects share connections. */
const connectors = new Shared<PooledConnect>();
const none = {};

function connectorFor(options: ClientOptions): PooledConnect {
  const { codec, tls, settings, compressions } = options;
  const protocols = protocolsOf(options);
  const keys = [...protocols ?? [], codec ?? none, tls ?? none, settings ?? none, compressions ?? none];
  const spoken = protocols ?? [native(settings)];
  const [only] = spoken;
  if (codec !== undefined && only?.codec !== undefined && spoken.every((one) => one.codec !== undefined)) {
    throw badOption("codec", codec.name, `${only.name} speaks ${only.codec} alone: leave \`codec\` out`);
  }
  return connectors.get(keys, () => pooledConnect(spoken,
    (own) => contractCoders(own === undefined ? codec : codecByName(own)), { tls, compressions: compressions ?? [] }));
}

/** Shares connections by address; `alone` makes each anew, as probes need them. */
export interface PooledConnect extends Connect {
  readonly alone: Connect;
}

/** Connections by several protocols, shared by address. `codersIn` is given the codec that a protocol insists on. */
export function pooledConnect(
  protocols: readonly Protocol[], codersIn: (codec: string | undefined) => ConnectorOptions["coders"],
  options: Omit<ConnectorOptions, "coders">,
): PooledConnect {
  const connects = new Map(protocols.map((one) =>
    [one.name, one.connector({ ...options, coders: codersIn(one.codec) })]));
  const [only] = connects.values();
  const alone = connects.size === 1 && only !== undefined ? only : byAttribute(connects);
  return Object.assign(pooled(alone), { alone });
}

/** The protocols that a client was given; undefined for the default. */
export function protocolsOf(options: Pick<ClientOptions, "protocol">): readonly Protocol[] | undefined {
  const { protocol } = options;
  return protocol === undefined || "connector" in protocol ? protocol && [protocol] : protocol;
}

/** Coders of contract methods, compiled once per method. */
export function contractCoders(codec: Codec | undefined): (method: MethodInfo) => MethodCoders {
  const compiled = new WeakMap<MethodInfo, MethodCoders>();
  return (method) => {
    let coders = compiled.get(method);
    if (coders === undefined) {
      coders = codersOf(method as AnyMethod, codec ?? codecFor(method as AnyMethod), codecByName("proto"));
      compiled.set(method, coders);
    }
    return coders;
  };
}

function discoveryOf(options: ClientOptions): Discovery {
  if ((options.discovery === undefined) === (options.address === undefined)) {
    throw new RpcError("invalid_argument",
      "a client needs to know where servers are: give it either `discovery` or `address`, " +
      (options.discovery === undefined ? "it has neither" : "it has both"));
  }
  if (options.discovery !== undefined) return options.discovery;
  const given = options.address as string | readonly (string | EndpointFields)[];
  const endpoints = (typeof given === "string" ? [given] : given)
    .map((one) => endpointAddress(typeof one === "string" ? { address: one } : one));
  return {
    watch(_name, watcher) {
      watcher.snapshot(endpoints);
      return () => undefined;
    },
  };
}
