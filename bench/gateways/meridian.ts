// Meridian's gateway before one server.
import { createGateway } from "../../src/index.ts";
import { endpointAddress } from "../../src/core/index.ts";

/** Resolves once calls to 127.0.0.1:`port` are forwarded to 127.0.0.1:`serverPort`. */
export async function forward(port: number, serverPort: number): Promise<void> {
  const server = endpointAddress({ address: `127.0.0.1:${serverPort}`, region: "here" });
  const gateway = createGateway({
    region: "here",
    discovery: {
      watch(name, watcher) {
        watcher.snapshot(name.startsWith("meridian.") ? [] : [server]);
        return () => undefined;
      },
    },
  });
  await gateway.listen({ port });
}
