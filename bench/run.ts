// Runs a benchmark by name: npm run bench -- NAME [options].
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { usage } from "./harness/options.ts";

/** Each is a program of its own, bench/NAME.ts, which reads its options from its command line. */
const benches: Readonly<Record<string, string>> = {
  unary: "unary calls beside five RPC libraries and the platform's ceilings",
  stream: "messages of one stream, from the server and to it, beside grpc-js",
  grpc: "gRPC calls and streams, every pairing with grpc-js and connect-node, in the clear and over TLS",
  udp: "calls by UDP beside Node's dgram echoing bytes, and the same calls by TCP",
  avro: "Avro RPC beside avsc's services, and the native wire",
  thrift: "Thrift beside the npm package, every pairing, framed and binary",
  http: "Connect and plain JSON beside connect-node, fastify + undici and tRPC",
  websocket: "calls through WebSocket beside Cap'n Web and rpc-websockets",
  jsonrpc: "JSON-RPC 2.0 over WebSocket beside rpc-websockets",
  policies: "what each policy costs a call that it lets alone",
  stack: "what each part of the default stack costs over the bare wire",
  telemetry: "what metrics, traces and logs cost a call, as ratios to none",
  gateway: "calls through nginx, HAProxy and our gateway, beside the same calls without",
  codec: "encoding and decoding one record",
  picker: "choosing an endpoint",
  gather: "what a leaf costs of a call over many targets",
  simulator: "events a second of the simulator, and a world of 10,000 servers",
  typecheck: "what a contract of 500 methods costs the compiler",
};

const [name = "", ...args] = process.argv.slice(2);
const program = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
if (!Object.hasOwn(benches, name) || !existsSync(program)) {
  const known = Object.entries(benches).map(([known, about]) => `  ${known.padEnd(10)} ${about}`);
  const problem = name === "" ? "name a benchmark" : `there is no benchmark called ${name}`;
  process.stderr.write(`${problem}: npm run bench -- NAME [options]\n\n${known.join("\n")}\n\n` +
    `unary, stream, grpc, thrift, http and gateway take\n${usage}\n`);
  process.exit(2);
}
const child = spawn(process.execPath, [program, ...args], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === null ? 0 : 1);
});
