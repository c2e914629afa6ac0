/** Mounts a server's HTTP in Node's own servers and in those made of them: Express, Connect, NestJS, Fastify. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { expected } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { Peer } from "../../core/peer.ts";
import { requestHead } from "../../http/message.ts";
import { type HttpMount, MountedExchange, type MountedResponse, mountedFields } from "../../http/mount.ts";
import { NodeSession } from "./session.ts";

/** Whatever lends its HTTP: a server or a gateway. */
export interface Mountable {
  readonly http: HttpMount;
}

/** What Express, Connect and NestJS take by `app.use`, and `node:http` by `createServer`. */
export type NodeHandler =
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;

/**
 * Serves the calls of `server` inside another HTTP server: `app.use(nodeHandler(server))`. What is no call of it goes
 * to `next`, or, where there is none, is refused as the server's own port would.
 *
 * To be mounted before middleware that reads bodies (`express.json()`). gRPC needs HTTP/2 and therefore a port of the
 * server's own; Connect, gRPC-Web, plain HTTP, JSON-RPC, Thrift and Avro over HTTP are served.
 */
export function nodeHandler(server: Mountable): NodeHandler {
  const { http } = server;
  return (request, response, next) => {
    const { method = "GET", url = "/" } = request;
    if (next !== undefined && !http.claims(method, url)) {
      next();
      return;
    }
    serveOn(http, request, response);
  };
}

/** The parts of Fastify that a mount needs. */
export interface FastifyLike {
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    type: string, parser: (request: unknown, body: unknown, done: (error: Error | null) => void) => void,
  ): unknown;
  all(path: string, handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => unknown): unknown;
  readonly prefix: string;
}

interface FastifyRequestLike {
  readonly raw: unknown;
}

interface FastifyReplyLike {
  readonly raw: unknown;
  hijack(): unknown;
  callNotFound(): unknown;
}

/** Makes a plugin of Fastify: `await app.register(fastifyPlugin(server))`, with `{ prefix: "/rpc" }` if wanted. */
export function fastifyPlugin(server: Mountable): (app: FastifyLike) => Promise<void> {
  const { http } = server;
  // Within a plugin of its own, so that the application's parsers stay as they are.
  return (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _body, done) => done(null));
    app.all("/*", (request, reply) => {
      const raw = request.raw as IncomingMessage;
      const { method = "GET", url = "/" } = raw;
      raw.url = url.startsWith(`${app.prefix}/`) ? url.slice(app.prefix.length) : url;
      if (app.prefix === "" && !http.claims(method, raw.url)) return reply.callNotFound();
      reply.hijack();
      serveOn(http, raw, reply.raw as ServerResponse);
      return reply;
    });
    return Promise.resolve();
  };
}

function serveOn(http: HttpMount, request: IncomingMessage, response: ServerResponse): void {
  const { method = "GET", url = "/", socket, rawHeaders } = request;
  if (request.readableDidRead && method !== "GET" && method !== "HEAD") {
    response.statusCode = 500;
    response.setHeader("content-type", "text/plain; charset=utf-8");
    response.end("the body was read before it came to the RPC server: mount it before body parsers\n");
    return;
  }
  const exchange: MountedExchange = new MountedExchange(http, peerAt(socket), new NodeResponse(request, response));
  const { "content-length": length, "transfer-encoding": coding, host = "" } = request.headers;
  const scheme = "encrypted" in socket ? "https" : "http";
  const head = requestHead(method, url, scheme, host, mountedFields(pairs(rawHeaders)));
  response.on("drain", () => exchange.drained());
  response.on("close", () => {
    if (!response.writableFinished) {
      exchange.failed(expected("cancelled", "the caller closed the connection", { phase: "network" }));
    }
  });
  // Whatever goes wrong with them shows with the response's close.
  response.on("error", () => undefined);
  request.on("error", () => undefined);
  request.on("data", (bytes: Uint8Array) => {
    if (!exchange.received(bytes)) request.pause();
  });
  request.on("end", () => exchange.ended());
  exchange.serve(head, length === undefined && coding === undefined);
}

function* pairs(raw: readonly string[]): Iterable<[string, string]> {
  for (let i = 0; i + 1 < raw.length; i += 2) yield [raw[i] as string, raw[i + 1] as string];
}

/** One for each connection, since authenticators keep what they found with it. */
const peers = new WeakMap<object, Peer>();

function peerAt(socket: IncomingMessage["socket"]): Peer {
  let peer = peers.get(socket);
  if (peer === undefined) {
    const { remoteAddress = "", remotePort = 0 } = socket;
    const address = remoteAddress.includes(":") ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
    // As far as the host verified it: what its `requestCert` and `ca` ask for.
    const session = "encrypted" in socket ? new NodeSession(socket as TLSSocket) : undefined;
    peer = { address, isSecured: session !== undefined, certificate: session?.certificate, memo: undefined };
    peers.set(socket, peer);
  }
  return peer;
}

class NodeResponse implements MountedResponse {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get isFull(): boolean {
    return this.#response.writableNeedDrain;
  }

  head(status: number, fields: Metadata, last: boolean): void {
    this.#response.writeHead(status, { ...fields });
    if (last) this.#end();
  }

  piece(bytes: Uint8Array, last: boolean): void {
    if (bytes.length > 0) this.#response.write(bytes);
    if (last) this.#end();
  }

  trailers(fields: Metadata): void {
    this.#response.addTrailers({ ...fields });
    this.#end();
  }

  #end(): void {
    this.#response.end();
    // What of the request is still to come is nobody's.
    this.#request.resume();
  }

  cut(): void {
    this.#response.destroy();
  }

  resume(): void {
    this.#request.resume();
  }
}
