/** Serving contracts: `createServer(options).implement(contract, handlers).listen({ port })`. */
import { nodeRuntime } from "../runtime/node/index.ts";
import { createServerOn, type Server, type ServerOptions } from "./server.ts";

export { createServerOn, type ListenOptions, type Server, type ServerOptions } from "./server.ts";

/** Makes a server on Node's clock, chance and network. */
export function createServer(options?: ServerOptions): Server {
  return createServerOn(nodeRuntime, options);
}
