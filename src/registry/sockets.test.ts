import assert from "node:assert/strict";
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Readable } from "node:stream";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { onMachine } from "../../test/machine/stalls.ts";
import type { EndpointAddress, EndpointFields } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import { createClient } from "../client/index.ts";
import { createServer } from "../server/index.ts";
import { createGateway } from "../gateway/index.ts";
import { rpc, service } from "../contract/index.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import {
  createRegistry, hostRegistry, registry, RegistryContract, type RegistryClient,
} from "./index.ts";

function spawnProgram(t: TestContext, program: string): ChildProcessByStdio<null, Readable, null> {
  const args = ["--input-type=module", "-e", program];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

/** The registry as a process of its own, to be killed. */
async function spawnRegistry(t: TestContext, port = 0): Promise<{ child: ChildProcess; address: string }> {
  const program = `import { hostRegistry } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
    const { address } = await hostRegistry({ port: ${port}, settleMs: 2_000 });
    process.stdout.write(address + "\\n");`;
  const child = spawnProgram(t, program);
  const [line] = await once(child.stdout, "data") as [Buffer];
  return { child, address: line.toString().trim() };
}

function connect(t: TestContext, address: string): RegistryClient {
  const client = registry({ address, ttlMs: 900 });
  t.after(() => client.close());
  return client;
}

function record(client: RegistryClient, name: string) {
  const told: (readonly EndpointAddress[])[] = [];
  const failures: RpcError[] = [];
  const stop = client.watch(name, { snapshot: (all) => told.push(all), failed: (error) => failures.push(error) });
  const until = async (count: number, withinMs = 60_000): Promise<void> => {
    const endMs = performance.now() + withinMs;
    while (told.at(-1)?.length !== count) {
      assert.ok(performance.now() < endMs, `${told.at(-1)?.length} endpoints after ${withinMs} ms, expected ${count}`);
      await sleep(5);
    }
  };
  return { told, failures, stop, until };
}

const endpoint = (i: number): EndpointFields => ({ address: `127.0.0.1:${1_000 + i}`, region: "eu-west", zone: "a" });

test("a thousand endpoints are entered, seen, kept alive and withdrawn", (t) => onMachine(async () => {
  await using hosted = await hostRegistry({ settleMs: 0 });
  const seen = record(connect(t, hosted.address), "a");
  await seen.until(0);
  const server = registry({ address: hosted.address, ttlMs: 2_000 });
  t.after(() => server.close());
  await Promise.all(Array.from({ length: 1_000 }, (_, i) => server.register("a", endpoint(i)).registered));
  await seen.until(1_000);
  const count = seen.told.length;
  await sleep(2_600);
  assert.equal(seen.told.length, count, "nothing changes while all are renewed");
  await server.close();
  await seen.until(0);
}));

test("a registry killed and started again takes nothing from its watchers", (t) => onMachine(async () => {
  const first = await spawnRegistry(t);
  const server = connect(t, first.address);
  const watchers = [record(connect(t, first.address), "a"), record(connect(t, first.address), "a")];
  await Promise.all(Array.from({ length: 30 }, (_, i) => server.register("a", endpoint(i)).registered));
  for (const one of watchers) await one.until(30);
  for (const one of watchers) one.told.length = 0;
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  await sleep(500);
  await spawnRegistry(t, Number(first.address.split(":")[1]));
  for (const one of watchers) await one.until(30);
  const last = record(connect(t, first.address), "a");
  await last.until(30);
  await sleep(2_500);
  for (const { told, failures } of watchers) {
    assert.deepEqual(told.map(({ length }) => length).filter((length) => length !== 30), []);
    assert.equal(failures.length, 1);
  }
  assert.equal(last.told.at(-1)?.length, 30);
}));

test("an entry whose process was stopped comes back when it goes on", async (t) => {
  await using hosted = await hostRegistry({ settleMs: 0 });
  const program = `import { registry } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
    const client = registry({ address: "${hosted.address}", ttlMs: 600 });
    await client.register("a", { address: "127.0.0.1:1" }).registered;
    process.stdout.write("ready");
    setInterval(() => undefined, 1_000);`;
  const child = spawnProgram(t, program);
  const seen = record(connect(t, hosted.address), "a");
  await once(child.stdout, "data");
  await seen.until(1);
  child.kill("SIGSTOP");
  await seen.until(0);
  child.kill("SIGCONT");
  await seen.until(1);
});

const Echo = service("test.v1.Echo", {
  say: rpc({ input: z.object({ text: z.string() }), output: z.object({ text: z.string(), by: z.string() }) }),
});

test("servers are found by a client, through a gateway that hosts the registry", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "registry-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "socket");
  const address = `unix:${path}`;
  const embedded = createRegistry(nodeRuntime, { settleMs: 0 });
  const known = connect(t, address);
  const gateway = createGateway({ region: "eu-west", discovery: known, registry: known });
  gateway.implement(RegistryContract, embedded.handlers);
  await gateway.listen({ path });
  t.after(async () => {
    embedded.close();
    await gateway.close(100);
  });
  const server = createServer({ region: "eu-west", zone: "a", registry: connect(t, address) });
  server.implement(Echo, { say: ({ text }) => ({ text, by: "a" }) });
  await server.listen();
  t.after(() => server.close(100));
  const client = createClient(Echo, { name: "meridian.gateway", discovery: known });
  t.after(() => client.$.close(0));
  assert.deepEqual(await client.say({ text: "hello" }), { text: "hello", by: "a" });
});

test("the registry itself refuses what another client than ours might send", async (t) => {
  await using hosted = await hostRegistry({ settleMs: 0 });
  const client = createClient(RegistryContract, { address: hosted.address });
  t.after(() => client.$.close(0));
  const full = {
    id: "one", address: "127.0.0.1:1", region: "", zone: "", weight: 1, backup: false, priority: 0, attributes: {},
  };
  const refused = (answer: Promise<unknown>, message: RegExp) => assert.rejects(answer, (error) => {
    assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
    assert.match(error.message, message);
    return true;
  });
  const entry = { name: "a", endpoint: full, ttlMs: 3_000, registrant: "" };
  await refused(client.register({ ...entry, name: "__proto__" }), /the name "__proto__"/);
  await refused(client.register({ ...entry, ttlMs: 10 }), /ttlMs 10; expected whole milliseconds/);
  await refused(client.register({ ...entry, endpoint: { ...full, address: "x" } }), /address "x"/);
  await refused(client.register({ ...entry, registrant: "x".repeat(65) }), /registrant's name of 65 characters/);
  const attributes = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
  await refused(client.register({ ...entry, endpoint: { ...full, attributes } }), /"__proto__"/);
  await refused(client.renew({ leaseIds: Array.from({ length: 10_001 }, () => "x") }), /10001 lease ids/);
  await refused(client.watch({ name: "", keepaliveMs: 0 })[Symbol.asyncIterator]().next(), /the name ""/);
  assert.deepEqual(await client.renew({ leaseIds: ["x", "__proto__"] }), { unknown: ["x", "__proto__"] });
  const { leaseId } = await client.register(entry);
  assert.deepEqual((await client.list({})).names, [{ name: "a", endpoints: 1, watchers: 0 }]);
  assert.deepEqual(await client.deregister({ leaseIds: [leaseId, leaseId] }), {});
  assert.deepEqual((await client.list({})).names, []);
});
