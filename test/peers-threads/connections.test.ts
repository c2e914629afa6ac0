// Threads of other projects on the life of HTTP/2 connections: the largest class of bugs of RPC in Node.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../../src/index.ts";
import { grpc } from "../../src/protocol/index.ts";
import { Echo, one, startForeign, until } from "./echo.ts";
import { startWire } from "./wire.ts";

const escaped: unknown[] = [];
const catcher = (error: unknown): void => void escaped.push(error);
before(() => void process.on("uncaughtException", catcher).on("unhandledRejection", catcher));
after(() => {
  process.off("uncaughtException", catcher).off("unhandledRejection", catcher);
  assert.deepEqual(escaped, []);
});

test("grpc-node#2285: a connection that died in silence is verified before a call is lost on it", async (t) => {
  const server = await startForeign(t);
  const wire = await startWire(t, server.port);
  using client = createClient(Echo, { address: wire.address, protocol: grpc(), idleCheckMs: 100 });
  await client.echo(one);
  wire.freeze();
  // Frozen first: so nothing is heard within `idleCheckMs` before the call, however slow the machine.
  await sleep(500);
  const startedMs = performance.now();
  // Not idempotent, so it must not have left on the dead connection: a repeat would not be allowed.
  assert.deepEqual(await client.write(one, { timeoutMs: 10_000 }), one);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < 6_000, `it took ${Math.round(tookMs)} ms`);
  assert.ok(wire.connections >= 2);
});

for (const [how, code] of [["NO_ERROR", 0], ["ENHANCE_YOUR_CALM", 11], ["INTERNAL_ERROR", 2]] as const) {
  test(`connect-es#1768: GOAWAY (${how}) when idle raises nothing, and the next call succeeds`, async (t) => {
    const server = await startForeign(t);
    using client = createClient(Echo, { address: server.address, protocol: grpc() });
    for (let n = 0; n < 10; n++) {
      assert.deepEqual(await client.echo(one), one);
      for (const session of server.sessions) {
        session.goaway(code);
        if (n % 2 === 0) session.destroy();
      }
      await sleep(10);
    }
    assert.deepEqual(await client.write(one), one);
  });
}

test("connect-es#1545: of connections that a balancer closed, none is kept", async (t) => {
  const server = await startForeign(t);
  using client = createClient(Echo, { address: server.address, protocol: grpc() });
  const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length;
  await client.echo(one);
  const before = sockets();
  for (let n = 0; n < 100; n++) {
    const [session] = server.sessions;
    if (n % 2 === 0) session?.close();
    else session?.destroy();
    // A call for each loss is more than a budget of retries bears: some fail.
    await client.echo(one).catch(() => undefined);
  }
  await until("old connections are gone", () => server.sessions.size <= 1);
  await until("their sockets are gone", () => sockets() <= before);
  assert.equal(client.$.endpoints().length, 1);
  assert.ok(server.counts.connections >= 50);
});

test("connect-es#680, #683: no order of GOAWAY, reset and loss leaves a client stuck", async (t) => {
  const server = await startForeign(t);
  const wire = await startWire(t, server.port);
  using client = createClient(Echo, { address: wire.address, protocol: grpc(), reconnectMaxMs: 100 });
  const disturb = [
    () => server.sessions.forEach((session) => session.goaway()),
    () => server.sessions.forEach((session) => session.close()),
    () => server.sessions.forEach((session) => session.destroy()),
    () => wire.cut(),
  ];
  let disturbed = 0;
  const disturbing = setInterval(() => disturb[disturbed++ % disturb.length]?.(), 7);
  const failures: unknown[] = [];
  let calls = 0;
  const beganMs = performance.now();
  // Two seconds, or as long as a busy machine needs for so many.
  const goesOn = (): boolean => performance.now() - beganMs < (disturbed > 100 && calls > 200 ? 2_000 : 20_000);
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (; goesOn(); calls++) {
      await client.echo(one).catch(async (error: unknown) => {
        failures.push(error);
        await sleep(5);
      });
    }
  }));
  clearInterval(disturbing);
  assert.ok(disturbed > 100 && calls > 200, `${calls} calls, ${disturbed} disturbances`);
  // Retried calls may still run out of attempts or budget; but when all is quiet, every call succeeds.
  await sleep(300);
  for (let n = 0; n < 50; n++) assert.deepEqual(await client.write(one), one);
});

test("grpc-node#2003, #2402, #2893: clients share a connection, and the last to close ends it", async (t) => {
  const server = await startForeign(t);
  const clients = Array.from({ length: 100 }, () =>
    createClient(Echo, { address: server.address, protocol: grpc() }));
  await Promise.all(clients.map((client) => client.echo(one)));
  assert.equal(server.counts.connections, 1);
  const [last, ...others] = clients;
  for (const client of others) client.$.close(0);
  assert.deepEqual(await last?.echo(one), one);
  assert.equal(server.sessions.size, 1);
  last?.$.close(0);
  await until("the connection is closed", () => server.sessions.size === 0);
});
