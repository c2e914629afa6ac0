// A server of weight 10 beside one of weight 1, and a backup that takes over when both are killed, and hands back.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { primaryBackup, smoothWeighted } from "../../src/balance/index.ts";
import { createClient } from "../../src/index.ts";
import { WhoAmI } from "./contract.ts";

interface Started {
  readonly child: ChildProcess;
  readonly address: string;
}

async function start(name: string, port = 0): Promise<Started> {
  const child = fork(fileURLToPath(new URL("server.ts", import.meta.url)), [name, String(port)]);
  const [address] = await once(child, "message") as [string];
  return { child, address };
}

const names = ["heavy", "light", "backup"] as const;
const servers = await Promise.all(names.map((name) => start(name)));
const [heavy, light, backup] = servers as [Started, Started, Started];

const client = createClient(WhoAmI, {
  address: [
    { address: heavy.address, weight: 10 },
    { address: light.address, weight: 1 },
    { address: backup.address, backup: true },
  ],
  picker: primaryBackup(smoothWeighted()),
  // To the call: a hedge of one that is late is a turn out of order.
  hedge: false,
});

/** Waits until so many servers are ready to be called. */
async function untilReady(count: number): Promise<void> {
  while (client.$.endpoints().filter((endpoint) => endpoint.status === "ready").length < count) await sleep(10);
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

await untilReady(3);
console.log(`all three run:     ${await ask(1_100)}`);

for (const { child } of [heavy, light]) child.kill("SIGKILL");
await Promise.all([heavy, light].map(({ child }) => once(child, "exit")));
console.log(`two were killed:   ${await ask(100)}`);

const again = await Promise.all([["heavy", heavy] as const, ["light", light] as const].map(([name, { address }]) =>
  start(name, Number(address.slice(address.lastIndexOf(":") + 1)))));
await untilReady(3);
console.log(`they run again:    ${await ask(1_100)}`);

client.$.close();
const running = [backup, ...again].map(({ child }) => child);
for (const child of running) child.disconnect();
await Promise.all(running.map((child) => once(child, "exit")));
