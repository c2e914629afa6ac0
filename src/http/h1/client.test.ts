/** The client half: sockets made, kept and lost; requests framed; responses read and refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, Dialled, fieldsOf, Heard, type KeptStream } from "../../../test/http/h1-harness.ts";
import { expected } from "../../core/error.ts";
import { type Exchange, requestHead } from "../message.ts";

const head = requestHead("POST", "/p", "http", "host:1", fieldsOf({ "content-type": "a/b" }));
const get = requestHead("GET", "/g", "http", "host:1", fieldsOf({}));
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function opened(settings?: ConstructorParameters<typeof Dialled>[0]): Dialled {
  const dialled = new Dialled(settings);
  dialled.open();
  assert.deepEqual(dialled.events, ["opened", "pinged 0"]);
  return dialled;
}

interface Call {
  readonly sink: Heard;
  readonly exchange: Exchange;
  readonly stream: KeptStream;
}

function send(dialled: Dialled, body = "hello"): Call {
  const sink = new Heard();
  const before = dialled.streams.map((stream) => stream.output.length);
  const exchange = dialled.connection.request(head, false, sink);
  exchange.begin().writeBytes(bytesOf(body));
  exchange.end(true);
  dialled.clock.turn();
  const number = dialled.streams.findIndex((stream, i) => stream.output.length > (before[i] ?? -1));
  return { sink, exchange, stream: dialled.stream(number) };
}

test("it is open once its first socket is, and carries nothing before", () => {
  const dialled = new Dialled();
  assert.equal(dialled.connection.available, false);
  assert.throws(() => dialled.connection.request(get, true, new Heard()), { code: "unavailable", neverStarted: true });
  dialled.open();
  assert.equal(dialled.connection.available, true);
  assert.equal(dialled.connection.pingsSparingly, false);
});

test("head and whole body leave in one write, with the body's length", () => {
  const dialled = opened();
  const { stream } = send(dialled);
  assert.deepEqual(stream.writes,
    ["POST /p HTTP/1.1\r\nhost: host:1\r\ncontent-type: a/b\r\ncontent-length: 5\r\n\r\nhello"]);
});

test("a request without body says so only where its method has one", () => {
  const dialled = opened();
  dialled.connection.request(get, true, new Heard());
  dialled.clock.turn();
  assert.equal(dialled.stream(0).output, "GET /g HTTP/1.1\r\nhost: host:1\r\n\r\n");
  dialled.receive(ok);
  dialled.connection.request(head, true, new Heard());
  dialled.clock.turn();
  assert.match(dialled.stream(0).output, /content-length: 0\r\n\r\n$/);
});

test("a body that goes on is sent in chunks", () => {
  const dialled = opened();
  const exchange = dialled.connection.request(head, false, new Heard());
  dialled.clock.turn();
  exchange.begin().writeBytes(bytesOf("one"));
  exchange.end(false);
  dialled.clock.turn();
  exchange.begin();
  exchange.end(true);
  dialled.clock.turn();
  assert.match(dialled.stream().output, /transfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n$/);
});

test("heads that HTTP cannot carry are refused before anything is sent, and nothing is lost", () => {
  const dialled = opened();
  for (const bad of [
    requestHead("GET X", "/", "http", "h", fieldsOf({})), requestHead("", "/", "http", "h", fieldsOf({})),
    requestHead("CONNECT", "/", "http", "h", fieldsOf({})), requestHead("GET", "x", "http", "h", fieldsOf({})),
    requestHead("GET", "/a b", "http", "h", fieldsOf({})), requestHead("GET", "/\r\n", "http", "h", fieldsOf({})),
    requestHead("GET", "/#", "http", "h", fieldsOf({})), requestHead("GET", "/\u00e4", "http", "h", fieldsOf({})),
    requestHead("GET", "/", "http", "h\r\nx: y", fieldsOf({})), requestHead("GET", "/", "http", "h/x", fieldsOf({})),
    requestHead("GET", "/", "http", "h", fieldsOf({ x: "a\r\nb: c" })),
  ]) {
    assert.throws(() => dialled.connection.request(bad, true, new Heard()), { code: "invalid_argument" });
  }
  dialled.clock.turn();
  assert.equal(dialled.stream().output, "");
  assert.equal(dialled.connection.available, true);
  assert.equal(dialled.connection.inFlight, 0);
  assert.equal(dialled.streams.length, 1);
});

test("one exchange a socket: more sockets are made as needed, kept, and used again, the last one first", () => {
  const dialled = opened();
  const first = send(dialled);
  const second = new Heard();
  const exchange = dialled.connection.request(head, false, second);
  exchange.begin().writeBytes(bytesOf("2"));
  exchange.end(true);
  dialled.clock.turn();
  assert.equal(dialled.streams.length, 2);
  assert.equal(dialled.stream(1).output, "", "nothing is said before the socket is open");
  dialled.open(1);
  assert.match(dialled.stream(1).output, /\r\n\r\n2$/);
  dialled.receive(ok, 1);
  dialled.receive(ok, 0);
  assert.deepEqual(first.sink.events, ["head 200", "data ok last"]);
  assert.deepEqual(second.events, ["head 200", "data ok last"]);
  const third = send(dialled);
  assert.equal(third.stream, dialled.stream(0));
  assert.equal(dialled.streams.length, 2);
});

test("above maxSockets it is not available, and tells when it is again", () => {
  const dialled = opened({ maxSockets: 2 });
  send(dialled);
  dialled.connection.request(get, true, new Heard());
  assert.equal(dialled.connection.available, false);
  assert.throws(() => dialled.connection.request(get, true, new Heard()), { code: "unavailable", neverStarted: true });
  dialled.receive(ok, 0);
  assert.equal(dialled.connection.available, true);
  assert.deepEqual(dialled.events.slice(2), ["available"]);
});

const responses: Readonly<Record<string, readonly [string, readonly string[], boolean]>> = {
  "by length": [ok, ["head 200", "data ok last"], true],
  "without body": ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ["head 200 last"], true],
  "without phrase": ["HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", ["head 200 last"], true],
  "204": ["HTTP/1.1 204 No Content\r\n\r\n", ["head 204 last"], true],
  "304 with a length": ["HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ["head 304 last"], true],
  "chunked": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ["head 200", "data ok last"], true],
  "chunked with trailers": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
    ["head 200", "data ok", "trailers {\"a\":\"b\"}"], true],
  "behind informational ones": [
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${ok}`,
    ["head 200", "data ok last"], true],
  "with connection: close": [
    ok.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), ["head 200", "data ok last"], false],
  "of HTTP/1.0": [ok.replace("1.1", "1.0"), ["head 200", "data ok last"], false],
  "with something behind it": [`${ok}HTTP/1.1 200 OK\r\n`, ["head 200", "data ok last"], false],
};

for (const [name, [text, events, isKept]] of Object.entries(responses)) {
  test(`a response ${name}`, () => {
    for (const pieces of [[text], text.split("")]) {
      const dialled = opened();
      dialled.clock.advance(2_000);
      const { sink, stream } = send(dialled);
      for (const piece of pieces) dialled.receive(piece, 0);
      if (pieces.length === 1) assert.deepEqual(sink.events, events);
      assert.equal(sink.body, events.some((event) => event.startsWith("data")) ? "ok" : "");
      assert.ok(sink.isLast);
      assert.equal(stream.isOver, !isKept);
      assert.equal(dialled.connection.inFlight, 0);
      assert.ok(dialled.connection.available);
    }
  });
}

test("a response until the close ends with it, unless the close is a failure", () => {
  for (const error of [undefined, new Error("reset")]) {
    const dialled = opened();
    const { sink } = send(dialled);
    dialled.receive("HTTP/1.1 200 OK\r\n\r\nsome");
    dialled.receive("thing");
    dialled.stream().sink?.closed(error);
    assert.equal(sink.body, "something");
    assert.equal(sink.isLast, error === undefined);
    assert.equal(sink.errors.length, error === undefined ? 0 : 1);
    assert.equal(dialled.connection.inFlight, 0);
  }
});

test("the response to HEAD has no body, whatever its length says", () => {
  const dialled = opened();
  const sink = new Heard();
  dialled.connection.request(requestHead("HEAD", "/", "http", "h", fieldsOf({})), true, sink);
  dialled.clock.turn();
  dialled.receive("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
  assert.deepEqual(sink.events, ["head 200 last"]);
  const { sink: next } = send(dialled);
  dialled.receive("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
  assert.deepEqual(next.events, ["head 200"], "the same bytes answer another method otherwise");
});

for (const [name, text] of Object.entries({
  "no HTTP": "SSH-2.0-x\r\n\r\n",
  "HTTP/2.0": "HTTP/2.0 200 OK\r\n\r\n",
  "no status": "HTTP/1.1 OK\r\n\r\n",
  "a status of four digits": "HTTP/1.1 2000 OK\r\n\r\n",
  "no status of three digits": "HTTP/1.1 099 OK\r\n\r\n",
  "switching protocols": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "informational heads without end": "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(50),
  "length and chunks": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
  "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
  "an unknown coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
  "a bare LF": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
  "a folded field": "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
  "a head too large": `HTTP/1.1 200 OK\r\nA: ${"b".repeat(40_000)}\r\n\r\n`,
  "too many fields": `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(200)}\r\n`,
  "a bad chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
})) {
  test(`a response with ${name} fails its exchange and ends its socket`, () => {
    const dialled = opened();
    const { sink, stream } = send(dialled);
    dialled.receive(text);
    assert.equal(sink.errors.length, 1);
    assert.match(sink.errors[0]?.message ?? "", /^the server's response breaks the rules of HTTP\/1.1: ./);
    assert.equal(sink.errors[0]?.retryable, false);
    assert.ok(stream.isDestroyed);
    assert.equal(dialled.connection.inFlight, 0);
  });
}

test("data of the response are told before the request has ended; an early end ends the socket", () => {
  const dialled = opened();
  const sink = new Heard();
  const exchange = dialled.connection.request(head, false, sink);
  dialled.clock.turn();
  dialled.receive("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n");
  assert.deepEqual(sink.events, ["head 200", "data early"]);
  dialled.receive("0\r\n\r\n");
  assert.ok(sink.isLast);
  assert.ok(dialled.stream().isOver);
  exchange.begin().writeBytes(bytesOf("to nobody"));
  exchange.end(true);
  assert.equal(dialled.connection.inFlight, 0);
});

test("what a lost socket means depends on how far its request had come", () => {
  const fresh = opened();
  const { sink } = send(fresh);
  fresh.stream().sink?.closed();
  assert.equal(sink.errors[0]?.code, "unavailable");
  assert.equal(sink.errors[0]?.neverStarted, false);
  assert.equal(sink.errors[0]?.retryable, true);

  const kept = opened();
  send(kept);
  kept.receive(ok);
  const again = send(kept);
  kept.stream().sink?.closed();
  assert.match(again.sink.errors[0]?.message ?? "", /had been kept from an earlier exchange/);
  assert.equal(again.sink.errors[0]?.neverStarted, false);

  const unsent = opened();
  const heard = new Heard();
  unsent.connection.request(get, true, heard);
  unsent.stream().sink?.closed();
  assert.equal(heard.errors[0]?.neverStarted, true);

  const half = opened();
  const halfway = send(half);
  half.receive(ok.slice(0, -1));
  half.stream().sink?.closed();
  assert.match(halfway.sink.errors[0]?.message ?? "", /in the middle of its response/);
});

test("it closes when its first socket cannot be made", () => {
  const dialled = new Dialled();
  dialled.stream().sink?.closed(new Error("refused"));
  assert.deepEqual(dialled.events, ["closed"]);
  assert.equal(dialled.closedWith?.neverStarted, true);
});

test("an unused socket that is lost is no loss, unless no other can be made", () => {
  const dialled = opened();
  dialled.clock.advance(2_000);
  dialled.stream().sink?.closed();
  assert.ok(dialled.connection.available);
  assert.equal(dialled.streams.length, 2, "it looks at once whether the server is still there");
  dialled.open();
  assert.deepEqual(dialled.events.slice(2), ["pinged 0"]);
  dialled.clock.advance(2_000);
  dialled.stream().sink?.closed();
  dialled.stream().sink?.closed(new Error("refused"));
  assert.deepEqual(dialled.events.slice(3), ["closed"]);
});

test("when answers end their sockets, a spare one is made ahead of the next request, at most once a second", () => {
  const dialled = opened();
  const closing = ok.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
  send(dialled);
  dialled.receive(closing);
  assert.equal(dialled.streams.length, 1);
  assert.ok(dialled.connection.available);
  dialled.clock.advance(1_000);
  dialled.connection.request(get, true, new Heard());
  dialled.open();
  dialled.receive(closing);
  assert.equal(dialled.streams.length, 3);
  dialled.open();
  assert.equal(send(dialled).stream, dialled.stream(2));
});

test("a server that closes what it accepts is not asked again and again", () => {
  const dialled = opened();
  dialled.stream().sink?.closed();
  assert.deepEqual(dialled.events.slice(2), ["closed"]);
  assert.equal(dialled.streams.length, 1);
});

test("when no socket can be made any more, exchanges under way go on, and then it closes", () => {
  const dialled = opened();
  const first = send(dialled);
  const second = new Heard();
  dialled.connection.request(get, true, second);
  dialled.stream(1).sink?.closed(new Error("refused"));
  assert.equal(second.errors[0]?.neverStarted, true);
  assert.equal(dialled.connection.available, false);
  assert.match(dialled.events[2] ?? "", /^draining: refused/);
  dialled.receive(ok, 0);
  assert.ok(first.sink.isLast);
  assert.deepEqual(dialled.events.slice(3), ["closed"]);
});

test("a ping opens a spare socket and disturbs nobody", () => {
  const dialled = opened();
  const { sink } = send(dialled);
  assert.equal(dialled.connection.ping(), true);
  assert.equal(dialled.connection.ping(), false, "one at a time");
  dialled.clock.advance(7);
  dialled.open();
  assert.deepEqual(dialled.events.slice(2), ["pinged 7"]);
  assert.equal(dialled.connection.lastReceivedMs, dialled.clock.now());
  dialled.receive(ok, 0);
  assert.ok(sink.isLast);
  dialled.connection.ping();
  dialled.open();
  assert.equal(dialled.streams.length, 3);
  assert.ok(dialled.stream(2).isEnded, "there were spare ones enough");
});

test("unused sockets are kept for keepAliveMs, or less if the server says so or has heard nothing on them", () => {
  const silent = opened({ keepAliveMs: 10_000 });
  silent.clock.advance(2_900);
  assert.ok(!silent.stream().isOver);
  silent.clock.advance(200);
  assert.ok(silent.stream().isEnded);
  assert.ok(silent.connection.available);

  const dialled = opened({ keepAliveMs: 10_000 });
  send(dialled);
  dialled.receive(ok);
  dialled.clock.advance(9_000);
  assert.ok(!dialled.stream().isOver);
  dialled.clock.advance(1_000);
  assert.ok(dialled.stream().isEnded);
  assert.ok(dialled.connection.available);

  const hinted = opened({ keepAliveMs: 10_000 });
  send(hinted);
  hinted.receive(ok.replace("\r\n\r\n", "\r\nKeep-Alive: timeout=5\r\n\r\n"));
  hinted.clock.advance(10_000);
  hinted.clock.advance(1);
  assert.ok(hinted.stream().isEnded);
});

test("bytes that nobody asked for end their socket", () => {
  const dialled = opened();
  send(dialled);
  dialled.receive(ok);
  dialled.clock.advance(2_000);
  dialled.receive("HTTP/1.1 408 Request Timeout\r\n\r\n");
  assert.ok(dialled.stream(0).isDestroyed);
});

test("a response is held back while too much of it is unread", () => {
  const dialled = opened({ windowBytes: 100 });
  const { exchange, stream } = send(dialled);
  dialled.receive(`HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n${"x".repeat(300)}`);
  assert.ok(stream.isPaused);
  exchange.consumed(250);
  assert.ok(!stream.isPaused);
});

test("a server that does not read is told of by writable, and cut off at maxQueuedBytes", () => {
  const dialled = opened({ maxQueuedBytes: 150_000 });
  const sink = new Heard();
  const exchange = dialled.connection.request(head, false, sink);
  dialled.stream().isStuck = true;
  for (let i = 0; i < 2; i++) {
    exchange.begin().writeBytes(new Uint8Array(80_000));
    exchange.end(false);
  }
  assert.equal(exchange.writable, false);
  dialled.stream().flow();
  assert.deepEqual(sink.events, ["writable"]);
  dialled.stream().isStuck = true;
  for (let i = 0; i < 3; i++) {
    exchange.begin().writeBytes(new Uint8Array(80_000));
    exchange.end(false);
  }
  assert.equal(sink.errors[0]?.code, "resource_exhausted");
  assert.ok(dialled.stream().isDestroyed);
});

test("what is sent before the socket is open waits, writable says so, and then leaves", () => {
  const dialled = opened();
  send(dialled);
  const sink = new Heard();
  const exchange = dialled.connection.request(head, false, sink);
  for (let i = 0; i < 3; i++) {
    exchange.begin().writeBytes(new Uint8Array(50_000).fill(97 + i));
    exchange.end(false);
  }
  dialled.clock.turn();
  assert.equal(dialled.stream(1).output, "");
  assert.equal(exchange.writable, false);
  dialled.open(1);
  assert.equal(exchange.writable, true);
  assert.ok(sink.events.includes("writable"));
  assert.match(dialled.stream(1).output, /chunked\r\n\r\n249f0\r\na{50000}b{50000}c{50000}\r\n$/);
});

test("a reset ends its socket alone, and its sink hears nothing", () => {
  const dialled = opened();
  const { sink, exchange, stream } = send(dialled);
  exchange.reset("cancel");
  exchange.reset("cancel");
  assert.ok(stream.isDestroyed);
  assert.deepEqual(sink.events, []);
  assert.equal(dialled.connection.inFlight, 0);
  assert.ok(dialled.connection.available);
  const early = dialled.connection.request(get, true, new Heard());
  early.reset("cancel");
  assert.ok(dialled.connection.available, "that we did not wait for a socket says nothing of the server");
});

test("close lets exchanges end, abort does not", () => {
  const closing = opened();
  const { sink } = send(closing);
  closing.connection.close(1_000);
  assert.equal(closing.connection.available, false);
  closing.receive(ok);
  assert.ok(sink.isLast);
  assert.deepEqual(closing.events.slice(2), ["closed"]);
  assert.equal(closing.closedWith, undefined);

  const late = opened();
  const cut = send(late);
  late.connection.close(1_000);
  late.clock.advance(1_000);
  assert.equal(cut.sink.errors.length, 1);
  assert.deepEqual(late.events.slice(2), ["closed"]);

  const aborted = opened();
  const dead = send(aborted);
  const why = expected("unavailable", "nothing was heard");
  aborted.connection.abort(why);
  assert.deepEqual(dead.sink.errors, [why]);
  assert.equal(aborted.closedWith, why);
  assert.ok(aborted.stream().isDestroyed);
});

test("a sink that throws ends its exchange, not the process", () => {
  const dialled = opened();
  const sink = new Heard();
  sink.head = () => {
    throw new Error("a bug");
  };
  dialled.connection.request(get, true, sink);
  dialled.clock.turn();
  dialled.receive(ok);
  assert.equal(sink.errors[0]?.code, "internal");
});
