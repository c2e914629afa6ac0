// One port of one running server, called by everybody who speaks one of its wires, each in its own way.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { chromium } from "playwright-core";
import { connect, createClient, createServer, grpc, grpcWeb, type Protocol } from "../../src/index.ts";
import { reflectionOf, ServerReflection, ServerReflectionAlpha } from "../../src/server/reflection.ts";
import { Cities, citiesFile, converse, expected, handlers, type Said } from "./cities.ts";
import { descriptorSet, exported, goPeer, pythonFile, pythonMessages } from "./compiled.ts";
import { connectClient, registryOf } from "./connect-peer.ts";
import { grpcJsClient } from "./grpc-js-peer.ts";
import { lacking, outputOf, python } from "./programs.ts";
import { startHaproxy, startNginx } from "./proxies.ts";

const told = expected("meridian");
const search = { prefix: "b", limit: 3 };

function assertTold(said: Said): void {
  assert.deepEqual({ ...said, counts: { ...said.counts } }, told);
}

test("one port of one server answers", async (t) => {
  const server = createServer();
  const contracts = [Cities, ServerReflection, ServerReflectionAlpha];
  const reflection = reflectionOf({ contracts: () => contracts });
  server.implement(Cities, handlers).implement(ServerReflection, reflection)
    .implement(ServerReflectionAlpha, reflection);
  const address = await server.listen();
  const directory = exported();
  const descriptors = await descriptorSet(directory);
  try {
    await ourClients(t, address);
    await grpcClients(t, { address, directory, descriptors });
    await connectClients(t, address, descriptors);
    await commandLines(t, address);
    await browsers(t, address);
    await proxies(t, { address, directory, descriptors });
    // Whoever hurried may have left a slow search behind, but no call is forgotten.
    await server.close(5_000);
    assert.equal(server.inFlight, 0);
  } finally {
    await server.close(0);
  }
});

async function ourClients(t: TestContext, address: string): Promise<void> {
  const protocols = {
    "native": undefined, "gRPC": grpc(), "gRPC-Web over HTTP/1.1": grpcWeb({ http: 1 }), "gRPC-Web": grpcWeb(),
    "Connect over HTTP/1.1": connect({ http: 1 }), "Connect over HTTP/2": connect({ http: 2 }),
  };
  for (const [name, protocol] of Object.entries(protocols)) {
    await t.test(`our client, ${name}`, async () => {
      await ourClient(address, protocol);
    });
  }
}

interface Place {
  readonly address: string;
  readonly directory: string;
  readonly descriptors: string;
}

async function grpcClients(t: TestContext, { address, directory, descriptors }: Place): Promise<void> {
  await t.test("Python grpcio", { skip: lacking("grpcio", "protoc") }, async () => {
    await pythonMessages(directory);
    assertTold(JSON.parse(await outputOf(python, [pythonFile("client.py"), directory, address])) as Said);
  });
  await t.test("Go grpc-go", { skip: lacking("go") }, async () => {
    assertTold(JSON.parse(await outputOf(await goPeer(), ["client", descriptors, citiesFile, address])) as Said);
  });
  await t.test("@grpc/grpc-js", async () => assertTold(await grpcJsClient(directory, address)));
}

async function connectClients(t: TestContext, address: string, descriptors: string): Promise<void> {
  const baseUrl = `http://${address}`;
  const transports = {
    "gRPC": createGrpcTransport({ baseUrl }),
    "gRPC-Web over HTTP/1.1": createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    "Connect over HTTP/1.1, JSON": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
    "Connect over HTTP/2, GET": createConnectTransport({ baseUrl, httpVersion: "2", useHttpGet: true }),
  };
  for (const [name, transport] of Object.entries(transports)) {
    await t.test(`@connectrpc/connect-node, ${name}`, async () => {
      assertTold(await connectClient(registryOf(descriptors), transport));
    });
  }
}

interface Found {
  readonly cities: readonly { readonly name: string }[];
}

function assertFound(json: string): void {
  assert.deepEqual((JSON.parse(json) as Found).cities.map(({ name }) => name), told.search);
}

async function commandLines(t: TestContext, address: string): Promise<void> {
  const url = `http://${address}/geo.v1.Cities/Search`;
  const json = "content-type: application/json";
  for (const protocol of ["grpc", "grpcweb", "connect"]) {
    await t.test(`buf curl by reflection, ${protocol}`, async () => {
      const buf = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));
      const args = ["--http2-prior-knowledge", "--protocol", protocol, "--data", JSON.stringify(search), url];
      assertFound(await outputOf(buf, ["curl", ...args]));
    });
  }
  for (const version of ["--http1.1", "--http2-prior-knowledge"]) {
    await t.test(`curl ${version}: Connect JSON by POST and by GET`, { skip: lacking("curl") }, async () => {
      const body = JSON.stringify(search);
      assertFound(await outputOf("curl", ["-sS", "--fail", version, "-H", json, "--data", body, url]));
      const query = `?connect=v1&encoding=json&message=${encodeURIComponent(body)}`;
      assertFound(await outputOf("curl", ["-sS", "--fail", version, `${url}${query}`]));
    });
  }
  await t.test("h2load: a thousand calls on ten connections", { skip: lacking("h2load") }, async () => {
    const body = join(mkdtempSync(join(tmpdir(), "meridian-h2load-")), "search.json");
    writeFileSync(body, JSON.stringify(search));
    const said = await outputOf("h2load", ["-n", "1000", "-c", "10", "-m", "32", "-H", json, "-d", body, url]);
    rmSync(dirname(body), { recursive: true });
    assert.match(said, /1000 succeeded, 0 failed/);
    assert.match(said, /status codes: 1000 2xx/);
  });
}

async function browsers(t: TestContext, address: string): Promise<void> {
  await t.test("Chromium: fetch of Connect JSON", { skip: lacking("chromium") }, async () => {
    const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
    try {
      const page = await browser.newPage();
      // A page of the server's own origin, as an application's would be.
      await page.route(`http://${address}/`, (route) => route.fulfill({ contentType: "text/html", body: "<p>here" }));
      await page.goto(`http://${address}/`);
      const found = await page.evaluate(async (request) => {
        const response = await fetch("/geo.v1.Cities/Search", {
          method: "POST", headers: { "content-type": "application/json" }, body: request,
        });
        return response.text();
      }, JSON.stringify(search));
      assertFound(found);
    } finally {
      await browser.close();
    }
  });
}

async function proxies(t: TestContext, { address, directory, descriptors }: Place): Promise<void> {
  const port = Number(address.split(":").pop());
  await t.test("through nginx, as docs/proxies.md has it", { skip: lacking("nginx") }, async () => {
    const nginx = await startNginx(port);
    try {
      const through = `127.0.0.1:${nginx.port}`;
      assertTold(await grpcJsClient(directory, through));
      await ourClient(through, grpc());
      await ourClient(through, connect({ http: 2 }));
      assertTold(await connectClient(registryOf(descriptors), createGrpcWebTransport({
        baseUrl: `http://${through}`, httpVersion: "2",
      })));
    } finally {
      await nginx.stop();
    }
  });
  await t.test("through HAProxy, as docs/proxies.md has it", { skip: lacking("haproxy") }, async () => {
    const haproxy = await startHaproxy(port);
    try {
      const [bytes, calls] = [`127.0.0.1:${haproxy.tcp}`, `127.0.0.1:${haproxy.http}`];
      await ourClient(bytes, undefined);
      await ourClient(bytes, grpc());
      assertTold(await grpcJsClient(directory, calls));
      await ourClient(calls, grpc());
      await ourClient(calls, connect({ http: 1 }));
    } finally {
      await haproxy.stop();
    }
  });
}

async function ourClient(address: string, protocol: Protocol | undefined): Promise<void> {
  const client = createClient(Cities, { address, protocol });
  try {
    assertTold(await converse(client));
  } finally {
    client.$.close(0);
  }
}
