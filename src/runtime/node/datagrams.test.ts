import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { DatagramSocket } from "../../core/runtime.ts";
import { runtimeCases } from "../../testing/runtime.ts";
import { nodeRuntime } from "./index.ts";

const { network } = nodeRuntime;
const hasV6 = await network.datagrams("[::1]:0", () => {}).then(async (socket) => {
  await socket.close();
  return true;
}, () => false);
const skip = hasV6 ? false : "this machine has no IPv6";

for (const { name, run } of runtimeCases(() => ({
  server: nodeRuntime, client: nodeRuntime, listenAddress: () => "[::1]:0", drive: (body) => body(),
}))) {
  if (name.startsWith("datagram")) test(`udp6: ${name}`, { skip }, run);
}

/** Sends until one arrives, and tells from whom. */
async function arrives(from: DatagramSocket, to: string, heard: string[]): Promise<string> {
  for (const before = heard.length; heard.length === before; await sleep(10)) {
    assert.ok(from.send(Uint8Array.of(1), to));
  }
  return heard.at(-1) as string;
}

test("names are looked up, for the socket's family", async () => {
  const heard: string[] = [];
  const server = await network.datagrams("127.0.0.1:0", (_, from) => heard.push(from));
  const client = await network.datagrams("127.0.0.1:0", () => {});
  const port = server.address.split(":").at(-1) as string;
  assert.equal(await arrives(client, `localhost:${port}`, heard), client.address);
  assert.ok(client.send(Uint8Array.of(1), "no-such-name.invalid:53"), "nobody knows yet that there is no such name");
  assert.equal(client.send(Uint8Array.of(1), "127.0.0.1:0"), false);
  assert.equal(await arrives(client, server.address, heard), client.address);
  await Promise.all([server.close(), client.close()]);
});

test("a socket of all addresses talks both families, and names IPv4 peers as such", { skip }, async () => {
  const heard: string[] = [];
  const server = await network.datagrams("[::]:0", (_, from) => heard.push(from));
  const port = server.address.split(":").at(-1) as string;
  const back: string[] = [];
  const v4 = await network.datagrams("127.0.0.1:0", (_, from) => back.push(from));
  const v6 = await network.datagrams("[::1]:0", () => {});
  assert.equal(await arrives(v4, `127.0.0.1:${port}`, heard), v4.address);
  assert.equal(await arrives(v6, `[::1]:${port}`, heard), v6.address);
  assert.equal(await arrives(server, v4.address, back), `127.0.0.1:${port}`);
  await Promise.all([server.close(), v4.close(), v6.close()]);
});

test("an address that this machine does not have is refused with what to do", async () => {
  await assert.rejects(network.datagrams("192.0.2.1:0", () => {}), (error: Error) => {
    assert.match(error.message, /cannot listen on 192\.0\.2\.1:0: this machine does not have the address/);
    return true;
  });
});
