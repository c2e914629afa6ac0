// The same peers as at one port, through a gateway whose servers are called in another wire than they speak.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createClient, createGateway, createServer, grpc, grpcWeb, type Protocol, thrift,
} from "../../src/index.ts";
import { exportAvro } from "../../src/contract/avro/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { avro } from "../../src/protocol/index.ts";
import { until } from "../conformance/protocol-cases.ts";
import { serveByAvsc } from "./avsc-peer.ts";
import { Cities, citiesFile, handlers } from "./cities.ts";
import { descriptorSet, exported, pythonFile } from "./compiled.ts";
import { connectClients, grpcClients, ourClients, type Place } from "./grpc-peers.ts";
import { lacking, python, startServer } from "./programs.ts";
import { generated, wirePeers } from "./wire-peers.ts";

/** Runs `act` with the address of a gateway that calls the server at `address` by `protocol`. */
async function through(
  address: string, protocol: Protocol | undefined, act: (gateway: string) => Promise<void>,
): Promise<void> {
  const discovery = memoryDiscovery();
  discovery.register(Cities.name, { address, region: "eu" });
  const gateway = createGateway({ region: "eu", discovery, contracts: [Cities], client: { protocol } });
  try {
    await act(await gateway.listen());
    // Whoever hurried may have left a slow search behind, but no call is forgotten.
    await gateway.close(5_000);
    await until(sleep, () => gateway.inFlight === 0, () => `${gateway.inFlight} calls`);
  } finally {
    await gateway.close(0);
  }
}

test("through a gateway", async (t) => {
  const server = createServer().implement(Cities, handlers);
  const address = await server.listen();
  const directory = exported();
  const place = { directory, descriptors: await descriptorSet(directory) };
  try {
    await t.test("all other wires in, gRPC out", (t) => through(address, grpc(), (gateway) => wirePeers(t, gateway)));
    await t.test("gRPC and Connect in, our own wire out", (t) =>
      through(address, undefined, (gateway) => grpcFamily(t, { ...place, address: gateway })));
    const unary = { "Thrift": thrift({ transport: "header", encoding: "compact" }), "Avro": avro() };
    for (const [name, protocol] of Object.entries(unary)) {
      await t.test(`gRPC and Connect in, ${name} out`, (t) =>
        through(address, protocol, (gateway) => grpcFamily(t, { ...place, address: gateway, kinds: "unary" })));
    }
    await t.test("our clients in, gRPC out", (t) => through(address, grpc(), (gateway) => ourClients(t, gateway)));
    await t.test("our clients in, Avro out", (t) =>
      through(address, avro(), (gateway) => ourClients(t, gateway, "unary")));
    await server.close(5_000);
    await until(sleep, () => server.inFlight === 0, () => `${server.inFlight} calls`);
  } finally {
    await server.close(0);
  }
});

async function grpcFamily(t: TestContext, place: Place): Promise<void> {
  await grpcClients(t, place);
  await connectClients(t, place);
}

/** Callers in gRPC before servers that know neither gRPC nor Meridian. */
async function callsInGrpc(gateway: string): Promise<void> {
  for (const protocol of [grpc(), grpcWeb()]) {
    const client = createClient(Cities, { address: gateway, protocol });
    try {
      const { cities } = await client.search({ prefix: "b", limit: 3 });
      assert.deepEqual(cities.map(({ name }) => name), ["Berlin", "Barcelona", "Bremen"]);
      assert.equal((await client.saveFavourite({ user: "ada", cityId: 3 })).favouriteId, 103);
      const missing: unknown = await client.saveFavourite({ user: "ada", cityId: 99 })
        .then(() => assert.fail("it should fail"), (error: unknown) => error);
      assert.ok(RpcError.is(missing));
      assert.deepEqual([missing.code, missing.reason, missing.data], ["not_found", "CityNotFound", { cityId: 99 }]);
    } finally {
      client.$.close(0);
    }
  }
}

test("gRPC in, a server of Python's thrift out", { skip: lacking("thrift", "python-thrift") }, async () => {
  const theirs = await startServer(python,
    [pythonFile("thrift_server.py"), await generated("py"), citiesFile, "framed", "binary", "Cities"]);
  try {
    await through(`127.0.0.1:${theirs.port}`, thrift(), callsInGrpc);
  } finally {
    await theirs.stop();
  }
});

test("gRPC in, a server of npm's avsc out", async () => {
  const theirs = await serveByAvsc(exportAvro(Cities, { omit: true }), "socket");
  try {
    await through(`127.0.0.1:${theirs.port}`, avro(), callsInGrpc);
  } finally {
    await theirs.stop();
  }
});

test("a gateway has the paths and the OpenAPI document of its contracts", async () => {
  const server = createServer().implement(Cities, handlers);
  const discovery = memoryDiscovery();
  discovery.register(Cities.name, { address: await server.listen(), region: "eu" });
  const gateway = createGateway({ region: "eu", discovery, contracts: [Cities], http: { json: { openApi: true } } });
  try {
    const base = `http://${await gateway.listen()}`;
    const document = await (await fetch(`${base}/openapi.json`)).json() as { paths: Record<string, object> };
    assert.ok(`/${Cities.name}/Search` in document.paths, Object.keys(document.paths).join());
    const found = await fetch(`${base}/${Cities.name}/Search?prefix=b&limit=3`, { headers: { accept: "text/xml" } });
    assert.equal(found.headers.get("x-served-by"), "meridian");
    assert.match(await found.text(), /<name>Berlin<\/name>/);
  } finally {
    await gateway.close(0);
    await server.close(0);
  }
});
