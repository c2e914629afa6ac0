// The law of protocols through a gateway that is called in one protocol and calls in another: by contract, or as it is.
import { describe, test } from "node:test";
import { createClientOn } from "../../src/client/index.ts";
import { json, protobuf } from "../../src/codec/index.ts";
import type { Codec } from "../../src/contract/index.ts";
import { endpointAddress } from "../../src/core/index.ts";
import { createGatewayOn, type GatewayOptions } from "../../src/gateway/index.ts";
import { connect, grpc, grpcWeb, native } from "../../src/protocol/index.ts";
import { gzip } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Law, lawCases, lawHandlers, type LawHarness, type Seen } from "../conformance/protocol-cases.ts";

const protocolsWith = (settings: { maxMessageBytes?: number }) => ({
  "native": native(settings), "gRPC": grpc({ settings }), "gRPC-Web": grpcWeb({ settings }),
  "Connect": connect({ settings }), "Connect over HTTP/1.1": connect({ settings, http: 1 }),
});
type Name = keyof ReturnType<typeof protocolsWith>;

interface Way {
  readonly near: Name;
  readonly far: Name;
  readonly codec?: Codec;
  readonly gateway?: Partial<GatewayOptions>;
}

const contracts = [Law];
const ways: readonly Way[] = [
  { near: "gRPC", far: "native", gateway: { contracts } },
  { near: "native", far: "gRPC", gateway: { contracts } },
  { near: "native", far: "gRPC" },
  { near: "gRPC", far: "gRPC" },
  { near: "gRPC", far: "gRPC", gateway: { contracts, timing: true, compressions: [gzip()] } },
  { near: "gRPC", far: "gRPC", codec: json },
  { near: "Connect", far: "native", gateway: { contracts } },
  { near: "Connect", far: "gRPC", gateway: { contracts, upstreamCodec: protobuf }, codec: json },
  { near: "Connect over HTTP/1.1", far: "gRPC", gateway: { contracts, upstreamCodec: protobuf }, codec: json },
  { near: "gRPC-Web", far: "gRPC" },
  { near: "native", far: "Connect", gateway: { contracts } },
  { near: "gRPC", far: "native", gateway: { contracts, upstreamCodec: protobuf }, codec: json },
];

/** What HTTP/1.1 and browsers' protocols have no word for. */
const without: Partial<Record<Name, RegExp>> = {};

for (const way of ways) {
  const { near, far, codec, gateway = {} } = way;
  const how = [
    codec === undefined ? "" : ` in ${codec.name}`, gateway.upstreamCodec === undefined ? "" : ", translated",
    gateway.contracts === undefined ? ", undecoded" : "", gateway.timing === true ? ", timed" : "",
  ].join("");
  describe(`${near} in, ${far} out${how}`, () => {
    for (const one of lawCases) {
      if (without[near]?.test(one.name) === true || without[far]?.test(one.name) === true) continue;
      test(one.name, () => through(way, one.run));
    }
  });
}

async function through(way: Way, run: (harness: LawHarness) => Promise<void>): Promise<void> {
  const { codec, gateway: options } = way;
  // In base64, a message near the limit is beyond it.
  const settings = codec === json ? { maxMessageBytes: 6_000_000 } : {};
  const protocols = protocolsWith(settings);
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const seen: Seen = { produced: 0, cancelled: [] };
  const http = { calls: settings };
  const server = createServerOn(simulation.host("server"), { region: "eu", http, settings })
    .implement(Law, lawHandlers(seen));
  const main = async (): Promise<void> => {
    const address = await server.listen({ host: "server", port: 1 });
    const gateway = createGatewayOn(simulation.host("gateway"), {
      region: "eu", http, settings, ...options, client: { protocol: protocols[way.far] },
      discovery: {
        watch(name, watcher) {
          watcher.snapshot(name === Law.name ? [endpointAddress({ address, region: "eu" })] : []);
          return () => undefined;
        },
      },
    });
    const runtime = simulation.host("client");
    const client = createClientOn(runtime, Law, {
      address: await gateway.listen({ host: "gateway", port: 1 }), protocol: protocols[way.near], codec,
    });
    await run({ client, seen, sleep: (ms) => new Promise((resolve) => void runtime.clock.after(ms, resolve)) });
    client.$.close();
  };
  await simulation.runUntil(main(), 600_000);
}
