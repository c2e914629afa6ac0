/** Thrift as a client's protocol. */
import type { Connect } from "../../core/connection.ts";
import type { MethodInfo } from "../../core/method.ts";
import { badOption } from "../../core/option.ts";
import { type Protocol, securedRuntime } from "../protocol.ts";
import { http1Connect } from "../../http/h1/client.ts";
import { thriftConnect } from "./client.ts";
import { thriftHttpConnect } from "./http-client.ts";
import type { ThriftEncoding } from "./message.ts";
import type { ThriftTransport } from "./opening.ts";
import { resolveSettings, type ThriftSettings } from "./settings.ts";
import { thriftApplicationProtocol } from "./wire.ts";

export interface ThriftOptions extends Partial<ThriftSettings> {
  /** Thrift's protocol: `binary` (the default), `compact` or `json`. */
  readonly encoding?: ThriftEncoding | undefined;
  /**
   * How messages lie on a connection: `framed` (the default), `buffered` (one after another, without frames), `header`
   * (THeader), `http` (a POST for each call, over HTTP/1.1). Only THeader and HTTP carry deadlines, metadata and keys.
   */
  readonly transport?: ThriftTransport | "http" | undefined;
  /** Of `http`: the path that requests name. Default `/`. */
  readonly path?: string | undefined;
  /**
   * Whether methods are called as `Service:method`, as TMultiplexedProcessor wants it. Default false: a server of one
   * service.
   */
  readonly multiplexed?: boolean | undefined;
  /** The service's name in multiplexed calls. Default: that of the contract without its package. */
  readonly service?: string | undefined;
}

const encodings: readonly unknown[] = ["binary", "compact", "json"];
const transports: readonly unknown[] = ["framed", "buffered", "header", "http"];

/**
 * Apache Thrift, for servers of others. Messages are in its own codecs, so clients name none. Unary calls alone;
 * docs/thrift.md says what each transport carries. Throws `invalid_argument` for options that cannot be.
 */
export function thrift(options: ThriftOptions = {}): Protocol {
  const { encoding = "binary", transport = "framed", multiplexed = false, service } = options;
  if (!encodings.includes(encoding)) throw badOption("encoding", encoding, "expected binary, compact or json");
  if (!transports.includes(transport)) {
    throw badOption("transport", transport, "expected framed, buffered, header or http");
  }
  if (service !== undefined && (!multiplexed || service === "" || service.includes(":"))) {
    throw badOption("service", service, "a name without a colon, for multiplexed calls (multiplexed: true)");
  }
  if (options.zlib !== undefined && transport !== "header") {
    throw badOption("zlib", options.zlib.name, 'only THeader says that messages are compressed (transport: "header")');
  }
  const { path } = options;
  if (path !== undefined && (transport !== "http" || !/^\/[\x21-\x7e]*$/.test(path))) {
    throw badOption("path", path, "expected a path that begins with a slash, for transport: \"http\"");
  }
  const settings = resolveSettings(settingsOf(options));
  return {
    name: "thrift",
    codec: `thrift-${encoding}`,
    connector({ coders, tls }): Connect {
      const prefixOf = multiplexed ? (method: MethodInfo) => `${service ?? shortName(method)}:` : () => "";
      if (transport === "http") {
        const connect = thriftHttpConnect({
          encoding, coders, settings, prefixOf, path: path ?? "/", scheme: tls === undefined ? "http" : "https",
          http: http1Connect({}),
        });
        if (tls === undefined) return connect;
        return (runtime, address, events) =>
          connect(securedRuntime(runtime, tls, ["http/1.1"], false), address, events);
      }
      const connect = thriftConnect({ encoding, transport, coders, settings, prefixOf });
      if (tls === undefined) return connect;
      return (runtime, address, events) =>
        connect(securedRuntime(runtime, tls, [thriftApplicationProtocol], false), address, events);
    },
  };
}

function settingsOf(options: ThriftOptions): Partial<ThriftSettings> {
  const { encoding: _e, transport: _t, multiplexed: _m, service: _s, path: _p, ...settings } = options;
  return settings;
}

function shortName({ service }: MethodInfo): string {
  return service.slice(service.lastIndexOf(".") + 1);
}
