/** Bad frames on a connection that opened well. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inSimulator, onSockets, type Harness } from "./harness.ts";
import {
  bind, compressed, extras, frame, join, more, opening, type Part, RawPeer, request, requestWith, run, Type,
} from "./raw-peer.ts";

const failed = "server.connection.failed";
const echo = "bad.v1.Target/echo";
const fine = join([8, 7, 18], run("hi"));

async function opened(harness: Harness, ...parts: readonly Part[]): Promise<RawPeer> {
  return RawPeer.connect(harness.runtime, harness.address, opening, ...parts);
}

const fatal: readonly [string, Uint8Array, RegExp][] = [
  ["an oversized frame", join([0, 0, 2, Type.ping], [0, 0, 0, 0]), /frame of 131072 bytes exceeds maxFrameBytes 65536/],
  ["a ping of 65 bytes", frame(Type.ping, 0, 0, new Uint8Array(65)), /a ping of 65 bytes; at most 64/],
  ["a pong without the ping's bytes", frame(Type.pong, 0, 0), /found the end/],
  ["an empty credit frame", frame(Type.credit, 0, 0), /found the end/],
  ["an empty goAway", frame(Type.goAway, 0, 0), /found the end/],
  ["an empty bind", frame(Type.bind, 0, 0), /found the end/],
  ["a bind out of order", bind(1, echo), /numbers a method 1; expected 0/],
  ["a bind twice", join(bind(0, echo), bind(0, echo)), /numbers a method 0; expected 1/],
  ["a bind whose path is too long", bind(0, "x".repeat(1_025)), /length of 1025 bytes exceeds the 1024/],
  ["a bind whose path is no UTF-8", frame(Type.bind, 0, 0, 0, [0], run("proto"), run([0xff, 0xfe])), /not valid UTF-8/],
  ["a bind whose codec is too long", bind(0, echo, 0, "x".repeat(65)), /length of 65 bytes exceeds the 64/],
  ["a request for an unbound method", request(1, 0, fine), /a method that was not bound/],
  ["an empty request", join(bind(0, echo), frame(Type.request, 0, 1)), /found the end/],
  ["an id that does not grow", join(bind(0, echo), request(5, 0, fine), request(5, 0, fine)), /must grow: 5 after 5/],
  ["an id that shrinks", join(bind(0, echo), request(5, 0, fine), request(4, 0, fine)), /must grow: 4 after 5/],
  ["the id of the connection", join(bind(0, echo), request(0, 0, fine)), /must grow: 0 after 0/],
  ["a response from a client", frame(Type.response, 0, 1, "x"), /type 4 \(response\)/],
  ["an error from a client", frame(Type.error, 0, 1, "x"), /type 7 \(error\)/],
  ["a header from a client", frame(Type.header, 0, 1, "x"), /type 13 \(header\)/],
  ["a varint without end", frame(Type.credit, 0, 0, new Uint8Array(9).fill(255)), /exceeds 2\^53/],
];

for (const [name, bytes, says] of fatal) {
  test(`${name} ends its connection, and both sides know why`, () => onSockets({}, async (harness) => {
    const peer = await opened(harness, bytes);
    const { code, text } = await peer.farewell();
    assert.match(text, says);
    assert.match(code, /invalid_argument|resource_exhausted/);
    await peer.closing();
    await harness.event(failed, says);
  }));
}

test("more methods than may be bound end the connection", () => onSockets({}, async (harness) => {
  const binds = Array.from({ length: 10_001 }, (_, i) => bind(i, `bad.v1.None/m${i}`));
  const peer = await opened(harness, ...binds);
  assert.match((await peer.farewell()).text, /numbers a method 10000; expected 10000, below 10000/);
  await harness.event(failed, /10000/);
}));

test("unknown types, unknown calls and unknown flags are ignored", () => onSockets({}, async (harness) => {
  const peer = await opened(harness,
    frame(14, 0, 0, "future"), frame(15, 15, 7, "future"), frame(0, 0, 0),
    frame(Type.data, 0, 99, "late"), frame(Type.end, 0, 99), frame(Type.cancel, 0, 99, 1), frame(Type.credit, 0, 99, 5),
    frame(Type.data, more, 99, new Uint8Array(60_000)), frame(Type.cancel, 0, 98),
    frame(Type.goAway, 0, 0, 0, 1, run("going")),
    bind(0, echo), requestWith(8, 1, 0, fine));
  assert.deepEqual((await peer.frame(Type.response, 1)).payload.subarray(-fine.length), fine);
  peer.end();
}));

const refused: readonly [string, Uint8Array, string, RegExp][] = [
  ["an unknown service", bind(0, "no.v1.Such/echo"), "unimplemented", /"no.v1.Such" is not served here; this server/],
  ["an unknown method", bind(0, "bad.v1.Target/nope"), "unimplemented", /bad.v1.Target has no method "nope" here/],
  ["a path that is none", bind(0, ""), "unimplemented", /"" is no method: a call is made to package.Service\/Method/],
  ["a path of an object's own", bind(0, "bad.v1.Target/__proto__"), "unimplemented", /no method "__proto__"/],
  ["the wrong shape", bind(0, echo, 1), "unimplemented", /echo is unary, not server_stream: the contracts differ/],
  ["an unknown codec", bind(0, echo, 0, "bson"), "unimplemented", /codec "bson" is not known here; known are proto/],
  ["a codec of an object's own", bind(0, echo, 0, "__proto__"), "unimplemented", /codec "__proto__"/],
];

for (const [name, bytes, code, says] of refused) {
  test(`${name}: its calls fail one by one, the connection goes on`, () => onSockets({}, async (harness) => {
    const peer = await opened(harness, bytes, bind(1, echo), request(1, 0, fine), request(2, 1, fine));
    const failure = await peer.failure(1);
    assert.equal(failure.code, code);
    assert.match(failure.text, says);
    await peer.frame(Type.response, 2);
    await harness.event("server.call.refused", says);
    peer.end();
  }));
}

const who = "bad.v1.Target/who";
const metadata = (...pairs: readonly string[]): Uint8Array =>
  join([1], run(...pairs.map((text) => run(text))));
const badExtras: readonly [string, Uint8Array, RegExp][] = [
  ["a block longer than its frame", join(5_000, "abc"), /block of extras of 5000 bytes does not fit/],
  ["a block of absurd length", join(2 ** 52), /does not fit/],
  ["an entry longer than its block", run([1, 100], "abc"), /entry does not fit/],
  ["an entry cut within its length", run([1, 0x80]), /entry does not fit|found the end/],
  ["metadata of too many bytes", run(metadata("a", "x".repeat(16_384), "b", "y".repeat(2_000))), /exceeds 16384 bytes/],
  ["metadata of too many entries", run(metadata(...Array.from({ length: 258 }, (_, i) => `n${i}`))), /more than 128/],
  ["metadata with a name in capitals", run(metadata("Host", "x")), /name "Host" is not/],
  ["metadata with an empty name", run(metadata("", "x")), /name "" is not/],
  ["metadata with a line end in a name", run(metadata("a\r\nb", "x")), /is not 1 to 128/],
  ["metadata with a name and no value", run(metadata("a")), /found the end/],
  ["metadata that is no UTF-8", run([1], run(run("a"), run([0xc0, 0xaf]))), /not valid UTF-8/],
  ["a route key that is too long", run([3], run("k".repeat(1_025))), /key of 1025 bytes exceeds 1024/],
  ["an idempotency key that is no UTF-8", run([4], run([0xed, 0xa0, 0x80])), /not valid UTF-8/],
  ["hops that are no number", run([5], run("")), /found the end/],
];

for (const [name, bytes, says] of badExtras) {
  test(`extras with ${name}: that call alone fails`, () => onSockets({}, async (harness) => {
    const peer = await opened(harness, bind(0, who), requestWith(extras, 1, 0, bytes), request(2, 0));
    const failure = await peer.failure(1);
    assert.match(failure.text, says);
    assert.equal(failure.flags & 2, 2);
    await peer.frame(Type.response, 2);
    await harness.event("server.call.refused", says);
    peer.end();
  }));
}

test("metadata named __proto__ is an entry like any other", () => onSockets({}, async (harness) => {
  const block = run(metadata("__proto__", "evil", "constructor", "x"), [77], run("unknown extra"));
  const peer = await opened(harness, bind(0, who), requestWith(extras, 1, 0, block));
  assert.match(new TextDecoder().decode((await peer.frame(Type.response, 1)).payload), /__proto__,constructor/);
  assert.equal(({} as Record<string, unknown>)["evil"], undefined);
  peer.end();
}));

const take = "bad.v1.Target/take";
const badStreams: readonly [string, string, number, readonly Uint8Array[], string, RegExp][] = [
  ["a stream that ends within a message", take, 2,
    [frame(Type.data, more, 1, [8]), frame(Type.end, 0, 1)], "invalid_argument", /ended within a message/],
  ["a message of a stream that is nonsense", take, 2, [frame(Type.data, 0, 1, [0xff, 0xff])], "invalid_argument", /./],
  ["data after a unary request", "bad.v1.Target/never", 0, [frame(Type.data, 0, 1, [8, 1])], "invalid_argument",
    /data came after the request was complete/],
  ["compression that was not agreed", take, 2, [frame(Type.data, compressed, 1, "x")], "invalid_argument",
    /compressed message, but no compression was agreed/],
  ["compression that was not agreed, in parts", take, 2, [frame(Type.data, compressed | more, 1, "x")],
    "invalid_argument", /no compression was agreed/],
];

for (const [name, path, shape, frames, code, says] of badStreams) {
  test(`${name}: that call alone fails`, () => onSockets({}, async (harness) => {
    const peer = await opened(harness, bind(0, path, shape), bind(1, echo), request(1, 0), ...frames,
      request(2, 1, fine));
    const failure = await peer.failure(1);
    assert.equal(failure.code, code);
    assert.match(failure.text, says);
    await peer.frame(Type.response, 2);
    peer.end();
  }));
}

test("messages too large, in one frame and in many, fail alone", () => onSockets(
  { settings: { maxMessageBytes: 40_000 } }, async (harness) => {
    const part = new Uint8Array(30_000);
    const peer = await opened(harness, bind(0, "bad.v1.Target/upload"), bind(1, echo),
      request(1, 0, new Uint8Array(50_000)), requestWith(more, 2, 0, part), frame(Type.data, more, 2, part),
      request(3, 1, fine));
    assert.match((await peer.failure(1)).text, /message of 50000 bytes exceeds maxMessageBytes 40000/);
    assert.match((await peer.failure(2)).text, /message of 60000 bytes exceeds maxMessageBytes 40000/);
    await peer.frame(Type.response, 3);
    peer.end();
  }));

test("a compressed message that is too large does not linger in the next call's", () => onSockets(
  { settings: { maxMessageBytes: 40_000, compressions: [{ name: "none", compress: (b) => b, decompress: (b) => b }] } },
  async (harness) => {
    const peer = await RawPeer.connect(harness.runtime, harness.address, opening.subarray(0, 8),
      frame(Type.hello, 0, 0, [1], run(65_536), [2], run(1_000_000), [3], run(10), [6], run("none")),
      bind(0, echo), requestWith(compressed, 1, 0, new Uint8Array(50_000)), request(2, 0, fine));
    assert.match((await peer.failure(1)).text, /message of 50000 bytes exceeds maxMessageBytes 40000/);
    assert.deepEqual((await peer.frame(Type.response, 2)).payload.subarray(-fine.length), fine);
    peer.end();
  }));

test("half a frame, then the end: told", () => onSockets({}, async (harness) => {
  const peer = await opened(harness, request(1, 0, fine).subarray(0, 9));
  await peer.frame(Type.hello);
  peer.end();
  await harness.event(failed, /in the middle of a frame/);
}));

test("half a frame, then silence: ended after stallTimeoutMs", () => inSimulator({}, async (harness) => {
  const peer = await opened(harness, join([200, 0, 0, Type.ping, 0, 0, 0, 0]));
  assert.match((await peer.farewell()).text, /left a frame unfinished for 20000 ms \(stallTimeoutMs\)/);
  await harness.event(failed, /unfinished/);
}));

test("a frame of one byte a second is not waited for", () => inSimulator({}, async (harness) => {
  const peer = await opened(harness, join([200, 0, 0, Type.ping, 0, 0, 0, 0]));
  for (let seconds = 0; !peer.isClosed; seconds++) {
    assert.ok(seconds < 30);
    peer.send("x");
    await harness.sleep(1_000);
  }
  await harness.event(failed, /unfinished/);
}));

test("a message that is begun and left is given up, and its place with it", () => inSimulator({}, async (harness) => {
  const peer = await opened(harness, bind(0, "bad.v1.Target/upload"), bind(1, take, 2),
    requestWith(more, 1, 0), requestWith(more, 2, 0, "abc"), request(3, 1), frame(Type.data, more, 3, [8]));
  await harness.sleep(15_000);
  assert.equal(harness.server.inFlight, 3);
  peer.send(frame(Type.data, more, 2, "d"));
  for (const id of [1, 3]) assert.match((await peer.failure(id)).text, /left unfinished for 20000 ms/);
  await harness.sleep(5_000);
  const isTold = (id: number): boolean => peer.frames.some((one) => one.type === Type.error && one.id === id);
  assert.ok(!isTold(2), "the one that went on has its time again");
  assert.match((await peer.failure(2)).text, /left unfinished/);
  assert.equal(harness.server.inFlight, 0);
  peer.end();
}));
