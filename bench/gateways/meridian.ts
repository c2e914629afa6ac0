// Meridian's gateway before one server, to which it speaks its own wire.
import { createGateway, type GatewayOptions, grpc } from "../../src/index.ts";
import { endpointAddress } from "../../src/core/index.ts";
import { Echo } from "../systems/meridian/contract.ts";

/** Resolves once calls to 127.0.0.1:`port` are forwarded to 127.0.0.1:`serverPort`. */
export function forward(port: number, serverPort: number): Promise<void> {
  return start(port, serverPort);
}

/** The same over gRPC on both sides, whose messages it does not decode, but knows by contract which calls are unary. */
export function forwardGrpc(port: number, serverPort: number): Promise<void> {
  return start(port, serverPort, { client: { protocol: grpc() }, contracts: [Echo] });
}

async function start(
  port: number, serverPort: number, options: Pick<GatewayOptions, "client" | "contracts"> = {},
): Promise<void> {
  const server = endpointAddress({ address: `127.0.0.1:${serverPort}`, region: "here" });
  const gateway = createGateway({
    region: "here", ...options,
    discovery: {
      watch(name, watcher) {
        watcher.snapshot(name.startsWith("meridian.") ? [] : [server]);
        return () => undefined;
      },
    },
  });
  await gateway.listen({ port });
}
