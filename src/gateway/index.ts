/** Regional gateways: `createGateway({ region, discovery }).listen({ port })` forwards any service. */
import { nodeCompressions, nodeRuntime } from "../runtime/node/index.ts";
import { createGatewayOn, type Gateway, type GatewayOptions } from "./gateway.ts";

export { byRules } from "./by-rules.ts";
export { createGatewayOn, type Gateway, type GatewayOptions, gatewayServiceName } from "./gateway.ts";
export {
  type Copying, createMirror, type Mirror, mirrorMetadata, type MirrorOptions, type MirrorSettings, type MirrorView,
} from "./mirror.ts";
export type { Patterns } from "./patterns.ts";
export { rulesLimits } from "./read-rules.ts";
export { regionalDiscovery, type RegionalOptions } from "./regional-discovery.ts";
export {
  createRules, type RoutingRule, type Rule, type RuleMatch, type RuleRejection, type Rules, type RulesChange,
  type RuleTarget,
} from "./rules.ts";
export { type RulesFile, rulesFromFile } from "./rules-file.ts";
export { type ProxyTimes, proxyTimes, upstreamTrailer } from "./times.ts";

/** Makes a gateway on Node's clock, chance and network. */
export function createGateway(options: GatewayOptions): Gateway {
  return createGatewayOn(nodeRuntime, { compressions: nodeCompressions, ...options });
}
