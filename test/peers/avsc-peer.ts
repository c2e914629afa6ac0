/** geo.v1.Cities by npm's avsc: its client and its server, on sockets and over HTTP. */
import { createServer, request as httpRequest, type Server } from "node:http";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { codeNumber, type Code } from "../../src/core/index.ts";
import avsc from "avsc";
import { expected, found, namesOf, type Said, slowMs } from "./cities.ts";

type Reply = (error: unknown, value?: unknown) => void;
/** What avsc has that its types do not know, or know too closely. */
interface AvscClient {
  emitMessage(name: string, request: unknown, options: object, reply: Reply): void;
  createChannel(transport: unknown, options?: object): { destroy(force?: boolean): void };
  use(middleware: (request: Wrapped, response: Wrapped, next: (error: unknown, back: Back) => void) => void): void;
}
type Back = (error: unknown, previous: (error: unknown) => void) => void;
interface Wrapped { headers: Record<string, Buffer> }
interface AvscServer {
  onMessage(name: string, handler: (request: never, reply: Reply) => void): void;
  createChannel(transport: unknown, options?: object): unknown;
  use: AvscClient["use"];
}

/** What avsc can be told: Avro has no streams. */
export type AvroSaid = Omit<Said, "byCountry" | "counts" | "total">;

export function expectedByAvro(servedBy: string): AvroSaid {
  const { byCountry: _b, counts: _c, total: _t, ...rest } = expected(servedBy);
  return rest;
}

function opened(client: AvscClient, transport: unknown): Promise<{ destroy(force?: boolean): void }> {
  return Promise.resolve(client.createChannel(transport));
}

/** A writable for each request, whose answer is readable: how avsc speaks HTTP. */
function posting(port: number, path: string): (reply: (error: unknown, readable?: unknown) => void) => unknown {
  return (reply) => httpRequest({
    port, path, host: "127.0.0.1", method: "POST", headers: { "content-type": "avro/binary" },
  }, (answer) => reply(null, answer)).on("error", reply);
}

/** Makes the calls with avsc's client. */
export async function converseByAvsc(avpr: string, port: number, how: "socket" | "http"): Promise<AvroSaid> {
  const service = avsc.Service.forProtocol(JSON.parse(avpr) as never);
  const client = service.createClient() as unknown as AvscClient;
  let told: Record<string, string> = {};
  let sent: Record<string, Buffer> = {};
  client.use((request, response, next) => {
    Object.assign(request.headers, sent);
    next(null, (error, previous) => {
      told = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
      previous(error);
    });
  });
  const socket = how === "socket" ? connect(port, "127.0.0.1") : undefined;
  const channel = await opened(client, socket ?? posting(port, "/geo.v1.Cities"));
  const call = (name: string, request: unknown) => new Promise<{ error?: unknown; value?: never }>((resolve) => {
    client.emitMessage(name, request, { timeout: 20_000 }, (error, value) =>
      resolve(error === null || error === undefined ? { value: value as never } : { error }));
  });
  try {
    const three = (await call("search", { prefix: "b", limit: 3 })).value as unknown as { cities: { name: string }[] };
    const servedBy = told["x-served-by"];
    const saved = (await call("saveFavourite", { user: "ada", cityId: 3 })).value as unknown as { favouriteId: number };
    const missing = (await call("saveFavourite", { user: "ada", cityId: 99 })).error as { cityId: number };
    const missingTold = told;
    sent = { "meridian-timeout-ms": Buffer.from("200") };
    const slow = (await call("search", { prefix: "slow", limit: 1 })).error as Error;
    return {
      search: namesOf(three.cities), servedBy, favouriteId: saved.favouriteId,
      error: {
        code: codeNumber(missingTold["meridian-code"] as Code), message: missingTold["meridian-message"] ?? "",
        reason: missingTold["meridian-reason"], cityId: missing.cityId,
      },
      slow: codeNumber(slow.message.replace(/^.*?(\w+): the deadline.*$/s, "$1") as Code),
    };
  } finally {
    channel.destroy(true);
    socket?.destroy();
  }
}

/** Serves by avsc's server. */
export async function serveByAvsc(
  avpr: string, how: "socket" | "http",
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const service = avsc.Service.forProtocol(JSON.parse(avpr) as never);
  const server = service.createServer({ silent: true } as never) as unknown as AvscServer;
  server.use((_request, response, next) => next(null, (error, previous) => {
    response.headers["x-served-by"] = Buffer.from("avsc");
    previous(error);
  }));
  server.onMessage("search", ({ prefix, limit }: { prefix: string; limit: number }, reply) => {
    void sleep(prefix === "slow" ? slowMs : 0).then(() => reply(null, { cities: found(prefix, limit) }));
  });
  server.onMessage("saveFavourite", ({ cityId }: { cityId: number }, reply) => {
    if (cityId === 99) reply({ cityId });
    else reply(null, { favouriteId: 100 + cityId, replayed: false });
  });
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => sockets.add(socket.on("error", () => undefined));
  const listening: Server | ReturnType<typeof createTcpServer> = how === "http"
    ? createServer((request, response) => {
      server.createChannel((reply: (error: unknown, writable: unknown) => void) => {
        reply(null, response);
        return request;
      });
    }).on("connection", track)
    : createTcpServer((socket) => {
      track(socket);
      server.createChannel(socket);
    });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  return {
    port: (listening.address() as { port: number }).port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      listening.close();
      await once(listening, "close");
    },
  };
}

