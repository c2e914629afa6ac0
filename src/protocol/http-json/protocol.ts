/** Plain HTTP as a client's protocol. */
import { httpConnector, type HttpClientOptions } from "../http-connector.ts";
import type { Protocol } from "../protocol.ts";
import { httpJsonClient, httpJsonCoders } from "./client.ts";

export interface HttpJsonOptions extends Omit<HttpClientOptions, "requestCompression"> {}

/**
 * Speaks plain HTTP with JSON, by the first path that each method declares (`rpc({ http })`), else by
 * `POST /package.Service/Method`: to our servers, to grpc-gateway and Envoy, and to whatever else a contract describes.
 *
 * ```ts
 * createClient(Library, { address: "api.example.com:443", protocol: httpJson(), tls: tls({}) });
 * ```
 *
 * Clients that are given the same object share connections; without options it is always the same one.
 */
export function httpJson(options?: HttpJsonOptions): Protocol {
  return options === undefined ? byDefault : protocol(options);
}

function protocol(options: HttpJsonOptions): Protocol {
  return {
    name: "http-json",
    codec: "json",
    connector: (given) => httpConnector(httpJsonClient(), options, {
      ...given, coders: (method) => httpJsonCoders(method, given.coders(method)),
    }),
  };
}

const byDefault = protocol({});
