// Servers found by DNS: a weight of 10 beside one of 1, and a server of a later priority as the backup of both.
import { setTimeout as sleep } from "node:timers/promises";
import { primaryBackup, smoothWeighted } from "../../src/balance/index.ts";
import { dnsDiscovery } from "../../src/discovery/dns/index.ts";
import { createClient, createServer } from "../../src/index.ts";
import { WhoAmI } from "./contract.ts";
import { startDnsmasq } from "./dnsmasq.ts";

const names = ["heavy", "light", "backup"] as const;
const servers = names.map((name) => createServer().implement(WhoAmI, { ask: () => ({ name }) }));
const ports = await Promise.all(servers.map(async (server) => {
  const address = await server.listen({ port: 0 });
  return address.slice(address.lastIndexOf(":") + 1);
}));

const nameServer = await startDnsmasq([
  // _service._proto.name            TTL IN SRV priority weight port target
  `_demo-v1-whoami._tcp.example.test. 1 IN SRV 0 10 ${ports[0]} one.example.test.`,
  `_demo-v1-whoami._tcp.example.test. 1 IN SRV 0 1 ${ports[1]} two.example.test.`,
  `_demo-v1-whoami._tcp.example.test. 1 IN SRV 10 0 ${ports[2]} three.example.test.`,
]);

const discovery = dnsDiscovery({ servers: [nameServer.address], domain: "example.test" });
const client = createClient(WhoAmI, { discovery, picker: primaryBackup(smoothWeighted()) });

/** Waits until so many servers are ready to be called. */
async function untilReady(count: number): Promise<void> {
  while (client.$.endpoints().filter((endpoint) => endpoint.status === "ready").length !== count) await sleep(10);
}

/** Who answered how many of `calls` calls. */
async function ask(calls: number): Promise<string> {
  const counts = new Map<string, number>(names.map((name) => [name, 0]));
  for (let i = 0; i < calls; i++) {
    const { name } = await client.ask({});
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
}

await client.ask({});
await untilReady(3);
console.log(`all three run:          ${await ask(1_100)}`);

await Promise.all(servers.slice(0, 2).map((server) => server.close()));
console.log(`priority 0 is gone:     ${await ask(100)}`);

await nameServer.stop();
await sleep(2_000);
console.log(`the name server too:    ${await ask(100)}`);

client.$.close();
await discovery.close();
await servers[2]?.close();
