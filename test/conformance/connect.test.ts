import { json, protobuf } from "../../src/codec/index.ts";
import { connectClient, connectServer } from "../../src/protocol/connect/index.ts";
import { brotli, gzip, nodeRuntime, zstd } from "../../src/runtime/node/index.ts";
import { http1Wire, http2Wire, lawInRealTime, lawInSimulation, pairWire } from "./http-harness.ts";
import { cutAnywhere } from "./splits.ts";

const dialects = { server: connectServer(), client: connectClient() };
const byGet = { server: connectServer(), client: connectClient({ get: true }) };

/** Over HTTP/1.1 nothing but full buffers holds a handler back, and kernels keep ten megabytes for a connection. */
const kernelAhead = 150_000;

/** The law's largest bytes are a third longer in JSON. */
const jsonSettings = { maxMessageBytes: 6_000_000 };

lawInSimulation("Connect, exchanges in memory", pairWire(), dialects);
let piece = 0;
lawInSimulation("Connect, exchanges in memory, small windows, bodies cut anywhere", pairWire({
  windowBytes: 777, pieceBytes: () => (piece = (piece * 7 + 3) % 61),
}), dialects);
for (const codec of [protobuf, json]) {
  const settings = codec === json ? jsonSettings : {};
  lawInSimulation(`Connect, exchanges in memory, ${codec.name} by GET`, pairWire(), { ...byGet, codec, settings });
  for (const compression of [gzip(), brotli(), zstd()]) {
    lawInSimulation(`Connect, exchanges in memory, ${codec.name} compressed by ${compression.name}`, pairWire(), {
      ...byGet, codec, compressions: [compression], settings: { ...settings, compressAboveBytes: 0 },
    });
  }
}


for (const [name, wire] of [["HTTP/1.1", http1Wire({ port: 1 })], ["HTTP/2", http2Wire({ port: 1 })]] as const) {
  lawInSimulation(`Connect, over ${name}`, wire, dialects);
  lawInSimulation(`Connect, over ${name}, reads cut anywhere`, wire, byGet, { decorate: cutAnywhere });
  lawInSimulation(`Connect, over ${name}, JSON`, wire, { ...dialects, codec: json, settings: jsonSettings });
}
lawInRealTime("Connect, over HTTP/1.1 on loopback sockets", nodeRuntime, http1Wire(),
  { ...byGet, mostAhead: kernelAhead });
lawInRealTime("Connect, over HTTP/2 on loopback sockets", nodeRuntime, http2Wire(), dialects);
