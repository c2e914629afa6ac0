/** Each limit, reached on purpose over real sockets: what is beyond it is refused, and what is within goes on. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { createClient } from "../../src/client/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { connect as connectProtocol, grpc, native } from "../../src/protocol/index.ts";
import { auth, mtls } from "../../src/security/index.ts";
import { callOnce, Certificates, Ledger, serveLedger } from "./support.ts";

let certificates: Certificates;
before(() => {
  certificates = new Certificates();
  certificates.certify("server");
  certificates.certify("orders", { names: "URI:spiffe://prod.example/orders" });
  certificates.certify("reports", { names: "URI:spiffe://prod.example/reports" });
});
after(() => certificates.close());

async function dial(address: string): Promise<Socket> {
  const [host, port] = address.split(":") as [string, string];
  const socket = connect(Number(port), host);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** What it said until it closed. */
async function heard(socket: Socket): Promise<string> {
  let text = "";
  for await (const bytes of socket as AsyncIterable<Buffer>) text += bytes.toString("latin1");
  return text;
}

for (const [name, options, says] of [
  ["connections", { maxConnections: 2 }, /2 connections are open \(maxConnections\)/],
  ["connections of one address", { maxConnectionsPerAddress: 2 }, /2 connections are open from this address/],
] as const) {
  test(`limit of ${name}`, async () => {
    const { server, address } = await serveLedger(options);
    const held = [await dial(address), await dial(address)];
    try {
      const { error } = await callOnce(address, { timeoutMs: 3_000 });
      assert.match(String(error?.message), says);
      for (const one of held) one.destroy();
      const untilMs = Date.now() + 20_000;
      let last = await callOnce(address);
      while (last.error !== undefined && Date.now() < untilMs) last = await callOnce(address);
      assert.equal(last.balance, 3);
    } finally {
      for (const one of held) one.destroy();
      await server.close(0);
    }
  });
}

test("limit of streams on one connection", async () => {
  const { server, address } = await serveLedger({ settings: { maxConcurrentCalls: 2 } });
  using client = createClient(Ledger, { address, retry: false, metrics: false });
  try {
    const streams = [1, 2].map(() => client.watch({ account: "endless" })[Symbol.asyncIterator]());
    for (const one of streams) assert.equal((await one.next()).done, false);
    const error = await client.read({ account: "abc" })
      .then(() => undefined, (failure: unknown) => RpcError.from(failure));
    assert.equal(error?.code, "resource_exhausted");
    assert.match(error.message, /maxConcurrentCalls/);
    await streams[0]?.return?.();
    const untilMs = Date.now() + 20_000;
    while (Date.now() < untilMs) {
      if (await client.read({ account: "abc" }).then(() => true, () => false)) break;
    }
    assert.equal((await client.read({ account: "abc" })).balance, 3);
    await streams[1]?.return?.();
  } finally {
    await server.close(0);
  }
});

test("limit of headers", async () => {
  const { server, address } = await serveLedger({ http: { http1: { maxHeadBytes: 8_192 } } });
  try {
    const socket = await dial(address);
    socket.write(`POST /ledger.v1.Ledger/read HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(9_000)}\r\n\r\n`);
    assert.match(await heard(socket), /^HTTP\/1\.1 431 /);
    const fitting = await dial(address);
    fitting.write(`GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: ${"y".repeat(7_000)}\r\n\r\n`);
    assert.match(await heard(fitting), /^HTTP\/1\.1 200 /);
  } finally {
    await server.close(0);
  }
});

for (const [name, protocol] of [["native", native()], ["gRPC", grpc()], ["Connect", connectProtocol()]] as const) {
  test(`limit of messages: ${name}`, async () => {
    const { server, address } = await serveLedger({
      settings: { maxMessageBytes: 70_000 }, http: { calls: { maxMessageBytes: 70_000 } },
    });
    using client = createClient(Ledger, { address, protocol, retry: false, metrics: false });
    try {
      const error = await client.read({ account: "x".repeat(100_000) })
        .then(() => undefined, (failure: unknown) => RpcError.from(failure));
      assert.equal(error?.code, "resource_exhausted");
      assert.match(error.message, /70000|maxMessageBytes/);
      assert.equal((await client.read({ account: "abc" })).balance, 3);
    } finally {
      await server.close(0);
    }
  });
}

for (const [name, isSecured, first] of [
  ["a word", false, ""], ["a handshake", true, ""], ["the rest of a handshake", true, "\x16\x03\x01\x02\x00\x01"],
] as const) {
  test(`limit of time for ${name}`, async () => {
    const { server, address, events } = await serveLedger({
      ...(isSecured ? { tls: certificates.serving("server") } : undefined), openingTimeoutMs: 300,
    });
    try {
      const socket = await dial(address);
      if (first !== "") socket.write(Buffer.from(first, "latin1"));
      await heard(socket);
      const told = events.find(({ event }) => event === "server.connection.refused");
      assert.match(String(told?.["why"]), /openingTimeoutMs|timeout/i);
      assert.match(String(told?.["peer"]), /^127\.0\.0\.1:/);
    } finally {
      await server.close(0);
    }
  });
}

test("limit of requests for each identity", async () => {
  const { server, address, events } = await serveLedger({
    tls: certificates.serving("server"),
    auth: auth({ identities: [mtls()], requests: { perSecond: 0.01, burst: 3 } }),
  });
  try {
    const orders = { tls: certificates.calling("orders") };
    for (let i = 0; i < 3; i++) assert.equal((await callOnce(address, orders)).balance, 3);
    const { error } = await callOnce(address, orders);
    assert.equal(error?.code, "resource_exhausted");
    assert.ok((error.retryAfterMs ?? 0) > 1_000);
    assert.equal(error.neverStarted, true);
    assert.equal((await callOnce(address, { tls: certificates.calling("reports") })).balance, 3);
    assert.match(String(events.find(({ event }) => event === "audit")?.["reason"]), /requests.perSecond/);
  } finally {
    await server.close(0);
  }
});
