// Two moleculer nodes over its TCP transporter with the default JSON serializer, logging off.
import { ServiceBroker } from "moleculer";
import type { Caller } from "../harness/system.ts";

function createBroker(nodeID: string, transport: { port: number; urls?: string }): ServiceBroker {
  return new ServiceBroker({
    nodeID, logger: false,
    // Both ends are given, so that nothing is broadcast to the network this runs on.
    transporter: { type: "TCP", options: { udpDiscovery: false, useHostname: false, ...transport } },
  });
}

export async function serve(port: number): Promise<void> {
  const broker = createBroker("server", { port });
  broker.createService({ name: "echo", actions: { run: ({ params }) => params } });
  await broker.start();
}

export async function connect(port: number): Promise<Caller> {
  const broker = createBroker("client", { port: 0, urls: `tcp://127.0.0.1:${port}/server` });
  await broker.start();
  await broker.waitForServices("echo", 15_000, 50);
  return {
    call: (record) => broker.call("echo.run", record),
    close: () => broker.stop(),
  };
}
