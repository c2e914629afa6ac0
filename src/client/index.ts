/** Calling contracts: `createClient(contract, options)` gives an object whose methods are the calls. */
import type { AnyContract } from "../contract/service.ts";
import { counted, endpointMetrics, processMetrics } from "../telemetry/index.ts";
import { nodeCompressions, nodeRuntime } from "../runtime/node/index.ts";
import { type ClientOf, type ClientOptions, createClientOn } from "./create-client.ts";

export { type ClientControl, type ClientOf, type ClientOptions, createClientOn } from "./create-client.ts";
export type { BearerToken, ClientCredentials } from "./credentials.ts";
export { endpointTable, type EndpointRow } from "./endpoint-table.ts";
export { type FailoverOptions, type GroupOptions } from "./failover.ts";
export { type ProbeKind, type ProbeSettings } from "./probes.ts";
export {
  type GrpcHealthOptions, grpcHealthProbe, httpProbe, type HttpProbeOptions, pingProbe, type ProbeTarget, tcpProbe,
} from "./probes-kinds.ts";
export { type ClientEndpoint, type EndpointChange, type EndpointOptions } from "./endpoint.ts";
export { speaksAgainstEndpoint } from "./failures.ts";
export type { HeartOptions } from "./heart.ts";
export type { MethodPolicies, MethodPolicy } from "./method-policy.ts";
export { defaultStack, idempotencyKeys, type StackOptions, telemetry } from "./stack.ts";

/** Beside a client's options: whether it counts into the process's metrics (`processMetrics`). Default true. */
export interface CountedClientOptions extends ClientOptions {
  readonly metrics?: boolean | undefined;
}

/** Makes a client on Node's clock, chance and network. */
export function createClient<S extends AnyContract>(contract: S, options: CountedClientOptions): ClientOf<S> {
  const { compressions = nodeCompressions } = options;
  const client = createClientOn(nodeRuntime, contract, { ...options, compressions, observer: counted(options) });
  if (options.metrics === false) return client;
  const { $ } = client;
  const service = options.name ?? contract.name;
  const stop = endpointMetrics(processMetrics(), () => [[service, $.endpoints()]]);
  const close = $.close.bind($);
  // A closed client calls nobody: its servers are none of its figures any more.
  $.close = (graceMs) => {
    stop();
    close(graceMs);
  };
  return client;
}
