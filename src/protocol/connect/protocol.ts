/** Connect as a client's protocol. */
import { httpConnector, type HttpClientOptions } from "../http-connector.ts";
import type { Protocol } from "../protocol.ts";
import { connectClient, type ConnectClientOptions } from "./client.ts";

/** Both what the dialect and what HTTP leaves open. */
export interface ConnectOptions extends ConnectClientOptions, HttpClientOptions {}

/**
 * Speaks Connect: what browsers, curl and the libraries of connectrpc.com speak.
 *
 * ```ts
 * createClient(Calculator, { address: "api.example.com:443", protocol: connect({ get: true }), tls: tls({}) });
 * ```
 *
 * Clients that are given the same object share connections; without options it is always the same one.
 */
export function connect(options?: ConnectOptions): Protocol {
  return options === undefined ? byDefault : protocol(options);
}

function protocol(options: ConnectOptions): Protocol {
  return { name: "connect", connector: (given) => httpConnector(connectClient(options), options, given) };
}

const byDefault = protocol({});
