/** The peers of gRPC, gRPC-Web and Connect, and our own clients, each making the same typed calls of `Cities`. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  connect, createClient, grpc, grpcWeb, httpJson, type Protocol, thrift,
} from "../../src/index.ts";
import { avro, jsonRpc, websocket } from "../../src/protocol/index.ts";
import { expectedByAvro } from "./avsc-peer.ts";
import { Cities, citiesFile, converse, expected, type Kinds, type Said } from "./cities.ts";
import { goPeer, pythonFile, pythonMessages } from "./compiled.ts";
import { connectClient, registryOf } from "./connect-peer.ts";
import { grpcJsClient } from "./grpc-js-peer.ts";
import { lacking, outputOf, python } from "./programs.ts";

/** What a peer heard is what all others heard: all of it, or what unary calls tell. */
export function assertTold(said: Partial<Said>, kinds: Kinds = "all"): void {
  const told = kinds === "all" ? expected("meridian") : expectedByAvro("meridian");
  const { counts } = said;
  assert.deepEqual(counts === undefined ? said : { ...said, counts: { ...counts } }, told);
}

export async function ourClients(t: TestContext, address: string, kinds: Kinds = "all"): Promise<void> {
  const protocols = {
    "native": undefined, "gRPC": grpc(), "gRPC-Web over HTTP/1.1": grpcWeb({ http: 1 }), "gRPC-Web": grpcWeb(),
    "Connect over HTTP/1.1": connect({ http: 1 }), "Connect over HTTP/2": connect({ http: 2 }),
    "WebSocket": websocket(), "HTTP/JSON": httpJson({ http: 2 }),
  };
  for (const [name, protocol] of Object.entries(protocols)) {
    await t.test(`our client, ${name}`, async () => {
      await ourClient(address, protocol, kinds);
    });
  }
  for (const [name, protocol] of Object.entries({
    "Thrift with THeader": thrift({ transport: "header" }), "Avro": avro(), "JSON-RPC": jsonRpc(),
  })) {
    await t.test(`our client, ${name}`, async () => {
      await ourClient(address, protocol, "unary");
    });
  }
}

/** Who is called, and the contract in the forms that peers read. */
export interface Place {
  readonly address: string;
  readonly directory: string;
  readonly descriptors: string;
  /** Which calls whoever is behind it can have. Default all. */
  readonly kinds?: Kinds;
}

export async function grpcClients(
  t: TestContext, { address, directory, descriptors, kinds = "all" }: Place,
): Promise<void> {
  await t.test("Python grpcio", { skip: lacking("grpcio", "protoc") }, async () => {
    await pythonMessages(directory);
    assertTold(JSON.parse(await outputOf(python, [pythonFile("client.py"), directory, address, kinds])) as Said, kinds);
  });
  // It calls streams, too.
  if (kinds === "all") await t.test("Go grpc-go", { skip: lacking("go") }, async () => {
    assertTold(JSON.parse(await outputOf(await goPeer(), ["client", descriptors, citiesFile, address])) as Said);
  });
  await t.test("@grpc/grpc-js", async () => assertTold(await grpcJsClient(directory, address, kinds), kinds));
}

export async function connectClients(t: TestContext, { address, descriptors, kinds = "all" }: Place): Promise<void> {
  const baseUrl = `http://${address}`;
  const transports = {
    "gRPC": createGrpcTransport({ baseUrl }),
    "gRPC-Web over HTTP/1.1": createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    "Connect over HTTP/1.1, JSON": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
    "Connect over HTTP/2, GET": createConnectTransport({ baseUrl, httpVersion: "2", useHttpGet: true }),
  };
  for (const [name, transport] of Object.entries(transports)) {
    await t.test(`@connectrpc/connect-node, ${name}`, async () => {
      assertTold(await connectClient(registryOf(descriptors), transport, kinds), kinds);
    });
  }
}

export async function ourClient(
  address: string, protocol: Protocol | undefined, kinds: Kinds = "all",
): Promise<void> {
  const client = createClient(Cities, { address, protocol });
  try {
    assertTold(await converse(client, kinds), kinds);
  } finally {
    client.$.close(0);
  }
}
