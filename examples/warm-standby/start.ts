// Two processes keep one counter. The one that leads is killed while it is counted on; the other goes on.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "../../src/index.ts";
import { hostArbiter, type StandbyStatus, toPrimary } from "../../src/leadership/index.ts";
import { Counter } from "./contract.ts";

const arbiter = await hostArbiter({ quietMs: 0 });

async function freePort(): Promise<number> {
  const socket = createServer().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address() as { port: number };
  socket.close();
  return port;
}

interface Member {
  readonly child: ChildProcess;
  readonly address: string;
}

async function start(name: string): Promise<Member> {
  const port = await freePort();
  const program = fileURLToPath(new URL("member.ts", import.meta.url));
  // BigInts pass between processes only so.
  const child = fork(program, [name, String(port), arbiter.address], { serialization: "advanced" });
  await once(child, "message");
  return { child, address: `127.0.0.1:${port}` };
}

async function statusOf({ child }: Member): Promise<StandbyStatus> {
  child.send("status");
  const [status] = await once(child, "message") as [StandbyStatus];
  return status;
}

const members = await Promise.all([start("north"), start("south")]);
const counter = createClient(Counter, {
  address: members.map(({ address }) => address), timeoutMs: 30_000, ...toPrimary(),
});

/** Waits until one leads and the other has everything; returns the leader first. */
async function untilWarm(): Promise<readonly [Member, Member]> {
  for (;; await sleep(20)) {
    const roles = await Promise.all(members.map(async (one) => ({ one, status: await statusOf(one) })));
    const primary = roles.find(({ status }) => status.role === "primary");
    const backup = roles.find(({ status }) => status.role === "backup" && status.inSync);
    if (primary !== undefined && backup !== undefined) return [primary.one, backup.one];
  }
}

const counted = { acknowledged: 0 };
async function count(until: number): Promise<void> {
  const callers = Array.from({ length: 8 }, async () => {
    while (counted.acknowledged < until) {
      await counter.add({ by: 1 });
      counted.acknowledged++;
    }
  });
  await Promise.all(callers);
}

const [primary, backup] = await untilWarm();
await count(500);
console.log("counted to 500 on the primary, with a warm standby in another process");

const counting = count(2_000);
while (counted.acknowledged < 1_000) await sleep(1);
primary.child.kill("SIGKILL");
console.log("killed the primary while eight callers counted on");
await counting;

const { value } = await counter.read({});
const isExact = value === counted.acknowledged;
console.log(`every acknowledged call counted once: ${isExact ? "yes" : `no, ${value} of ${counted.acknowledged}`}`);
const { recovery, role } = await statusOf(backup);
console.log(`the standby is the primary now: ${role === "primary" ? "yes" : "no"}`);
console.log(`recovery point: ${recovery?.missedChanges} changes missed`);
console.log(`recovered within 5 s: ${(recovery?.recoveredAfterMs ?? Infinity) < 5_000 ? "yes" : "no"}`);
if (process.argv.includes("--figures")) {
  console.log(`recovery time: ${Math.round(recovery?.recoveredAfterMs ?? NaN)} ms`);
}

counter.$.close(0);
backup.child.disconnect();
await arbiter.close();
