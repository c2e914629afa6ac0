/** Runs the law over HTTP: any dialect, over exchanges in memory, over bytes in the simulator, over sockets. */
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { callMethods } from "../../src/client/client.ts";
import { idempotencyKeys } from "../../src/client/stack.ts";
import { codecFor } from "../../src/codec/choose.ts";
import { codersOf } from "../../src/contract/coders.ts";
import type { Client, Codec } from "../../src/contract/index.ts";
import type { AnyMethod } from "../../src/contract/method.ts";
import type { Accept, AcceptOwner, Connection, ConnectionEvents, ServedConnection } from "../../src/core/connection.ts";
import {
  type Context, expected, type LoadReport, type Observer, type RpcError, type Runtime,
} from "../../src/core/index.ts";
import { http1Accept } from "../../src/http/h1/server.ts";
import { http1Connect } from "../../src/http/h1/client.ts";
import { http2Accept } from "../../src/http/h2/server.ts";
import { http2Connect } from "../../src/http/h2/client.ts";
import type { Http2Settings } from "../../src/http/h2/settings.ts";
import type { HttpConnect, HttpHandler } from "../../src/http/message.ts";
import type { ClientDialect, ServerDialect } from "../../src/protocol/dialect.ts";
import { httpProtocol, type HttpProtocolOptions } from "../../src/protocol/http-client.ts";
import { serveHttp } from "../../src/protocol/http-server.ts";
import type { HttpProtocolSettings } from "../../src/protocol/http-settings.ts";
import type { Admission, Serving } from "../../src/protocol/router.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { Routes } from "../../src/server/routes.ts";
import { httpPair, type HttpPairOptions } from "../../src/testing/http-pair.ts";
import type { Compression } from "../../src/wire/index.ts";
import { Law, lawCases, lawHandlers, type LawHarness, type Seen } from "./protocol-cases.ts";

/** How exchanges come to a handler, and from a client. */
export interface Wire {
  /** Serves `handler` on `server`, and returns what connects `client`s to it. */
  open(server: Runtime, handler: HttpHandler, host: string): Promise<OpenWire>;
}

export interface OpenWire {
  readonly address: string;
  readonly connect: HttpConnect;
  /** The connections as the server has them. */
  served(): readonly ServedConnection[];
  close(): Promise<void>;
}

export interface HttpLawOptions {
  readonly server: ServerDialect;
  readonly client: ClientDialect;
  readonly codec?: Codec;
  readonly compressions?: readonly Compression[];
  readonly settings?: Partial<HttpProtocolSettings>;
  /** Beside those, for the client alone. */
  readonly protocol?: Partial<HttpProtocolOptions>;
  readonly load?: () => LoadReport;
  readonly observer?: Observer;
  readonly admission?: Admission;
  readonly without?: readonly string[];
  /** As in the law's harness. */
  readonly mostAhead?: number;
}

/** Exchanges handed over in memory: no bytes of HTTP at all. */
export function pairWire(options: HttpPairOptions = {}): Wire {
  return {
    open: async (server, handler) => ({
      address: "pair:1", connect: httpPair(server.clock, handler, options), served: () => [],
      close: async () => undefined,
    }),
  };
}

/** Our HTTP/2 over whatever network the runtime has. */
export function http2Wire(options: { readonly settings?: Partial<Http2Settings>; readonly port?: number } = {}): Wire {
  const { settings, port } = options;
  return wireOf(port, (runtime, owner) => http2Accept(runtime, { ...owner, settings }), http2Connect({ settings }));
}

/** Our HTTP/1.1 over whatever network the runtime has. */
export function http1Wire(options: { readonly port?: number } = {}): Wire {
  return wireOf(options.port, http1Accept, http1Connect());
}

type MakeAccept = (runtime: Runtime, owner: AcceptOwner & { readonly handle: HttpHandler }) => Accept;

function wireOf(port: number | undefined, makeAccept: MakeAccept, connect: HttpConnect): Wire {
  return {
    async open(server, handle, host) {
      const connections = new Set<ServedConnection>();
      const accept = makeAccept(server, { handle, ended: (connection) => void connections.delete(connection) });
      const listener = await server.network.listen(`${host}:${port ?? 0}`, (stream) => {
        const { connection, sink } = accept(stream);
        connections.add(connection);
        return sink;
      });
      return {
        address: listener.address,
        connect,
        served: () => [...connections],
        async close() {
          await listener.close();
          for (const one of connections) one.close(expected("unavailable", "the test is over"));
        },
      };
    },
  };
}

/** A server's half of the harness. */
export function servingLaw(runtime: Runtime, seen: Seen, options: HttpLawOptions): HttpHandler {
  const routes = new Routes({ stack: {}, codecs: options.codec === undefined ? [] : [options.codec] });
  routes.add(Law, lawHandlers(seen));
  const serving: Serving = {
    runtime, router: routes.route, admission: options.admission ?? { inFlight: 0, maxInFlight: 10_000 },
    observer: options.observer ?? {}, load: options.load ?? (() => undefined),
  };
  return serveHttp(serving, {
    dialects: [options.server], settings: options.settings, compressions: options.compressions,
  });
}

/** Everything a test may want of a client on one connection. */
export interface LawClient {
  readonly client: Client<typeof Law>;
  readonly connection: Connection;
  readonly reports: LoadReport[];
  close(): void;
}

/** A client's half: the contract's methods over one connection, without balancer and retries. */
export async function callingLaw(runtime: Runtime, wire: OpenWire, options: HttpLawOptions): Promise<LawClient> {
  const connect = httpProtocol(options.client, wire.connect, {
    coders: (method) => codersOf(method as AnyMethod, options.codec ?? codecFor(method as AnyMethod)),
    compressions: options.compressions, settings: options.settings,
    requestCompression: options.compressions?.[0]?.name, ...options.protocol,
  });
  const reports: LoadReport[] = [];
  const connection = await new Promise<Connection>((resolve, reject) => {
    const events: ConnectionEvents = {
      opened: () => resolve(opening),
      draining: () => undefined,
      closed: (error?: RpcError) => reject(error ?? new Error("closed")),
      pinged: () => undefined,
      reported: (report) => reports.push(report),
    };
    const opening: Connection = connect(runtime, wire.address, events);
  });
  const observer = { attemptEnded: () => undefined };
  const service = idempotencyKeys(runtime)((request, context: Context) => connection.call(request, context, observer));
  const client = callMethods(Law, { clock: runtime.clock, service, timeoutMs: 15_000 });
  return { client, connection, reports, close: () => connection.close(0) };
}

/** Runs the law in a fresh simulation per case. */
export function lawInSimulation(name: string, wire: Wire, options: HttpLawOptions, more: {
  readonly decorate?: (runtime: Runtime) => Runtime; readonly latencyMs?: number;
} = {}): void {
  describe(name, () => {
    for (const one of lawCases) {
      if (options.without?.includes(one.name) === true) continue;
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: more.latencyMs ?? 1 } });
        const decorate = more.decorate ?? ((runtime: Runtime) => runtime);
        const server = decorate(simulation.host("server"));
        const runtime = decorate(simulation.host("client"));
        const seen: Seen = { produced: 0, cancelled: [] };
        const main = async (): Promise<void> => {
          const open = await wire.open(server, servingLaw(server, seen, options), "server");
          const { client, close } = await callingLaw(runtime, open, options);
          const harness: LawHarness = {
            client, seen, sleep: (ms) => new Promise((resolve) => void runtime.clock.after(ms, resolve)),
          };
          await one.run(harness);
          close();
        };
        await simulation.runUntil(main(), 600_000);
      });
    }
  });
}

/** Runs the law in real time, all cases on one connection. */
export function lawInRealTime(name: string, runtime: Runtime, wire: Wire, options: HttpLawOptions): void {
  describe(name, () => {
    const seen: Seen = { produced: 0, cancelled: [] };
    let open: OpenWire;
    let law: LawClient;
    before(async () => {
      open = await wire.open(runtime, servingLaw(runtime, seen, options), "127.0.0.1");
      law = await callingLaw(runtime, open, options);
    });
    after(async () => {
      law.close();
      await open.close();
    });
    for (const one of lawCases) {
      if (options.without?.includes(one.name) === true) continue;
      test(one.name, async () => {
        seen.produced = 0;
        seen.cancelled = [];
        await one.run({ client: law.client, seen, sleep, mostAhead: options.mostAhead });
      });
    }
  });
}
