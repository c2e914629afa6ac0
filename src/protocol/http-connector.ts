/** What makes a client's connections by a dialect over HTTP: which version, secured or not, under which limits. */
import type { Connect } from "../core/connection.ts";
import { http1Connect } from "../http/h1/client.ts";
import type { Http1ClientSettings } from "../http/h1/settings.ts";
import { http2Connect } from "../http/h2/client.ts";
import type { Http2Settings } from "../http/h2/settings.ts";
import type { HttpConnect } from "../http/message.ts";
import type { ClientDialect } from "./dialect.ts";
import { httpProtocol } from "./http-client.ts";
import type { HttpProtocolSettings } from "./http-settings.ts";
import { type ConnectorOptions, securedRuntime } from "./protocol.ts";

export interface HttpClientOptions {
  /**
   * The version of HTTP. Default 2: one connection carries all calls. 1 opens a connection for each call under way,
   * for servers and proxies that know no other. Or what else makes HTTP/2 connections: `nodeHttp2Connect()` of
   * `meridian-rpc/runtime/node`.
   */
  readonly http?: 1 | 2 | HttpConnect | undefined;
  /** Limits on calls: `maxMessageBytes`, `compressAboveBytes` and others. */
  readonly settings?: Partial<HttpProtocolSettings> | undefined;
  /** Limits on connections, of the version that is used. */
  readonly http1?: Partial<Http1ClientSettings> | undefined;
  readonly http2?: Partial<Http2Settings> | undefined;
  /** The name of a compression for requests, e.g. `gzip`, until the server says it cannot read it. Default none. */
  readonly requestCompression?: string | undefined;
  /** The host that requests name, e.g. for a server behind a proxy. Default: the endpoint's address. */
  readonly authority?: string | undefined;
}

/** Makes what connects endpoints by `dialect`. */
export function httpConnector(
  dialect: ClientDialect, options: HttpClientOptions, { coders, compressions, tls }: ConnectorOptions,
): Connect {
  const { http: given = 2 } = options;
  const version = given === 1 ? 1 : 2;
  const http = given === 1 ? http1Connect({ settings: options.http1 })
    : given === 2 ? http2Connect({ settings: options.http2 }) : given;
  const connect = httpProtocol(dialect, http, {
    coders, compressions, requestCompression: options.requestCompression, settings: options.settings,
    authority: options.authority, secure: tls !== undefined,
  });
  if (tls === undefined) return connect;
  // A server that agrees on no protocol is taken to speak HTTP/1.1 alone.
  const names = version === 1 ? ["http/1.1"] : ["h2"];
  return (runtime, address, events, attributes) =>
    connect(securedRuntime(runtime, tls, names, version === 2), address, events, attributes);
}
