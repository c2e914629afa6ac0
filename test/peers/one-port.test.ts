// One port of one running server, called by everybody who speaks one of its wires, each in its own way.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import { chromium } from "playwright-core";
import { connect, createServer, grpc } from "../../src/index.ts";
import { reflectionOf, ServerReflection, ServerReflectionAlpha } from "../../src/server/reflection.ts";
import { until } from "../conformance/protocol-cases.ts";
import { Cities, expected, handlers } from "./cities.ts";
import { descriptorSet, exported } from "./compiled.ts";
import { connectClient, registryOf } from "./connect-peer.ts";
import { grpcJsClient } from "./grpc-js-peer.ts";
import { assertTold, connectClients, grpcClients, ourClient, ourClients, type Place } from "./grpc-peers.ts";
import { lacking, outputOf } from "./programs.ts";
import { startHaproxy, startNginx } from "./proxies.ts";
import { wirePeers } from "./wire-peers.ts";

const told = expected("meridian");
const search = { prefix: "b", limit: 3 };

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
    await connectClients(t, { address, directory, descriptors });
    await wirePeers(t, address);
    await commandLines(t, address);
    await browsers(t, address);
    await proxies(t, { address, directory, descriptors });
    // Whoever hurried may have left a slow search behind, but no call is forgotten.
    await server.close(5_000);
    await until(sleep, () => server.inFlight === 0, () => `${server.inFlight} calls`);
  } finally {
    await server.close(0);
  }
});

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
