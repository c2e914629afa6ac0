// A server that loses its database says so by grpc.health.v1: callers leave it, and return when it is well.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "../../src/index.ts";
import { Warehouse } from "./contract.ts";

async function start(name: string) {
  const child = fork(fileURLToPath(new URL("server.ts", import.meta.url)), [name]);
  const [address] = await once(child, "message") as [string];
  return { child, address };
}

const [north, south] = await Promise.all([start("north"), start("south")]);
const client = createClient(Warehouse, {
  address: [north.address, south.address],
  // Calls tell more than any probe. This one asks while there are none, as now, what the service says of itself.
  probes: { probe: { kind: "grpc.health.v1", service: Warehouse.name }, intervalMs: 100 },
});

/** Waits until so many servers may be called; returns why the others may not. */
async function untilReady(count: number): Promise<string> {
  const others = () => client.$.endpoints().filter((endpoint) => endpoint.status !== "ready");
  while (client.$.endpoints().length - others().length !== count) await sleep(10);
  return others().map(({ status }) => status).join();
}

async function ask(): Promise<string> {
  const heard = new Set<string>();
  for (let i = 0; i < 200; i++) heard.add((await client.count({ article: "bolt" })).by);
  return [...heard].sort().join(" and ");
}

await untilReady(2);
console.log(`both are well:             ${await ask()}`);
north.child.send("lost");
const status = await untilReady(1);
console.log(`north lost its database:   ${await ask()} (north is ${status})`);
north.child.send("found");
await untilReady(2);
console.log(`north found it again:      ${await ask()}`);

client.$.close(0);
for (const { child } of [north, south]) child.disconnect();
