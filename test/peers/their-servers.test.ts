// Our client calls the servers of others: Python, Go, grpc-js, connect-node.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, grpc, grpcWeb, type Protocol } from "../../src/index.ts";
import { Cities, citiesFile, converse, expected } from "./cities.ts";
import { descriptorSet, exported, goPeer, pythonFile, pythonMessages } from "./compiled.ts";
import { connectServer, registryOf } from "./connect-peer.ts";
import { grpcJsServer } from "./grpc-js-peer.ts";
import { lacking, python, type Running, startServer } from "./programs.ts";

async function assertServed(start: Promise<Running>, servedBy: string, protocols: readonly Protocol[]): Promise<void> {
  const server = await start;
  try {
    for (const protocol of protocols) {
      const client = createClient(Cities, { address: `127.0.0.1:${server.port}`, protocol });
      try {
        assert.deepEqual(await converse(client), expected(servedBy), protocol.name);
      } finally {
        client.$.close(0);
      }
    }
  } finally {
    await server.stop();
  }
}

test("our client calls Python's grpcio", { skip: lacking("grpcio", "protoc") }, async () => {
  const directory = exported();
  await pythonMessages(directory);
  await assertServed(startServer(python, [pythonFile("server.py"), directory]), "grpcio", [grpc()]);
});

test("our client calls Go's grpc-go", { skip: lacking("go") }, async () => {
  const descriptors = await descriptorSet(exported());
  await assertServed(startServer(await goPeer(), ["server", descriptors, citiesFile]), "grpc-go", [grpc()]);
});

test("our client calls @grpc/grpc-js", async () => {
  await assertServed(grpcJsServer(exported()), "grpc-js", [grpc()]);
});

test("our client calls @connectrpc/connect-node: gRPC, gRPC-Web and Connect, over HTTP/2 and HTTP/1.1", async () => {
  const registry = registryOf(await descriptorSet(exported()));
  await assertServed(connectServer(registry, 2), "connect-node", [grpc(), grpcWeb(), connect({ http: 2 })]);
  await assertServed(connectServer(registry, 1), "connect-node", [grpcWeb({ http: 1 }), connect({ http: 1 })]);
});
