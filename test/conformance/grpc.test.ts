import { json, protobuf } from "../../src/codec/index.ts";
import { grpcClient, grpcServer } from "../../src/protocol/grpc/index.ts";
import { brotli, gzip, nodeRuntime, zstd } from "../../src/runtime/node/index.ts";
import { http2Wire, lawInRealTime, lawInSimulation, pairWire } from "./http-harness.ts";
import { cutAnywhere } from "./splits.ts";

const dialects = { server: grpcServer(), client: grpcClient() };

/** The law's largest bytes are a third longer in JSON. */
const jsonSettings = { maxMessageBytes: 6_000_000 };

lawInSimulation("gRPC, exchanges in memory", pairWire(), dialects);
let piece = 0;
lawInSimulation("gRPC, exchanges in memory, small windows, bodies cut anywhere", pairWire({
  windowBytes: 777, pieceBytes: () => (piece = (piece * 7 + 3) % 61),
}), dialects);
lawInSimulation("gRPC, exchanges in memory, three at once", pairWire({ maxExchanges: 3 }), dialects);
lawInSimulation("gRPC, exchanges in memory, JSON", pairWire(), { ...dialects, codec: json, settings: jsonSettings });
for (const codec of [protobuf, json]) {
  for (const compression of [gzip(), brotli(), zstd()]) {
    lawInSimulation(`gRPC, exchanges in memory, ${codec.name} compressed by ${compression.name}`, pairWire(), {
      ...dialects, codec, compressions: [compression],
      settings: { ...(codec === json ? jsonSettings : {}), compressAboveBytes: 64 },
    });
  }
}
lawInRealTime("gRPC, exchanges in memory, in real time", nodeRuntime, pairWire(), dialects);


lawInSimulation("gRPC, over HTTP/2", http2Wire({ port: 1 }), dialects);
lawInSimulation("gRPC, over HTTP/2, 40 ms away", http2Wire({ port: 1 }), dialects, { latencyMs: 40 });
lawInSimulation("gRPC, over HTTP/2, reads cut anywhere", http2Wire({ port: 1 }), dialects, {
  decorate: cutAnywhere,
});
lawInSimulation("gRPC, over HTTP/2, small windows", http2Wire({
  port: 1, settings: { streamWindowBytes: 1_000, connectionWindowBytes: 70_000, maxConcurrentStreams: 7 },
}), dialects);
lawInSimulation("gRPC, over HTTP/2, compressed", http2Wire({ port: 1 }), {
  ...dialects, compressions: [gzip(), zstd()], settings: { compressAboveBytes: 64 },
});
lawInRealTime("gRPC, over HTTP/2 on loopback sockets", nodeRuntime, http2Wire(), dialects);
