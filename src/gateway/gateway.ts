/**
 * A gateway is a server whose handler is a client: it takes calls of any service, picks who shall answer
 * them, and forwards the messages undecoded.
 */
import type { Discovery } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";
import { type MethodInfo, nextMethodOrdinal } from "../core/method.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Service } from "../core/service.ts";
import { isPromise } from "../core/service.ts";
import { rawCoders } from "../contract/coders.ts";
import { type ClientOptions, createCaller } from "../client/create-client.ts";
import type { ClientEndpoint } from "../client/endpoint.ts";
import { pooled } from "../client/pool.ts";
import { nativeConnect } from "../protocol/native/index.ts";
import type { MethodShape, Route } from "../protocol/router.ts";
import { createServerOn, type Server, type ServerOptions } from "../server/server.ts";
import { regionalDiscovery } from "./regional-discovery.ts";

export interface GatewayOptions extends Omit<ServerOptions, "fallback" | "registerAs"> {
  /** Where this gateway stands. */
  readonly region: string;
  /** Who serves what, in all regions. */
  readonly discovery: Discovery;
  /** How calls go on: picker, regions, retry, outliers, timeouts. As for any client. */
  readonly client?: Omit<ClientOptions, "discovery" | "address" | "name" | "region" | "zone" | "codec"> | undefined;
  /** The name under which gateways find each other. Default `meridian.gateway`. */
  readonly gatewayName?: string | undefined;
  /**
   * Adds to every reply the trailer `meridian-upstream-ms`: how long the gateway waited for the server, so
   * that a caller can tell the two parts of its time apart. Default false.
   */
  readonly timing?: boolean | undefined;
}

export interface Gateway extends Server {
  /** The endpoints that calls of `service` are forwarded to; empty before its first call. */
  endpoints(service: string): readonly ClientEndpoint[];
}

/** The default of {@link GatewayOptions.gatewayName}. */
export const gatewayServiceName = "meridian.gateway";

/** Most services, and most methods, that one gateway forwards. */
const maxServices = 10_000;
const maxMethods = 100_000;

/** Makes a gateway on `runtime`. The package's `createGateway` fills in the Node runtime. */
export function createGatewayOn(runtime: Runtime, options: GatewayOptions): Gateway {
  const gatewayName = options.gatewayName ?? gatewayServiceName;
  const discovery = regionalDiscovery(options.discovery, { region: options.region, gatewayName });
  const connect = pooled(nativeConnect({
    coders: (method) => rawCoders((method as ForwardedMethod).codec), settings: options.client?.settings,
  }));
  const callers = new Map<string, ReturnType<typeof createCaller>>();
  const routes = new Map<string, Route>();

  const callerOf = (name: string): ReturnType<typeof createCaller> => {
    let caller = callers.get(name);
    if (caller === undefined) {
      if (callers.size >= maxServices) throw new RpcError("resource_exhausted", `more than ${maxServices} services`);
      caller = createCaller(runtime, {
        ...options.client, name, discovery, connect, region: options.region, zone: options.zone,
        observer: options.client?.observer ?? options.observer,
        // A call that has passed a gateway already stays in this region, or two could send it to and fro.
        regions: { confineAfterHops: 1, ...options.client?.regions },
      });
      callers.set(name, caller);
    }
    return caller;
  };

  const fallback = (shape: MethodShape): Route | RpcError => {
    const key = `${shape.path} ${shape.codec} ${shape.kind} ${shape.idempotent} ${shape.criticality}`;
    const known = routes.get(key);
    if (known !== undefined) return known;
    const slash = shape.path.lastIndexOf("/");
    if (slash < 1) return new RpcError("unimplemented", `"${shape.path.slice(0, 256)}" is not service/method`);
    if (routes.size >= maxMethods) return new RpcError("resource_exhausted", `more than ${maxMethods} methods`);
    try {
      const method = forwardedMethod(shape, slash);
      const { service } = callerOf(method.service);
      const route: Route = {
        method, coders: rawCoders(shape.codec), service: forward(runtime, service, options.timing ?? false),
      };
      routes.set(key, route);
      return route;
    } catch (error) {
      return RpcError.from(error, "internal");
    }
  };

  const server = createServerOn(runtime, { ...options, fallback, registerAs: [gatewayName] });
  return Object.assign(server, {
    endpoints: (service: string) => callers.get(service)?.endpoints() ?? [],
  });
}

/** A method as a gateway knows it: a name and a shape. */
interface ForwardedMethod extends MethodInfo {
  readonly codec: string;
}

function forwardedMethod(shape: MethodShape, slash: number): ForwardedMethod {
  return Object.freeze({
    service: shape.path.slice(0, slash), name: shape.path.slice(slash + 1), path: shape.path, kind: shape.kind,
    idempotent: shape.idempotent, criticality: shape.criticality, codec: shape.codec,
    timeoutMs: undefined, routeKey: undefined, ordinal: nextMethodOrdinal(),
  });
}

/** The handler that is a client: same deadline, keys and cancellation, one hop more, metadata both ways. */
function forward(runtime: Runtime, service: Service, timing: boolean): Service {
  return (request, context) => {
    const startedMs = timing ? runtime.clock.now() : 0;
    const onward = context.with({
      hops: context.hops + 1,
      attempt: 0,
      onMetadata: (kind, metadata) => passOn(context, kind, metadata),
    });
    const answer = service(request, onward);
    if (!timing || !isPromise(answer)) return answer;
    return answer.finally(() => {
      context.setTrailer("meridian-upstream-ms", (runtime.clock.now() - startedMs).toFixed(3));
    });
  };
}

function passOn(
  context: { setHeader(name: string, value: string): void; setTrailer(name: string, value: string): void },
  kind: "header" | "trailer", metadata: Metadata,
): void {
  for (const name in metadata) {
    if (kind === "header") context.setHeader(name, metadata[name] as string);
    else context.setTrailer(name, metadata[name] as string);
  }
}
