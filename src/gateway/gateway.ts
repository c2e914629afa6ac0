/**
 * A gateway is a server whose handler is a client: it takes calls of any service, picks who shall answer
 * them, and forwards the messages undecoded.
 */
import type { Discovery } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Codec } from "../contract/codec.ts";
import type { AnyContract } from "../contract/service.ts";
import { type ClientOptions, createCaller, pooledConnect, protocolsOf } from "../client/create-client.ts";
import { connectProbe } from "../client/connect-probe.ts";
import type { ClientEndpoint } from "../client/endpoint.ts";
import { discoveryView } from "../discovery/view.ts";
import { native } from "../protocol/native/index.ts";
import type { MethodShape, Route } from "../protocol/router.ts";
import type { RegionControl } from "../region/index.ts";
import { createServerOn, type Server, type ServerOptions } from "../server/server.ts";
import { forward, type Forwarding } from "./forward.ts";
import { type ForwardedMethod, keyed, passages } from "./forwarded.ts";
import type { Mirror } from "./mirror.ts";
import { onBehalf } from "./on-behalf.ts";
import { regionalDiscovery } from "./regional-discovery.ts";
import { createRules, type Rule, type Rules } from "./rules.ts";
import { Upstreams } from "./upstreams.ts";

export interface GatewayOptions extends Omit<ServerOptions, "fallback" | "registerAs"> {
  /** Where this gateway stands. */
  readonly region: string;
  /** Who serves what, in all regions. */
  readonly discovery: Discovery;
  /**
   * How calls go on: picker, regions, retry, outliers, timeouts. As for any client, but that calls count this
   * gateway among the hops of `regions.confineAfterHops`, which is 2 here: one that comes from another gateway
   * stays in this region, so that no two gateways send a call to and fro.
   */
  readonly client?:
    Omit<ClientOptions, "discovery" | "address" | "name" | "region" | "zone" | "codec" | "routing"> | undefined;
  /**
   * How calls of one service go on, in the place of `client`, whose `protocol`, `settings`, `tls`, `compressions` and
   * `view` count all the same. Asked at the first call of a service, and again after `renew`. Default: `client`.
   */
  readonly clientFor?: ((service: string) => GatewayOptions["client"]) | undefined;
  /** The name under which gateways find each other. Default `meridian.gateway`. */
  readonly gatewayName?: string | undefined;
  /**
   * What is served, so far as it is known here. Calls of other services are forwarded as they come, which does where
   * both sides speak the same protocol; by its contract a call goes on in another one, its route key is read
   * from its arguments, and its messages are translated to `upstreamCodec`. Default none.
   */
  readonly contracts?: readonly AnyContract[] | undefined;
  /** The codec that servers are called in. Default: that of the call, so that messages are not decoded. */
  readonly upstreamCodec?: Codec | undefined;
  /** Where calls go: a list that stays, or rules that are set anew while calls are in flight. Default none. */
  readonly rules?: Rules | readonly Rule[] | undefined;
  /** The switchboard by which regions are drained: calls go to a drained region no more, not even to this one. */
  readonly control?: RegionControl | undefined;
  /**
   * Adds to every reply, error and end of a stream the trailer `meridian-upstream-ms`: how long the gateway waited
   * for the server, so that a caller can tell the two parts of its time apart by `proxyTimes`. Default false.
   */
  readonly timing?: boolean | undefined;
  /** Copies of calls that are wanted elsewhere: `createMirror(...)`. Default none. */
  readonly mirror?: Mirror | undefined;
}

export interface Gateway extends Server {
  /** The endpoints that calls of `service` are forwarded to; empty before its first call. */
  endpoints(service: string): readonly ClientEndpoint[];
  /** The names that calls have been forwarded to. */
  forwards(): readonly string[];
  /**
   * Takes the endpoint of this id out of service, for every name it is known under: calls in flight end, no new ones go
   * there. Answers false when nobody has the id.
   */
  drain(id: string): boolean;
  /** Lets it back, with slow start. */
  undrain(id: string): boolean;
  /**
   * Asks `clientFor` again, of one service or of all that have been called: calls to come go by what it says now, over
   * the same connections; those in flight end as they began.
   */
  renew(service?: string): void;
  /** Believes discovery now, of one service or of all: servers kept although it no longer lists them are dropped. */
  confirm(service?: string): void;
}

/** The default of {@link GatewayOptions.gatewayName}. */
export const gatewayServiceName = "meridian.gateway";

/** Most methods that one gateway forwards. */
const maxMethods = 100_000;

/** Makes a gateway on `runtime`. The package's `createGateway` fills in the Node runtime. */
export function createGatewayOn(runtime: Runtime, options: GatewayOptions): Gateway {
  const gatewayName = options.gatewayName ?? gatewayServiceName;
  const { settings, tls, compressions = options.compressions ?? [], view = {} } = options.client ?? {};
  const protocols = protocolsOf(options.client ?? {}) ?? [native(settings)];
  const connect = pooledConnect(protocols, (codec) => (method) => (method as ForwardedMethod).codersIn(codec),
    { tls, compressions });
  const observer = options.client?.observer ?? options.observer;
  // Beneath what is made of regions: whether servers live is asked of servers, not of the gateways before them.
  const known = view === false ? undefined : discoveryView(runtime, options.discovery, { ...view, subset: undefined },
    { observer, probe: connectProbe(runtime, connect.alone) });
  const discovery = regionalDiscovery(known ?? options.discovery, { region: options.region, gatewayName });
  const clientFor = (name: string): GatewayOptions["client"] =>
    (options.clientFor === undefined ? options.client : { ...options.client, ...options.clientFor(name) });
  const upstreams = new Upstreams(runtime.clock, (name) => createCaller(runtime, {
    ...clientFor(name), name, discovery, connect, region: options.region, zone: options.zone, observer,
    // Of what is left: servers and gateways together.
    view: view !== false && view.subset !== undefined && { subset: view.subset, coalesceMs: 0, guard: false },
    regions: { confineAfterHops: 2, control: options.control, ...clientFor(name)?.regions },
  }));
  const copying = options.mirror?.through((name) => createCaller(runtime, {
    name, discovery, connect, region: options.region, zone: options.zone, view: false, retry: false, hedge: false,
  }));
  const mirror = options.mirror && copying && { switchboard: options.mirror, copying };
  const forwarding: Forwarding = {
    upstreams, rules: rulesOf(options.rules), timedBy: options.timing === true ? runtime.clock : undefined,
    methods: options.client?.methods, isTraced: observer?.picked !== undefined, mirror,
  };
  const routes = new Map<string, Route>();
  const passage = passages({ ...options, upstreamBinds: [...new Set(protocols.map((one) => one.codec))] });

  const fallback = (shape: MethodShape): Route | RpcError => {
    const { path, codec, kind, isDecoded, idempotent, criticality } = shape;
    const key = `${path} ${codec} ${kind} ${isDecoded} ${idempotent} ${criticality}`;
    const known = routes.get(key);
    if (known !== undefined) return known;
    if (routes.size >= maxMethods) return new RpcError("resource_exhausted", `more than ${maxMethods} methods`);
    try {
      const { method, coders, routeKey } = passage(shape);
      const route = { method, coders, service: keyed(routeKey, onBehalf(options.region, forward(method, forwarding))) };
      routes.set(key, route);
      return route;
    } catch (error) {
      return RpcError.from(error, "internal");
    }
  };

  const server = createServerOn(runtime, {
    ...options, http: withPaths(options), fallback, forwarded: options.contracts, registerAs: [gatewayName],
  });
  const close = server.close.bind(server);
  return Object.assign(server, {
    endpoints: (service: string) => upstreams.endpoints(service),
    forwards: () => upstreams.names(),
    drain: (id: string) => upstreams.drain(id, true),
    undrain: (id: string) => upstreams.drain(id, false),
    confirm: (service?: string) => known?.confirm(service),
    renew: (service?: string) => upstreams.renew(service),
    close: (graceMs?: number) => close(graceMs).finally(() => {
      upstreams.close();
      copying?.close();
    }),
  });
}

/** Plain HTTP finds methods by the paths of contracts, also those whose handlers are elsewhere. */
function withPaths({ http = {}, contracts = [] }: GatewayOptions): ServerOptions["http"] {
  if (http.json === false || contracts.length === 0) return http;
  return { ...http, json: { ...http.json, contracts: [...new Set([...http.json?.contracts ?? [], ...contracts])] } };
}

function rulesOf(rules: GatewayOptions["rules"]): Rules | undefined {
  return rules === undefined || "match" in rules ? rules : createRules(rules);
}
