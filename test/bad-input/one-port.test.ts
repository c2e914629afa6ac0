/** Half-begun openings of every wire, and garbage behind them, at a port at which callers of all other wires go on. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClientOn } from "../../src/client/index.ts";
import type { ByteStream, Runtime } from "../../src/core/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import {
  avro, connect, grpc, httpJson, jsonRpc, native, type Protocol, thrift, websocket,
} from "../../src/protocol/index.ts";
import { inSimulator, Target } from "./harness.ts";
import { RawPeer } from "./raw-peer.ts";

const wires: Readonly<Record<string, Protocol>> = {
  "native": native(), "WebSocket": websocket(), "gRPC": grpc(), "Connect over HTTP/1.1": connect({ http: 1 }),
  "HTTP/JSON": httpJson({ http: 1 }), "JSON-RPC": jsonRpc(),
  "Thrift framed binary": thrift(), "Thrift framed compact": thrift({ encoding: "compact" }),
  "Thrift buffered binary": thrift({ transport: "buffered" }),
  "Thrift buffered compact": thrift({ transport: "buffered", encoding: "compact" }),
  "Thrift buffered JSON": thrift({ transport: "buffered", encoding: "json" }),
  "Thrift with THeader": thrift({ transport: "header" }),
  "Avro serial": avro(), "Avro framed": avro({ transport: "framed" }),
};

/** A runtime that keeps what is sent by the connections that are made on it. */
function recording(runtime: Runtime, sent: Uint8Array[]): Runtime {
  return {
    ...runtime,
    network: {
      ...runtime.network,
      listen: (address, accept, options) => runtime.network.listen(address, accept, options),
      datagrams: (address, receive) => runtime.network.datagrams(address, receive),
      connect(address, sink, security) {
        const stream = runtime.network.connect(address, sink, security);
        const write: ByteStream["write"] = (bytes, written) => {
          sent.push(bytes.slice());
          return stream.write(bytes, written);
        };
        return new Proxy(stream, {
          get: (target, name) => {
            if (name === "write") return write;
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === "function" ? value.bind(target) as unknown : value;
          },
        });
      },
    },
  };
}

/** What a client of ours sends for one call. */
async function sentBy(protocol: Protocol): Promise<Uint8Array> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const sent: Uint8Array[] = [];
  const main = async (): Promise<void> => {
    const server = createServerOn(simulation.host("server")).implement(Target, {
      ...Object.fromEntries(Object.keys(Target.methods).map((name) => [name, () => assert.fail("not called")])),
      echo: (input: object) => input,
    } as never);
    const address = await server.listen({ host: "server", port: 1 });
    const client = createClientOn(recording(simulation.host("client"), sent), Target, { address, protocol });
    await client.echo({ n: 1, text: "x".repeat(40) });
    client.$.close(0);
  };
  await simulation.runUntil(main(), 60_000);
  return Uint8Array.from(sent.flatMap((bytes) => [...bytes]));
}

/** The callers that must not notice: one of each kind of wire. */
const good = ["gRPC", "JSON-RPC", "HTTP/JSON", "Thrift framed binary", "Thrift with THeader", "Avro serial"];

const garbage = Uint8Array.from({ length: 300 }, (_, i) => (i * 7919 + 13) & 255);

describe("while callers of all wires go on, whoever stops within an opening is ended in time", () => {
  for (const [name, protocol] of Object.entries(wires)) {
    test(name, async () => {
      const whole = await sentBy(protocol);
      assert.ok(whole.length > 24, `${whole.length} bytes`);
      await inSimulator({}, async ({ runtime, address, server, sleep }) => {
        const clients = good.map((one) => createClientOn(runtime, Target, {
          address, protocol: wires[one], retry: false,
        }));
        const callAll = (): Promise<unknown> => Promise.all(clients.map(async (client, n) =>
          assert.deepEqual(await client.echo({ n, text: "fine" }), { n, text: "fine" }, good[n])));
        await callAll();
        const before = server.connections;
        const peers: [string, RawPeer][] = [];
        for (const length of [1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 16, 20, 21, 23, 24]) {
          const start = whole.subarray(0, length);
          const gone = await RawPeer.connect(runtime, address, start);
          const late = await RawPeer.connect(runtime, address, start);
          const silent = await RawPeer.connect(runtime, address, start);
          const wild = await RawPeer.connect(runtime, address, start, garbage);
          gone.end();
          await callAll();
          late.send(garbage);
          await callAll();
          for (const [how, peer] of Object.entries({ silent, gone, wild, late })) {
            peers.push([`${how} after ${length} bytes`, peer]);
          }
        }
        for (const [how, peer] of peers) {
          for (let waitedMs = 0; !peer.isClosed; waitedMs += 1_000) {
            assert.ok(waitedMs < 180_000, `${how}: never ended`);
            await sleep(1_000);
          }
        }
        await callAll();
        // Those who closed first are forgotten a moment later.
        for (let waitedMs = 0; server.connections > before; waitedMs += 1_000) {
          assert.ok(waitedMs < 30_000, `${server.connections} connections, ${before} before`);
          await sleep(1_000);
        }
        assert.equal(server.inFlight, 0);
        for (const client of clients) client.$.close(0);
      });
    });
  }
});
