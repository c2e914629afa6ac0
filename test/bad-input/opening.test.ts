/** Bad beginnings: what opens a connection and is no wire that is served, or not our version of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inSimulator, onSockets } from "./harness.ts";
import { frame, helloOf, join, opening, prefaceOf, RawPeer, run, Type } from "./raw-peer.ts";

const failed = "server.connection.failed";
const refused = "server.connection.refused";

const foreign: readonly [string, Uint8Array, RegExp][] = [
  ["garbage", Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7919 + 13) & 255), /opened with 0d/],
  ["a TLS ClientHello", join([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], new Uint8Array(500)), /speaks TLS, which/],
  ["SSH", join("SSH-2.0-OpenSSH_9.6\r\n"), /speaks SSH/],
  ["our first five bytes only", join("MRDN\r!"), /4d 52 44 4e 0d 21/],
  ["a word that goes on and on", join("A".repeat(50)), /41 41 41/],
];

for (const [name, bytes, says] of foreign) {
  test(`${name}: the connection ends, saying what came`, () => onSockets({}, async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, bytes);
    await peer.closing();
    assert.equal(peer.receivedBytes, 0);
    await harness.event(refused, says);
  }));
}

test("a connection without a byte is nobody's fault: ended quietly if it closes, in time if it stays", async () => {
  await onSockets({ openingTimeoutMs: 1_000 }, async (harness) => {
    const prober = await RawPeer.connect(harness.runtime, harness.address);
    prober.end();
    await prober.closing();
    await harness.sleep(50);
    assert.deepEqual(harness.events.filter((one) => [failed, refused].includes(one.name)), []);
    const silent = await RawPeer.connect(harness.runtime, harness.address);
    await silent.closing();
    await harness.event(refused, /did not show what it speaks within 1000 ms/);
  });
});

for (const length of [1, 5, 7, 8, 12, opening.length - 1]) {
  test(`${length} bytes of an opening, then the end: told`, () => onSockets({}, async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, opening.subarray(0, length));
    await harness.sleep(20);
    peer.end();
    await peer.closing();
    if (length <= 5) await harness.event(refused, /closed before it had shown what it speaks/);
    else await harness.event(failed, length > 8 ? /in the middle of a frame/ : /before its hello was complete/);
  }));
  test(`${length} bytes of an opening, then silence: ended in time`, () => inSimulator({}, async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, opening.subarray(0, length));
    await peer.closing();
    if (length <= 5) await harness.event(refused, /did not show what it speaks within 5000 ms/);
    else await harness.event(failed, /no complete hello within 5000 ms/);
  }));
}

test("an opening of one byte a second is not waited for", () => inSimulator({}, async (harness) => {
  const peer = await RawPeer.connect(harness.runtime, harness.address);
  const beganMs = harness.runtime.clock.now();
  for (let i = 0; i < opening.length && !peer.isClosed; i++) {
    peer.send(opening.subarray(i, i + 1));
    await harness.sleep(1_000);
  }
  assert.ok(harness.runtime.clock.now() - beganMs < 8_000);
  await harness.event(refused, /did not show what it speaks/);
}));

const versions = [[2, 3, /upgrade this side/], [0, 0, /upgrade the peer/], [9, 1, /no sense/]] as const;
for (const [least, most, remedy] of versions) {
  test(`versions ${least} to ${most}: both sides learn who must be upgraded`, () => onSockets({}, async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, prefaceOf(least, most), helloOf());
    const { code, text } = await peer.farewell();
    assert.equal(code, "failed_precondition");
    assert.match(text, new RegExp(`versions ${least} to ${most} .* this side 1 to 1`));
    assert.match(text, remedy);
    assert.deepEqual(peer.versions, [1, 1]);
    await peer.closing();
    await harness.event(failed, remedy);
  }));
}

test("a client that also speaks later versions gets the one that both speak", () => onSockets({}, async (harness) => {
  const peer = await RawPeer.connect(harness.runtime, harness.address, prefaceOf(1, 7), helloOf());
  await peer.frame(Type.hello);
  assert.deepEqual(peer.versions, [1, 1]);
  peer.end();
}));

const hellos: readonly [string, Uint8Array, RegExp][] = [
  ["missing", frame(Type.ping, 0, 0, "x"), /first frame has type 10, expected a hello/],
  ["twice", join(helloOf(), helloOf()), /a second hello/],
  ["with maxFrameBytes too small", helloOf({ 1: 1_000 }), /maxFrameBytes 1000; at least 32768 is required/],
  ["with an entry that lies about its length", frame(Type.hello, 0, 0, [1, 200, 1]), /found the end|wrong length/],
  ["with a number of the wrong length", frame(Type.hello, 0, 0, [1, 3, 5, 0, 0]), /wrong length/],
  ["with a number beyond 2^53", frame(Type.hello, 0, 0, [1, 8, ...new Uint8Array(8).fill(255)]), /exceeds 2\^53/],
  ["with text that is too long", helloOf({}, [7], run("x".repeat(300))), /length of 300 bytes exceeds the 256/],
  ["with text that is no UTF-8", helloOf({}, [8], run([0xc3, 0x28])), /not valid UTF-8/],
  ["larger than a frame may be", join([255, 255, 255, Type.hello], [0, 0, 0, 0]), /frame of 16777215 bytes exceeds/],
];

for (const [name, bytes, says] of hellos) {
  test(`a hello ${name}: the connection ends, and both sides know why`, () => onSockets({}, async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, prefaceOf(), bytes);
    assert.match((await peer.farewell()).text, says);
    await peer.closing();
    await harness.event(failed, says);
  }));
}

test("unknown entries of a hello are skipped, and an absurd limit is taken for what it can mean", async () => {
  await onSockets({}, async (harness) => {
    const hello = helloOf({ 1: 2 ** 50, 3: 0 }, [99], run("whatever"), [200], run(""));
    const peer = await RawPeer.connect(harness.runtime, harness.address, prefaceOf(), hello,
      frame(Type.ping, 0, 0, "ping"));
    assert.equal(new TextDecoder().decode((await peer.frame(Type.pong)).payload), "ping");
    peer.end();
  });
});

test("a peer that is told to go and does not close is cut off, and counts until it is", async () => {
  await inSimulator({ maxConnections: 3 }, async (harness) => {
    const peers = [
      await RawPeer.connect(harness.runtime, harness.address, prefaceOf(2, 3), helloOf()),
      await RawPeer.connect(harness.runtime, harness.address, prefaceOf(2, 3), helloOf()),
    ];
    for (const peer of peers) peer.pause();
    await harness.event(failed, /upgrade this side/);
    const excess = await RawPeer.connect(harness.runtime, harness.address, opening);
    const told = { code: "unavailable", text: "3 connections are open (maxConnections)" };
    assert.deepEqual(await excess.farewell(), told);
    await excess.closing();
    await harness.event(refused, /maxConnections/);
    await harness.sleep(3_000);
    const next = await RawPeer.connect(harness.runtime, harness.address, opening);
    await next.frame(Type.hello);
    next.end();
  });
});
