// A server inside Express, NestJS, Fastify, Node's own HTTP server and a Fetch handler answers as on its own port.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import "reflect-metadata";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import express from "express";
import fastify from "fastify";
import * as z from "zod";
import { createClient, createServer, RpcError, rpc, service } from "../../src/index.ts";
import { connect } from "../../src/protocol/connect/index.ts";
import { fastifyPlugin, fetchHandler, nodeHandler, type Server } from "../../src/server/index.ts";
import { lacking } from "../peers/programs.ts";
import { Certificates } from "../security/support.ts";

const Echo = service("mount.v1.Echo", {
  say: rpc({ input: z.object({ text: z.string() }), output: z.object({ text: z.string() }), idempotent: true }),
  fail: rpc({ input: z.object({}), output: z.object({}) }),
  count: rpc({ kind: "server_stream", input: z.object({ to: z.int32() }), output: z.object({ n: z.int32() }) }),
  wait: rpc({ input: z.object({}), output: z.object({}) }),
});

const Who = service("mount.v1.Who", { am: rpc({ input: z.object({}), output: z.object({}) }) });

/** Who wants to know of the next call that waits, and of its end. */
const begun: (() => void)[] = [];
const cancelled: (() => void)[] = [];

function told(by: (() => void)[]): Promise<void> {
  return new Promise((resolve) => void by.push(resolve));
}

function echoServer(): Server {
  const server = createServer();
  server.implement(Echo, {
    say: ({ text }) => ({ text }),
    fail: () => {
      throw new RpcError("not_found", "nobody of that name");
    },
    async *count({ to }) {
      for (let n = 1; n <= to; n++) yield { n };
    },
    wait: (_request, context) => new Promise((_resolve, reject) => {
      for (const tell of begun.splice(0)) tell();
      context.signal.addEventListener("abort", () => {
        for (const tell of cancelled.splice(0)) tell();
        reject(context.signal.reason as Error);
      });
    }),
  });
  return server;
}

interface Host {
  readonly base: string;
  close(): Promise<void>;
}

async function listening(server: HttpServer): Promise<Host> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    base: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
}

async function inExpress(server: Server): Promise<Host> {
  const app = express();
  app.use(nodeHandler(server));
  app.use(express.json());
  app.post("/own", (request, response) => void response.json({ own: request.body as unknown }));
  return listening(createHttpServer(app));
}

async function inNest(server: Server): Promise<Host> {
  class Root {
    readonly name = "root";
  }
  Module({})(Root);
  const app = await NestFactory.create(Root, { logger: false });
  app.use(nodeHandler(server));
  app.use("/own", (_request: unknown, response: { json(body: unknown): void }) => response.json({ own: {} }));
  await app.listen(0, "127.0.0.1");
  const { port } = (app.getHttpServer() as HttpServer).address() as AddressInfo;
  return { base: `127.0.0.1:${port}`, close: () => app.close() };
}

async function inFastify(server: Server): Promise<Host> {
  const app = fastify({ forceCloseConnections: true });
  await app.register(fastifyPlugin(server));
  app.post("/own", (request) => ({ own: request.body }));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const { port } = app.server.address() as AddressInfo;
  return { base: `127.0.0.1:${port}`, close: () => app.close() };
}

const alone = (server: Server): Promise<Host> => listening(createHttpServer(nodeHandler(server)));

const hosts = [
  { name: "Express", mount: inExpress, hasOwn: true }, { name: "NestJS", mount: inNest, hasOwn: true },
  { name: "Fastify", mount: inFastify, hasOwn: true }, { name: "node:http", mount: alone, hasOwn: false },
];

for (const { name, mount, hasOwn } of hosts) {
  describe(`mounted in ${name}`, () => {
    const server = echoServer();
    let host: Host;
    before(async () => {
      host = await mount(server);
    });
    after(async () => {
      await host.close();
      await server.close(0);
    });

    it("answers calls, streams and errors of our client", async () => {
      const client = createClient(Echo, { address: host.base, protocol: connect({ http: 1 }) });
      assert.deepEqual(await client.say({ text: "hello" }), { text: "hello" });
      const large = "x".repeat(1_000_000);
      assert.equal((await client.say({ text: large })).text, large);
      const seen: number[] = [];
      for await (const { n } of client.count({ to: 2_000 })) seen.push(n);
      assert.equal(seen.length, 2_000);
      await assert.rejects(client.fail({}), { code: "not_found", message: /nobody of that name/ });
      client.$.close();
    });

    it("answers plain HTTP, and says what is wrong with it", async () => {
      const url = `http://${host.base}/mount.v1.Echo/Say`;
      const headers = { "content-type": "application/json" };
      const reply = await fetch(url, { method: "POST", headers, body: JSON.stringify({ text: "hi" }) });
      assert.deepEqual(await reply.json(), { text: "hi" });
      const wrong = await fetch(url, { method: "POST", headers, body: JSON.stringify({ text: 1 }) });
      assert.equal(wrong.status, 400);
      assert.match(await wrong.text(), /text/);
      const health = await fetch(`http://${host.base}/healthz`);
      assert.equal(health.status, 200);
    });

    if (hasOwn) it("leaves what is not its own to its host", async () => {
      const reply = await fetch(`http://${host.base}/own`, {
        method: "POST", headers: { "content-type": "application/json" }, body: "{}",
      });
      assert.deepEqual(await reply.json(), { own: {} });
      assert.equal((await fetch(`http://${host.base}/nowhere`)).status, 404);
    });

    it("cancels the call of a caller who leaves", async () => {
      const [hasBegun, wasCancelled] = [told(begun), told(cancelled)];
      const controller = new AbortController();
      const reply = fetch(`http://${host.base}/mount.v1.Echo/Wait`, {
        method: "POST", headers: { "content-type": "application/json" }, body: "{}", signal: controller.signal,
      });
      await hasBegun;
      controller.abort();
      await assert.rejects(reply);
      await wasCancelled;
      while (server.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    });
  });
}

describe("a mounted server behind the host's TLS", { skip: lacking("openssl") }, () => {
  it("knows the certificate that the host verified", async () => {
    const certificates = new Certificates();
    for (const name of ["host", "orders"]) certificates.certify(name);
    const [ca, cert, key, theirs, theirKey] = ["ca.crt", "host.crt", "host.key", "orders.crt", "orders.key"]
      .map((name) => readFileSync(certificates.file(name)));
    const seen: unknown[] = [];
    const server = createServer().implement(Who, {
      am: (_request, { peer }) => {
        seen.push(peer?.isSecured, peer?.certificate?.commonName);
        return {};
      },
    });
    const host = await listening(createHttpsServer({ ca, cert, key, requestCert: true }, nodeHandler(server)));
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = httpsRequest(`https://${host.base}/mount.v1.Who/Am`, {
        method: "POST", ca, cert: theirs, key: theirKey, headers: { "content-type": "application/json" },
      }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on("error", reject);
      asked.end("{}");
    });
    assert.equal(status, 200);
    assert.deepEqual(seen, [true, "orders"]);
    await host.close();
    await server.close(0);
    certificates.close();
  });
});

describe("a mounted server that closes", () => {
  it("lets calls in flight end, and refuses others with the reason", async () => {
    const server = echoServer();
    const host = await alone(server);
    const [hasBegun, wasCancelled] = [told(begun), told(cancelled)];
    const call = (method: string): Promise<Response> => fetch(`http://${host.base}/mount.v1.Echo/${method}`, {
      method: "POST", headers: { "content-type": "application/json" }, body: "{}",
    });
    const waiting = call("Wait").catch((error: unknown) => error);
    await hasBegun;
    const closed = server.close(200);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const refused = await call("Say");
    assert.equal(refused.status, 503);
    assert.match(await refused.text(), /shutting down/);
    await closed;
    await wasCancelled;
    await waiting;
    assert.equal(server.inFlight, 0);
    await host.close();
  });

  it("is told where a body parser came first", async () => {
    const server = echoServer();
    const app = express();
    app.use(express.json());
    app.use(nodeHandler(server));
    const host = await listening(createHttpServer(app));
    const reply = await fetch(`http://${host.base}/mount.v1.Echo/Say`, {
      method: "POST", headers: { "content-type": "application/json" }, body: "{}",
    });
    assert.equal(reply.status, 500);
    assert.match(await reply.text(), /before body parsers/);
    await host.close();
    await server.close(0);
  });
});

describe("a Fetch handler", () => {
  const server = echoServer();
  const handler = fetchHandler(server, { prefix: "/api/rpc" });
  const post = (method: string, body: string, init: RequestInit = {}): Promise<Response> =>
    handler(new Request(`https://example.test/api/rpc/mount.v1.Echo/${method}`, {
      method: "POST", headers: { "content-type": "application/json" }, body, ...init,
    }));
  after(() => server.close(0));

  it("answers calls beneath its prefix", async () => {
    const reply = await post("Say", JSON.stringify({ text: "hi" }));
    assert.equal(reply.status, 200);
    assert.deepEqual(await reply.json(), { text: "hi" });
    const large = "y".repeat(500_000);
    assert.deepEqual(await (await post("Say", JSON.stringify({ text: large }))).json(), { text: large });
  });

  it("streams replies as fast as they are read", async () => {
    const reply = await post("Count", JSON.stringify({ to: 50_000 }), {
      headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    });
    const lines = (await reply.text()).trimEnd().split("\n");
    assert.equal(lines.length, 50_000);
    assert.deepEqual(JSON.parse(lines[49_999] as string), { n: 50_000 });
  });

  it("cancels the call of a request that is aborted, and of a body that nobody reads", async () => {
    const [hasBegun, wasCancelled] = [told(begun), told(cancelled)];
    const controller = new AbortController();
    void post("Wait", "{}", { signal: controller.signal });
    await hasBegun;
    controller.abort();
    await wasCancelled;
    const reply = await post("Count", JSON.stringify({ to: 10_000_000 }), {
      headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    });
    await reply.body?.cancel();
    while (server.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
