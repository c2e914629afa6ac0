/** Too much of what is allowed, and too little reading: everything that a peer can make grow ends at a limit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClientOn } from "../../src/client/index.ts";
import { type Harness, inSimulator, onSockets, Target } from "./harness.ts";
import {
  bind, frame, helloOf, join, more, opening, type Part, prefaceOf, RawPeer, request, requestWith, run, Type,
} from "./raw-peer.ts";

const failed = "server.connection.failed";
const fine = join([8, 7, 18], run("hi"));
const path = (method: string): string => `bad.v1.Target/${method}`;
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

async function opened(harness: Harness, ...parts: readonly Part[]): Promise<RawPeer> {
  return RawPeer.connect(harness.runtime, harness.address, opening, ...parts);
}

const errorsOf = (peer: RawPeer): number => peer.frames.filter((one) => one.type === Type.error).length;

test("a flood of pings ends its connection; a thousand a second go on", () => inSimulator({}, async (harness) => {
  const peer = await opened(harness);
  const pings = (count: number): void => peer.send(...range(count).map((n) => frame(Type.ping, 0, 0, n)));
  for (let seconds = 0; seconds < 5; seconds++) {
    pings(1_000);
    await harness.sleep(1_001);
  }
  assert.equal(peer.frames.filter((one) => one.type === Type.pong).length, 5_000);
  pings(1_001);
  assert.match((await peer.farewell()).text, /more than 1000 pings within a second/);
  await harness.event(failed, /pings/);
}));

test("a flood of calls beyond maxConcurrentCalls: the rest is refused, certain not to have begun", async () => {
  await onSockets({ settings: { maxConcurrentCalls: 100 } }, async (harness) => {
    const peer = await opened(harness, bind(0, path("never")), ...range(5_000).map((id) => request(id, 0)));
    await peer.until(() => errorsOf(peer) === 4_900);
    const failure = await peer.failure(101);
    assert.equal(failure.code, "resource_exhausted");
    assert.match(failure.text, /more than 100 calls on one connection \(maxConcurrentCalls\)/);
    assert.equal(failure.flags & 2, 2);
    await harness.event("server.call.refused", /maxConcurrentCalls/);
    peer.destroy();
    await harness.event(failed, /with calls in flight \(100\)/);
  });
});

test("a flood of cancels: handlers that go on count until they end", () => onSockets(
  { settings: { maxConcurrentCalls: 100 } }, async (harness) => {
    const flood = range(5_000).map((id) => join(request(id, 0), frame(Type.cancel, 0, id, 1)));
    const peer = await opened(harness, bind(0, path("never")), ...flood);
    await peer.until(() => errorsOf(peer) === 4_900);
    assert.ok(harness.server.inFlight <= 101, `${harness.server.inFlight} handlers`);
    assert.equal(harness.cancelled.length, 100);
    peer.destroy();
  }));

test("a flood of calls beyond maxInFlight, over several connections", () => onSockets(
  { maxInFlight: 150, alone: true }, async (harness) => {
    const calls = [bind(0, path("never")), ...range(100).map((id) => request(id, 0))];
    const first = await opened(harness, ...calls);
    await first.frame(Type.hello);
    const second = await opened(harness, ...calls);
    assert.match((await second.failure(100)).text, /the server is handling 150 calls \(maxInFlight\)/);
    assert.equal(harness.server.inFlight, 150);
    await harness.event("server.call.refused", /maxInFlight/);
    first.destroy();
    second.destroy();
  }));

test("a flood of connections beyond maxConnections: the rest is told and closed", () => onSockets(
  { maxConnections: 20 }, async (harness) => {
    const peers = await Promise.all(range(400).map(() => opened(harness)));
    const told = peers.filter((peer) => peer.frames.some((one) => one.type === Type.hello) && !peer.isClosed);
    await Promise.all(peers.slice(30).map((peer) => peer.closing()));
    assert.ok(told.length <= 20);
    assert.ok(harness.server.connections <= 20);
    await harness.event("server.connection.refused", /20 connections are open \(maxConnections\)/);
    for (const peer of peers) peer.destroy();
  }));

test("endless empty parts of a message are not kept, and end in time", () => inSimulator({}, async (harness) => {
  const peer = await opened(harness, bind(0, path("upload")), requestWith(more, 1, 0));
  for (let seconds = 0; errorsOf(peer) === 0; seconds++) {
    assert.ok(seconds < 30);
    peer.send(...range(2_000).map(() => frame(Type.data, more, 1)));
    await harness.sleep(1_000);
  }
  assert.match((await peer.failure(1)).text, /left unfinished/);
  peer.end();
}));

test("endless parts end at maxMessageBytes; those of many calls at maxUnfinishedBytes", () => onSockets(
  { settings: { maxMessageBytes: 300_000, maxUnfinishedBytes: 1_000_000 } }, async (harness) => {
    const part = new Uint8Array(60_000);
    const peer = await opened(harness, bind(0, path("upload")), bind(1, path("echo")));
    peer.send(requestWith(more, 1, 0, part), ...range(5).map(() => frame(Type.data, more, 1, part)));
    assert.match((await peer.failure(1)).text, /exceeds maxMessageBytes 300000/);
    peer.send(...range(20).map((id) => requestWith(more, id + 1, 0, part)));
    const failure = await peer.failure(18);
    assert.match(failure.text, /more than 1000000 bytes of unfinished messages .*\(maxUnfinishedBytes\)/);
    assert.equal(failure.flags & 1, 1, "worth a retry");
    assert.ok(!peer.frames.some((one) => one.type === Type.error && one.id === 17));
    // What is given up makes room again.
    peer.send(...range(16).map((id) => frame(Type.cancel, 0, id + 1, 1)), requestWith(more, 50, 0, part));
    peer.send(request(51, 1, fine));
    await peer.frame(Type.response, 51);
    assert.ok(!peer.frames.some((one) => one.type === Type.error && one.id === 50));
    peer.destroy();
  }));

for (const [what, body] of [["small", [8, 1]], ["empty", []]] as const) {
  test(`${what} messages that nobody reads, sent without credit, end`, () => onSockets({}, async (harness) => {
    const peer = await opened(harness, bind(0, path("ignore"), 2), request(1, 0));
    const message = frame(Type.data, 0, 1, body);
    for (let sent = 0; errorsOf(peer) === 0; sent += 1_000) {
      assert.ok(sent < 100_000, "still taken");
      peer.send(...range(1_000).map(() => message));
      await harness.sleep(1);
    }
    const failure = await peer.failure(1);
    assert.equal(failure.code, "resource_exhausted");
    assert.match(failure.text, /without credit: 262144 bytes of the call are unread \(streamWindowBytes\)/);
    assert.match(harness.cancelled.join(), /ignore .*without credit/);
    peer.end();
  }));
}

test("data beyond the connection's credit ends the connection", () => onSockets(
  { settings: { connectionWindowBytes: 100_000 } }, async (harness) => {
    const peer = await opened(harness, bind(0, path("ignore"), 2), request(1, 0), request(2, 0));
    const message = frame(Type.data, 0, 1, [8, 1], [130, 6], run(new Uint8Array(9_000)));
    const other = frame(Type.data, 0, 2, [8, 1], [130, 6], run(new Uint8Array(9_000)));
    peer.send(...range(10).flatMap(() => [message, other]));
    assert.match((await peer.farewell()).text, /without credit: 100000 bytes are unread \(connectionWindowBytes\)/);
    await harness.event(failed, /connectionWindowBytes/);
  }));

test("credit beyond all bounds is harmless", () => onSockets({}, async (harness) => {
  const most = Number.MAX_SAFE_INTEGER;
  const peer = await opened(harness, bind(0, path("count"), 1), request(1, 0, [8], 300),
    ...range(100).flatMap((id) => [0, 1, id + 7].map((call) => frame(Type.credit, 0, call, most))));
  await peer.frame(Type.end, 1);
  assert.equal(peer.frames.filter((one) => one.type === Type.data).length, 300);
  peer.end();
}));

const thirsty = join(prefaceOf(), helloOf({ 4: 2 ** 50, 5: 2 ** 50, 2: 2 ** 40 }));

for (const [name, run_] of [["in the simulator", inSimulator], ["over sockets", onSockets]] as const) {
  test(`a peer that never reads a stream, ${name}: bounded, then ended`, () => run_(
    { settings: { stallTimeoutMs: 1_500 } }, async (harness) => {
      const before = process.memoryUsage().rss;
      const peer = await RawPeer.connect(harness.runtime, harness.address, thirsty, bind(0, path("count"), 1));
      peer.pause();
      peer.send(...range(50).map((id) => request(id, 0, [8], 1_000_000_000)));
      await harness.event(failed, /the peer has read nothing for 1500 ms \(stallTimeoutMs\)/);
      assert.ok(harness.produced() < 20_000, `${harness.produced()} messages of 1 kB were made for nobody`);
      assert.equal(harness.cancelled.length, 50);
      assert.ok(process.memoryUsage().rss - before < 200 << 20);
      peer.destroy();
    }));
  test(`a peer that never reads its replies, ${name}: its requests wait, then it is ended`, () => run_(
    { settings: { stallTimeoutMs: 1_500 } }, async (harness) => {
      const peer = await RawPeer.connect(harness.runtime, harness.address, thirsty, bind(0, path("blob")));
      peer.pause();
      peer.send(...range(20_000).map((id) => request(id, 0, [8], 60_000)));
      await harness.event(failed, /the peer has read nothing for 1500 ms/);
      peer.destroy();
    }));
}

test("replies of many frames that get no credit are kept up to a limit, then cut", () => inSimulator(
  { settings: { maxUnfinishedBytes: 10_000_000 } }, async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, prefaceOf(), helloOf({ 4: 1 }),
      bind(0, path("blob")), bind(1, path("echo")), ...range(5).map((id) => request(id, 0, [8], 4_000_000)));
    assert.match((await peer.failure(3)).text, /10000000 bytes of replies wait for the caller to take them/);
    await harness.event("server.reply.cut", /maxUnfinishedBytes/);
    assert.match((await peer.failure(1)).text, /no credit for the rest of the reply for 20000 ms \(stallTimeoutMs\)/);
    peer.send(request(9, 1, fine));
    await peer.frame(Type.response, 9);
    peer.end();
  }));

test("a caller that cancels while its large reply leaves frees what is left of it", () => onSockets(
  { settings: { maxUnfinishedBytes: 10_000_000 } }, async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, prefaceOf(), helloOf({ 4: 1 }),
      bind(0, path("blob")));
    for (const id of range(10)) {
      peer.send(request(id, 0, [8], 4_000_000));
      await peer.frame(Type.response, id);
      peer.send(frame(Type.cancel, 0, id, 1));
    }
    await harness.sleep(20);
    assert.equal(errorsOf(peer), 0);
    const beganMs = performance.now();
    await harness.server.close(60_000);
    assert.ok(performance.now() - beganMs < 30_000, "nothing left to wait for: the time of grace is not used");
  }).catch((error: unknown) => {
    // The healthy client's next call finds the server closed, as it should.
    assert.match(String(error), /shutting down|connection|endpoint|refuse|connect/i);
  }));

test("what a handler does not read of its stream is no loss to the connection's other calls", () => onSockets(
  { settings: { connectionWindowBytes: 1_000_000 } }, async (harness) => {
    const client = createClientOn(harness.runtime, Target, { address: harness.address, retry: false });
    const items = range(20).map(() => ({ text: "x".repeat(10_000) }));
    for (let i = 0; i < 40; i++) await client.hasty(items, { timeoutMs: 20_000 });
    const stream = client.count({ to: 2_000 }, { timeoutMs: 30_000 });
    let got = 0;
    for await (const _ of stream) got++;
    assert.equal(got, 2_000);
    client.$.close(0);
  }));

test("a client that vanishes in the middle of its streams: handlers are told, and the operator", () => onSockets(
  {}, async (harness) => {
    const peer = await opened(harness, bind(0, path("ignore"), 2), bind(1, path("count"), 1), request(1, 0),
      request(2, 1, [8], 1_000_000), frame(Type.data, 0, 1, [8, 1]));
    await peer.frame(Type.data, 2);
    peer.destroy();
    await harness.event(failed, /./);
    for (const name of ["ignore", "count"]) {
      assert.match(harness.cancelled.join("; "), new RegExp(`${name} the caller's connection is gone`));
    }
  }));
