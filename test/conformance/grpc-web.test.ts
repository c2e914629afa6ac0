import { json, protobuf } from "../../src/codec/index.ts";
import { grpcWebClient, grpcWebServer } from "../../src/protocol/grpc-web/index.ts";
import { gzip, nodeRuntime, zstd } from "../../src/runtime/node/index.ts";
import { http1Wire, http2Wire, lawInRealTime, lawInSimulation, pairWire } from "./http-harness.ts";
import { cutAnywhere } from "./splits.ts";

const binary = { server: grpcWebServer(), client: grpcWebClient() };
const text = { server: grpcWebServer(), client: grpcWebClient({ text: true }) };

/** Over HTTP/1.1 nothing but full buffers holds a handler back, and kernels keep ten megabytes for a connection. */
const kernelAhead = 150_000;

/** The law's largest bytes are a third longer in JSON. */
const jsonSettings = { maxMessageBytes: 6_000_000 };

for (const [form, dialects] of [["bytes", binary], ["base64", text]] as const) {
  let piece = 0;
  lawInSimulation(`gRPC-Web in ${form}, exchanges in memory, small windows, bodies cut anywhere`, pairWire({
    windowBytes: 777, pieceBytes: () => (piece = (piece * 7 + 3) % 61),
  }), dialects);
  for (const codec of [protobuf, json]) {
    lawInSimulation(`gRPC-Web in ${form}, exchanges in memory, ${codec.name} compressed`, pairWire(), {
      ...dialects, codec, compressions: [gzip(), zstd()],
      settings: { ...(codec === json ? jsonSettings : {}), compressAboveBytes: 64 },
    });
  }
  for (const [name, wire] of [["HTTP/1.1", http1Wire({ port: 1 })], ["HTTP/2", http2Wire({ port: 1 })]] as const) {
    lawInSimulation(`gRPC-Web in ${form}, over ${name}, reads cut anywhere`, wire, dialects, { decorate: cutAnywhere });
  }
}
lawInRealTime("gRPC-Web in base64, over HTTP/1.1 on loopback sockets", nodeRuntime, http1Wire(),
  { ...text, mostAhead: kernelAhead });
lawInRealTime("gRPC-Web in bytes, over HTTP/2 on loopback sockets", nodeRuntime, http2Wire(), binary);
