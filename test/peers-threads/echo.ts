/** The service that the threads' tests call, and a foreign server of it: node:http2, which obeys every order. */
import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import * as z from "zod";
import { type Handlers, rpc, service } from "../../src/contract/index.ts";

const item = z.object({ n: z.int32(), text: z.string() });

export const Echo = service("threads.v1.Echo", {
  echo: rpc({ input: item, output: item, idempotent: true, timeoutMs: 5_000 }),
  /** Not to be repeated once it may have run. */
  write: rpc({ input: item, output: item, timeoutMs: 5_000 }),
  count: rpc({ kind: "server_stream", input: item, output: item }),
  sum: rpc({ kind: "client_stream", input: item, output: item }),
});

export const one = { n: 1, text: "one" };

/** What a server of our own does. */
export const handlers: Handlers<typeof Echo> = {
  echo: (item) => item,
  write: (item) => item,
  async *count({ n }) {
    for (let i = 0; i < n; i++) yield { n: i, text: "counted" };
  },
  async sum(items) {
    let n = 0;
    for await (const item of items) n += item.n;
    return { n, text: "sum" };
  },
};

/** A gRPC server by node:http2. It answers each message with the same, until told otherwise. */
export interface ForeignServer {
  readonly address: string;
  readonly port: number;
  /** The open connections, oldest first. */
  readonly sessions: Set<ServerHttp2Session>;
  /** Connections so far, and requests. */
  readonly counts: { connections: number; requests: number };
  /** Answers each request; replace it to misbehave. */
  answer(stream: ServerHttp2Stream): void;
}

/** Starts one that ends with the test. */
export async function startForeign(t: TestContext, port = 0): Promise<ForeignServer> {
  const server: Http2Server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  const counts = { connections: 0, requests: 0 };
  server.on("session", (session) => {
    counts.connections++;
    sessions.add(session);
    session.on("error", () => undefined).once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream) => {
    counts.requests++;
    stream.on("error", () => undefined);
    foreign.answer(stream);
  });
  server.on("sessionError", () => undefined);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = (server.address() as AddressInfo).port;
  const foreign: ForeignServer = {
    address: `127.0.0.1:${bound}`, port: bound, sessions, counts, answer: echo,
  };
  t.after(async () => {
    for (const session of sessions) session.destroy();
    server.close();
    await once(server, "close");
  });
  return foreign;
}

/** Sends the request's body back, and the status ok. */
export function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.pipe(stream);
}

/** Resolves once `holds`, looking every few milliseconds; says what did not come true otherwise. */
export async function until(what: string, holds: () => boolean, withinMs = 5_000): Promise<void> {
  const giveUpMs = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > giveUpMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
