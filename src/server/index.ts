/** Serving contracts: `createServer(options).implement(contract, handlers).listen({ port })`. */
import { observeAll } from "../core/observer.ts";
import { counted } from "../telemetry/index.ts";
import { nodeCompressions, nodeRuntime, processLoad } from "../runtime/node/index.ts";
import { createServerOn, type Server, type ServerOptions } from "./server.ts";

export { Health, healthOf, type HealthOptions, type ServerHealth, type ServingStatus } from "./health.ts";
export { reflectionOf, type ReflectionOptions, ServerReflection, ServerReflectionAlpha } from "./reflection.ts";
export { fetchHandler, type FetchHandlerOptions } from "./fetch-handler.ts";
export { fastifyPlugin, type Mountable, nodeHandler, type NodeHandler } from "../runtime/node/index.ts";
export { timing } from "./timing.ts";
export type { HttpOptions } from "./wires.ts";
export {
  createServerOn, type ListenOptions, type Server, type ServerChanges, type ServerOptions,
} from "./server.ts";

/** Beside a server's options: whether it counts into the process's metrics (`processMetrics`). Default true. */
export interface CountedServerOptions extends ServerOptions {
  readonly metrics?: boolean | undefined;
}

/** Makes a server on Node's clock, chance and network. Its replies carry the load of this process. */
export function createServer(options: CountedServerOptions = {}): Server {
  const observer = counted(options);
  const { compressions = nodeCompressions } = options;
  if (options.load !== undefined) return createServerOn(nodeRuntime, { ...options, compressions, observer });
  const load = processLoad();
  return createServerOn(nodeRuntime, {
    ...options, compressions, load, observer: observeAll(observer, load.observer),
  });
}
