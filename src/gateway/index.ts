/** Regional gateways: `createGateway({ region, discovery }).listen({ port })` forwards any service. */
import { counted } from "../telemetry/index.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import { createGatewayOn, type Gateway, type GatewayOptions } from "./gateway.ts";

export { createGatewayOn, type Gateway, type GatewayOptions, gatewayServiceName } from "./gateway.ts";
export { regionalDiscovery, type RegionalOptions } from "./regional-discovery.ts";

/** Makes a gateway on Node's clock, chance and network. */
export function createGateway(options: GatewayOptions & { readonly metrics?: boolean | undefined }): Gateway {
  return createGatewayOn(nodeRuntime, { ...options, observer: counted(options) });
}
