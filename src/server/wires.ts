/** The wires that a server speaks on its port, each made from what the server lends to it. */
import type { AcceptOwner } from "../core/connection.ts";
import type { Codec } from "../contract/codec.ts";
import type { OpenApiOptions } from "../contract/openapi/index.ts";
import type { AnyContract } from "../contract/service.ts";
import { codecByName } from "../codec/choose.ts";
import { RpcError } from "../core/error.ts";
import { badOption } from "../core/option.ts";
import { http1Accept } from "../http/h1/server.ts";
import type { Http1ServerSettings } from "../http/h1/settings.ts";
import { http2Accept } from "../http/h2/server.ts";
import type { Http2Settings } from "../http/h2/settings.ts";
import type { Head, HttpHandler } from "../http/message.ts";
import { type AvroSettings, avroWire, withAvro } from "../protocol/avro/index.ts";
import { connectServer, type ConnectServerOptions } from "../protocol/connect/index.ts";
import { type CorsOptions, withCors } from "../protocol/cors.ts";
import { grpcServer } from "../protocol/grpc/index.ts";
import { grpcWebServer } from "../protocol/grpc-web/index.ts";
import { httpJsonServer, type PathTable } from "../protocol/http-json/index.ts";
import type { HttpProtocolSettings } from "../protocol/http-settings.ts";
import { serveHttp } from "../protocol/http-server.ts";
import {
  type JsonRpcSettings, jsonRpcSpeeches, resolveJsonRpcSettings, withJsonRpc,
} from "../protocol/json-rpc/index.ts";
import { nativeAccept, type NativeSettings } from "../protocol/native/index.ts";
import { nativeSpeech } from "../protocol/native/websocket.ts";
import { webSocketUpgrade } from "../protocol/websocket.ts";
import type { Serving } from "../protocol/router.ts";
import { type ThriftSettings, thriftWire, withThrift } from "../protocol/thrift/index.ts";
import type { ServedWire, Wire } from "../protocol/wire.ts";
import type { Compression } from "../wire/compression.ts";
import type { ServerHealth } from "./health.ts";
import type { Metrics } from "../telemetry/index.ts";
import { withHealthz } from "./healthz.ts";
import { withMetrics } from "./metrics.ts";
import { withDocs } from "./docs/handler.ts";
import { withOpenApi } from "./openapi.ts";
import { refusing, withRefusals } from "./refusals.ts";
import { http1Sign, http2Sign, nativeSign } from "./signs.ts";

export interface WireOptions {
  readonly native: Partial<NativeSettings>;
  readonly compressions: readonly Compression[];
  readonly http: HttpOptions;
  /** Where methods are found by plain HTTP. */
  readonly paths: PathTable;
  readonly codecs: readonly Codec[];
  /** What `/healthz` says; undefined where it says nothing. */
  readonly health: ServerHealth | undefined;
  /** Wires beside native and HTTP; of equal names the last counts. */
  readonly more: readonly Wire[];
  readonly ended: AcceptOwner["ended"];
}

/** HTTP on a server: gRPC, gRPC-Web and Connect, over HTTP/1.1 and HTTP/2. */
export interface HttpOptions {
  /** Limits of calls and their messages. */
  readonly calls?: Partial<HttpProtocolSettings> | undefined;
  /** Limits of connections, by version. */
  readonly http1?: Partial<Http1ServerSettings> | undefined;
  readonly http2?: Partial<Http2Settings> | undefined;
  /** Another HTTP/2 instead of ours: `nodeHttp2Accept` of `meridian-rpc/runtime/node`. */
  readonly http2Accept?: typeof http2Accept | undefined;
  readonly connect?: ConnectServerOptions | undefined;
  /** Pages of which origins may call. Default: of none but the server's own. */
  readonly cors?: CorsOptions | undefined;
  /**
   * Plain HTTP by paths (docs/http-json.md), beside gRPC, gRPC-Web and Connect. Default on; false for none.
   */
  readonly json?: HttpJsonOptions | false | undefined;
  /** JSON-RPC 2.0, posted to `/jsonrpc` and by WebSocket: its limits. Default on; false for none. */
  readonly jsonRpc?: Partial<JsonRpcSettings> | false | undefined;
  /** Avro's RPC by HTTP (`avro/binary`): its limits. Default on; false for none. */
  readonly avro?: Partial<AvroSettings> | false | undefined;
  /** Thrift by HTTP (`application/x-thrift` and its like): its limits. Default on; false for none. */
  readonly thrift?: Partial<ThriftSettings> | false | undefined;
  /**
   * Why a request is refused (403) before anything looks at it, a WebSocket's too; undefined lets it in: `hostCheck` of
   * `meridian-rpc/security`. Default: nothing is.
   */
  readonly refuses?: ((request: Head) => string | undefined) | undefined;
  /**
   * Metrics that `GET /metrics` tells everybody who may connect: `processMetrics()` of `meridian-rpc/telemetry`. As
   * Prometheus' text, or as OpenMetrics with exemplars to who accepts it. Default: none are told.
   */
  readonly metrics?: Metrics | undefined;
  /** Serves requests that are no calls. Default: answered with 404, 405 or 415, naming what is served. */
  readonly fallback?: HttpHandler | undefined;
}

export interface HttpJsonOptions {
  /** How often an event stream that is silent shows that it lives, in milliseconds. Default 15,000. */
  readonly heartbeatMs?: number | undefined;
  /**
   * Whether replies to GET have an `ETag`, a weak one of their bytes unless the handler sets its own, and are not sent
   * (304) to a caller whose `If-None-Match` has it. Default true.
   */
  readonly etag?: boolean | undefined;
  /** Contracts whose paths are served though their handlers are elsewhere; a gateway adds its own. Default none. */
  readonly contracts?: readonly AnyContract[] | undefined;
  /**
   * Whether `GET /openapi.json` tells everybody who may connect what is served, for tools, and what the document says
   * beside it. Default false.
   */
  readonly openApi?: OpenApiOptions | boolean | undefined;
  /**
   * Whether `GET /docs` is a page on which everybody who may connect reads what is served, and calls it
   * (docs/openapi.md). Default false.
   */
  readonly docs?: boolean | undefined;
}

function flag(name: string, value: unknown, usual: boolean): boolean {
  if (value !== undefined && typeof value !== "boolean") throw badOption(name, value, "expected true or false");
  return value ?? usual;
}

/** Every server's wires beside native and HTTP. */
const standardWires: readonly Wire[] = [thriftWire(), avroWire()];

/** What a port speaks, and its HTTP alone. */
export interface Wires {
  /** Those of which detection is surest come first. */
  readonly wires: readonly ServedWire[];
  readonly handle: HttpHandler;
}

export function createWires(serving: Serving, options: WireOptions): Wires {
  const { http, health, ended, compressions } = options;
  const { runtime } = serving;
  const json = http.json === false ? [] : [httpJsonServer({
    table: options.paths, codec: (name) => codecByName(name, options.codecs),
    leavesUnknown: http.fallback !== undefined, heartbeatMs: http.json?.heartbeatMs,
    etag: flag("http.json.etag", http.json?.etag, true),
  })];
  const calls = serveHttp(serving, {
    dialects: [grpcServer(), ...json, connectServer(http.connect), grpcWebServer()],
    settings: http.calls, compressions, fallback: http.fallback,
  });
  const { openApi = false } = http.json || {};
  const docs = flag("http.json.docs", http.json === false ? undefined : http.json?.docs, false);
  const contracts = () => options.paths.contracts;
  const document = typeof openApi === "boolean" ? {} : openApi;
  const shown = docs ? withDocs(runtime, { contracts, document }, calls) : calls;
  const described = openApi === false ? shown : withOpenApi(runtime.clock, { contracts, document }, shown);
  const known = health === undefined ? described : withHealthz(runtime.clock, health, described);
  const counted = http.metrics === undefined ? known : withMetrics(runtime.clock, http.metrics, known);
  const jsonRpc = http.jsonRpc === false ? undefined : resolveJsonRpcSettings(http.jsonRpc);
  const all = jsonRpc === undefined ? counted : withJsonRpc(serving, jsonRpc, counted);
  const avro = http.avro === false ? all : withAvro(serving, http.avro, all);
  const every = http.thrift === false ? avro : withThrift(serving, http.thrift, avro);
  const marked = http.cors === undefined ? every : withCors(runtime.clock, every, http.cors);
  const handle = http.refuses === undefined ? marked : withRefusals(runtime.clock, http.refuses, marked);
  const granting = webSocketUpgrade({
    speeches: [
      nativeSpeech(serving, runtime.clock, options.native),
      ...(jsonRpc === undefined ? [] : jsonRpcSpeeches(serving, jsonRpc)),
    ],
    origins: http.cors?.origins ?? [],
  });
  const upgrade = http.refuses === undefined ? granting : refusing(http.refuses, granting);
  const wires = new Map<string, ServedWire>([
    { ...nativeSign, accept: nativeAccept(serving, { settings: options.native, ended }) },
    { ...http2Sign, accept: (http.http2Accept ?? http2Accept)(runtime, { settings: http.http2, handle, ended }) },
    { ...http1Sign, accept: http1Accept(runtime, { settings: http.http1, handle, ended, upgrade }) },
  ].map((one) => [one.name, one]));
  const builtIn = [...wires.keys()];
  for (const wire of [...standardWires, ...options.more]) {
    if (builtIn.includes(wire.name)) {
      throw new RpcError("invalid_argument", `wires: "${wire.name}" is built in; give yours another name`);
    }
    wires.set(wire.name, Object.assign(Object.create(wire) as Wire, { accept: wire.serve(serving, { ended }) }));
  }
  return { wires: [...wires.values()], handle };
}
