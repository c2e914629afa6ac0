// Threads of other projects on finding servers again, over gRPC.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, type Discovery } from "../../src/index.ts";
import { grpc } from "../../src/protocol/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { Echo, one, startForeign, until } from "./echo.ts";

test("grpc-node#2455: a server that comes gets calls, though nobody was disconnected", async (t) => {
  const [first, second] = [await startForeign(t), await startForeign(t)];
  const discovery = memoryDiscovery();
  discovery.set(Echo.name, [{ address: first.address }]);
  using client = createClient(Echo, { discovery, protocol: grpc() });
  await client.echo(one);
  discovery.set(Echo.name, [{ address: first.address }, { address: second.address }]);
  // As the client sees it: the server knows of the connection before the client may use it.
  await until("both are ready", () =>
    client.$.endpoints().filter(({ status }) => status === "ready").length === 2);
  await Promise.all(Array.from({ length: 200 }, () => client.echo(one)));
  assert.ok(second.counts.requests > 20, `it got ${second.counts.requests} of 200 calls`);
  assert.equal(first.counts.connections, 1);
});

test("grpc-node#2265: a server that ends each connection after a while loses no call", async (t) => {
  const server = await startForeign(t);
  using client = createClient(Echo, { address: server.address, protocol: grpc() });
  const beganMs = performance.now();
  // A second and a half, or as long as a busy machine needs for so many.
  const goesOn = (): boolean =>
    performance.now() - beganMs < (server.counts.connections > 10 && calls > 500 ? 1_500 : 20_000);
  const aging = setInterval(() => {
    for (const session of server.sessions) session.close();
  }, 60);
  let calls = 0;
  const caller = async (): Promise<void> => {
    for (; goesOn(); calls++) await client.echo(one);
  };
  await Promise.all(Array.from({ length: 8 }, caller));
  clearInterval(aging);
  assert.ok(server.counts.connections > 10, `${server.counts.connections} connections`);
  assert.ok(calls > 500, `${calls} calls`);
});

test("grpc-node#1663: after GOAWAY calls go where discovery now points, and none fails", async (t) => {
  const [old, fresh] = [await startForeign(t), await startForeign(t)];
  const discovery = memoryDiscovery();
  discovery.set(Echo.name, [{ address: old.address }]);
  using client = createClient(Echo, { discovery, protocol: grpc() });
  await client.echo(one);
  for (let n = 0; n < 20; n++) {
    // node:http2 may reset a socket with requests unread, which loses its GOAWAY: calls must bear a repeat, and be so
    // few at once that the budget of retries bears them all.
    const calls = Array.from({ length: 5 }, () => client.echo({ n, text: "during" }));
    if (n === 10) {
      discovery.set(Echo.name, [{ address: fresh.address }]);
      for (const session of old.sessions) session.close();
    }
    await Promise.all(calls);
  }
  const before = old.counts.requests;
  await Promise.all(Array.from({ length: 50 }, () => client.echo(one)));
  assert.equal(old.counts.requests, before);
  assert.equal(old.sessions.size, 0);
});

test("grpc-node#2023: servers that come and go do not make clients ask discovery again and again", async (t) => {
  const server = await startForeign(t);
  const known = memoryDiscovery();
  known.set(Echo.name, [{ address: server.address }, { address: "127.0.0.1:1" }, { address: "127.0.0.1:2" }]);
  let watches = 0;
  const discovery: Discovery = {
    watch(name, watcher) {
      watches++;
      return known.watch(name, watcher);
    },
  };
  using client = createClient(Echo, { discovery, protocol: grpc() });
  for (let n = 0; n < 30; n++) {
    // Of three servers two are not there, so some calls fail; what matters is whom the client asks then.
    await client.echo(one).catch(() => undefined);
    for (const session of server.sessions) session.destroy();
  }
  assert.ok(server.counts.connections > 1);
  assert.equal(watches, 1);
});
