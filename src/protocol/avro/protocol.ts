/** Avro's RPC as a client's protocol. */
import type { Connect } from "../../core/connection.ts";
import { badOption } from "../../core/option.ts";
import { http1Connect } from "../../http/h1/client.ts";
import { http2Connect } from "../../http/h2/client.ts";
import type { HttpConnect } from "../../http/message.ts";
import { type ConnectorOptions, type Protocol, securedRuntime } from "../protocol.ts";
import { avroConnect } from "./client.ts";
import { avroHttpConnect } from "./http-client.ts";
import { ServerKnowledge } from "./remote.ts";
import { type AvroSettings, resolveAvroSettings } from "./settings.ts";
import { avroApplicationProtocol } from "./wire.ts";

export interface AvroProtocolOptions extends Partial<AvroSettings> {
  /**
   * How messages are carried: `serial`, with numbers, so that many calls are in flight on a connection (Java's Netty
   * transport, avsc; the default); `framed`, the specification's sockets, whose answers come in order; `http`.
   */
  readonly transport?: "serial" | "framed" | "http" | undefined;
  /** With `http`: the version, or what else makes its connections. Default 1, which every server of Avro's has. */
  readonly http?: 1 | 2 | HttpConnect | undefined;
  /** With `http`: where calls are posted to. Default `/` and the service's name. */
  readonly path?: string | undefined;
}

const transports: readonly unknown[] = ["serial", "framed", "http"];

/**
 * Apache Avro's RPC, for servers of others. Messages are in its own codec, so clients name none. Unary and one-way
 * calls alone (docs/avro.md). Throws `invalid_argument` for options that cannot be.
 */
export function avro(options: AvroProtocolOptions = {}): Protocol {
  const { transport = "serial", http, path, ...settings } = options;
  if (!transports.includes(transport)) throw badOption("transport", transport, "expected serial, framed or http");
  if (transport !== "http" && (http !== undefined || path !== undefined)) {
    throw badOption(http === undefined ? "path" : "http", http ?? path, 'only with `transport: "http"`');
  }
  if (path !== undefined && !path.startsWith("/")) throw badOption("path", path, "expected a path that begins with /");
  const knowledge = new ServerKnowledge(resolveAvroSettings(settings));
  return {
    name: "avro",
    codec: "avro",
    connector(made): Connect {
      return transport === "http" ? overHttp(made, knowledge, options)
        : secured(made, avroConnect({ coders: made.coders, transport, knowledge }), [avroApplicationProtocol], false);
    },
  };
}

function overHttp(
  made: ConnectorOptions, knowledge: ServerKnowledge, { http = 1, path }: AvroProtocolOptions,
): Connect {
  const connect = avroHttpConnect({
    coders: made.coders, knowledge, path, scheme: made.tls === undefined ? "http" : "https",
    http: http === 1 ? http1Connect({}) : http === 2 ? http2Connect({}) : http,
  });
  return secured(made, connect, http === 1 ? ["http/1.1"] : ["h2"], http !== 1);
}

function secured({ tls }: ConnectorOptions, connect: Connect, names: readonly string[], required: boolean): Connect {
  if (tls === undefined) return connect;
  return (runtime, address, events, attributes) =>
    connect(securedRuntime(runtime, tls, names, required), address, events, attributes);
}
