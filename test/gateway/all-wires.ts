/** Every wire that a gateway is called by and calls in, and what each has no word for, as docs/gateway.md has it. */
import type { GatewayOptions } from "../../src/gateway/index.ts";
import {
  avro, connect, grpc, grpcWeb, httpJson, jsonRpc, native, type Protocol, thrift, websocket,
} from "../../src/protocol/index.ts";

/** In base64, a message near the limit is beyond it. */
const maxMessageBytes = 6_000_000;
const settings = { maxMessageBytes };

export interface AnyWire {
  readonly name: string;
  readonly protocol: Protocol;
  /** Which cases of the law it cannot have, and why. */
  readonly without: readonly Without[];
}

/** What a wire has no word for. */
export type Without = "streams" | "metadata" | "deadlines" | "cancellation";

/** The cases of the law that each of them takes away. */
export const casesOf: Readonly<Record<Without, RegExp>> = {
  streams: /stream|bidirectional/, metadata: /^metadata/, deadlines: /^deadline/, cancellation: /^cancellation/,
};

export const allWires: readonly AnyWire[] = [
  { name: "native", protocol: native(), without: [] },
  { name: "WebSocket", protocol: websocket(), without: [] },
  { name: "gRPC", protocol: grpc(), without: [] },
  { name: "gRPC-Web", protocol: grpcWeb(), without: [] },
  { name: "Connect", protocol: connect(), without: [] },
  { name: "HTTP/JSON", protocol: httpJson({ settings }), without: [] },
  { name: "JSON-RPC", protocol: jsonRpc({ settings }), without: ["streams"] },
  {
    name: "Thrift", protocol: thrift(), without: ["streams", "metadata", "deadlines", "cancellation"],
  },
  {
    name: "Thrift with THeader", protocol: thrift({ transport: "header", encoding: "compact" }),
    without: ["streams", "cancellation"],
  },
  { name: "Avro", protocol: avro(), without: ["streams", "cancellation"] },
];

/** Of the server and of the gateway. */
export const limits: Pick<GatewayOptions, "http"> = { http: { calls: settings, jsonRpc: settings } };

/** Whether the law's case of this name is one that both sides can have. */
export function canHave(near: AnyWire, far: AnyWire, name: string): boolean {
  return [...near.without, ...far.without].every((one) => !casesOf[one].test(name));
}
