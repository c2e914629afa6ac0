/** A protocol over another network than the runtime's: `over(zeromq(), native())`. */
import type { Network } from "../core/runtime.ts";
import type { Protocol } from "./protocol.ts";

/** `protocol`, whose connections are made by `network`. Clients that are given the same object share connections. */
export function over(network: Network, protocol: Protocol): Protocol {
  return {
    ...protocol,
    connector(options) {
      const connect = protocol.connector(options);
      return (runtime, address, events, attributes) => connect({ ...runtime, network }, address, events, attributes);
    },
  };
}
