import { codecByName } from "../../src/codec/choose.ts";
import { json } from "../../src/codec/index.ts";
import { codersOf } from "../../src/contract/coders.ts";
import type { AnyMethod } from "../../src/contract/index.ts";
import { httpJsonClient, httpJsonCoders } from "../../src/protocol/http-json/client.ts";
import { httpJsonServer, PathTable } from "../../src/protocol/http-json/index.ts";
import { brotli, gzip, nodeRuntime } from "../../src/runtime/node/index.ts";
import { http1Wire, http2Wire, lawInRealTime, lawInSimulation, pairWire } from "./http-harness.ts";
import { Law } from "./protocol-cases.ts";
import { cutAnywhere } from "./splits.ts";

const table = new PathTable();
table.add(Law, table.plan(Law));
const options = {
  server: httpJsonServer({ table, codec: codecByName, leavesUnknown: false }),
  client: httpJsonClient(),
  codec: json,
  settings: { maxMessageBytes: 6_000_000 },
  protocol: {
    coders: (method: unknown) => httpJsonCoders(method as AnyMethod, codersOf(method as AnyMethod, json)),
    requestCompression: undefined,
  },
};

lawInSimulation("plain HTTP, exchanges in memory", pairWire(), options);
let piece = 0;
lawInSimulation("plain HTTP, exchanges in memory, small windows, bodies cut anywhere", pairWire({
  windowBytes: 777, pieceBytes: () => (piece = (piece * 7 + 3) % 61),
}), options);
for (const compression of [gzip(), brotli()]) {
  lawInSimulation(`plain HTTP, exchanges in memory, replies compressed by ${compression.name}`, pairWire(), {
    ...options, compressions: [compression], settings: { ...options.settings, compressAboveBytes: 0 },
  });
}
for (const [name, wire] of [["HTTP/1.1", http1Wire({ port: 1 })], ["HTTP/2", http2Wire({ port: 1 })]] as const) {
  lawInSimulation(`plain HTTP, over ${name}`, wire, options);
  lawInSimulation(`plain HTTP, over ${name}, reads cut anywhere`, wire, options, { decorate: cutAnywhere });
}
lawInRealTime("plain HTTP, over HTTP/1.1 on loopback sockets", nodeRuntime, http1Wire(),
  { ...options, mostAhead: 150_000 });
lawInRealTime("plain HTTP, over HTTP/2 on loopback sockets", nodeRuntime, http2Wire(), options);
