// nginx and HAProxy in front of two servers, one of which is killed under calls, drained, and comes back.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect, createClient, grpc, type Protocol } from "../../src/index.ts";
import { WhoAmI } from "../../examples/weighted-and-backup/contract.ts";
import { lacking } from "./programs.ts";
import { startHaproxy, startNginx } from "./proxies.ts";

const program = fileURLToPath(new URL("../../examples/weighted-and-backup/server.ts", import.meta.url));

interface Started {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(name: string, port = 0): Promise<Started> {
  const child = fork(program, [name, String(port)]);
  const [address] = await once(child, "message") as [string];
  return { child, port: Number(address.slice(address.lastIndexOf(":") + 1)) };
}

async function kill({ child }: Started): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** Ask until both have answered: proxies find a server only so often. */
async function untilBothAnswer(ask: () => Promise<string>): Promise<void> {
  const heard = new Set<string>();
  for (let i = 0; heard.size < 2; i++) {
    assert.ok(i < 3_000, `only ${[...heard].join()} answered`);
    heard.add(await ask().catch(() => ""));
    heard.delete("");
    await sleep(5);
  }
}

async function survives(address: string, protocol: Protocol, first: Started, second: Started): Promise<Started> {
  const client = createClient(WhoAmI, { address, protocol, timeoutMs: 10_000 });
  const ask = async (): Promise<string> => (await client.ask({})).name;
  try {
    await untilBothAnswer(ask);
    const answers: string[] = [];
    let killed: Promise<void> | undefined;
    for (let i = 0; i < 400; i++) {
      if (i === 100) killed = kill(first);
      answers.push(await ask());
      await sleep(2);
    }
    await killed;
    // Every call was answered, and by the end only by the one that lives.
    assert.deepEqual([...new Set(answers.slice(-50))], ["second"]);
    const again = await start("first", first.port);
    await untilBothAnswer(ask);
    assert.equal(second.child.exitCode, null);
    return again;
  } finally {
    client.$.close(0);
  }
}

test("nginx in front of two servers: one is killed, and no call is lost", {
  skip: lacking("nginx"), timeout: 120_000,
}, async () => {
  const [first, second] = await Promise.all([start("first"), start("second")]);
  const nginx = await startNginx(first.port, second.port);
  let living = first;
  try {
    for (const protocol of [grpc(), connect({ http: 2 })]) {
      living = await survives(`127.0.0.1:${nginx.port}`, protocol, living, second);
    }
  } finally {
    await nginx.stop();
    await Promise.all([living, second].map(kill));
  }
});

test("HAProxy in front of two servers: one is killed, and no call is lost", {
  skip: lacking("haproxy"), timeout: 120_000,
}, async () => {
  const [first, second] = await Promise.all([start("first"), start("second")]);
  const haproxy = await startHaproxy(first.port, second.port);
  let living = first;
  try {
    for (const protocol of [grpc(), connect({ http: 1 })]) {
      living = await survives(`127.0.0.1:${haproxy.http}`, protocol, living, second);
    }
  } finally {
    await haproxy.stop();
    await Promise.all([living, second].map(kill));
  }
});
