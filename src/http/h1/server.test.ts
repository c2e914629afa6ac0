/** The server half: what it makes of requests, how it frames responses, when it keeps and when it ends connections. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, caught, echo, fieldsOf, Heard, say, serve } from "../../../test/http/h1-harness.ts";
import { Head, type HttpHandler } from "../message.ts";

const get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const post = (body: string): string => `POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const ok = new Head(fieldsOf({ "content-type": "text/plain" }), 200);
const date = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
const begin = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n${date}`;

test("a request's head is read once: fields joined, names in lower case, without prototype", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send("POST /a?b=c HTTP/1.1\r\nHost: Example:80\r\nX-A:  1 \r\nx-a:\t2\r\n__proto__: p\r\nCookie: a\r\n" +
    "cookie: b\r\nEmpty:\r\nLatin: \xe4\r\n\r\n");
  const [request] = all.requests;
  assert.equal(request?.method, "POST");
  assert.equal(request.path, "/a?b=c");
  assert.equal(request.authority, "Example:80");
  assert.equal(request.scheme, "http");
  assert.equal(Object.getPrototypeOf(request.fields), null);
  assert.deepEqual({ ...request.fields }, {
    host: "Example:80", "x-a": "1, 2", ["__proto__"]: "p", cookie: "a; b", empty: "", latin: "\xe4",
  });
  assert.equal(request.memo, undefined);
  assert.deepEqual(all.lasts, [true]);
});

test("byte-identical heads are one object, others are not", () => {
  const heads: Head[] = [];
  const served = serve((request, exchange, last) => {
    heads.push(request);
    return echo(request, exchange, last);
  });
  const other = get.replace("/a", "/b");
  served.send(get, get, other, get, get + get, ...(get + other).split(""));
  assert.equal(heads.length, 8);
  const [first, second, third] = heads;
  assert.equal(first, second);
  assert.notEqual(first, third);
  assert.ok([heads[3], heads[4], heads[5], heads[6]].every((head) => head === first));
  assert.equal(heads[7], third);
});

test("what it keeps of heads is bounded, whatever comes", () => {
  const served = serve(echo);
  for (let i = 0; i < 500; i++) served.send(get.replace("/a", `/${i}`));
  assert.equal(served.stream.output.split("HTTP/1.1 200").length, 501);
});

test("a URL as target gives path and authority", () => {
  const all = caught();
  serve(all.handle).send("GET http://other:81?q HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal(all.requests[0]?.path, "/?q");
  assert.equal(all.requests[0]?.authority, "other:81");
});

test("head and whole body of one turn leave in one write, with the body's length", () => {
  const served = serve(echo);
  served.send(post("hello"));
  assert.deepEqual(served.stream.writes, [`${begin}content-length: 13\r\n\r\nPOST /p hello`]);
});

test("a body that goes on is sent in chunks, one a turn", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(get);
  const [exchange] = all.exchanges;
  exchange?.head(ok, false);
  served.clock.turn();
  assert.deepEqual(served.stream.writes, [`${begin}transfer-encoding: chunked\r\n\r\n`]);
  say(exchange, "one", false);
  say(exchange, "two", false);
  served.clock.turn();
  say(exchange, "x".repeat(20), false);
  served.clock.turn();
  say(exchange, "", true);
  served.clock.turn();
  assert.deepEqual(served.stream.writes.slice(1), ["6\r\nonetwo\r\n", `14\r\n${"x".repeat(20)}\r\n`, "0\r\n\r\n"]);
  served.send(get);
  assert.equal(all.requests.length, 2);
});

test("a piece taken back leaves no trace", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(get);
  const [exchange] = all.exchanges;
  exchange?.head(ok, false);
  say(exchange, "kept", false);
  exchange?.begin().writeBytes(bytesOf("lost"));
  exchange?.abort();
  say(exchange, "!", true);
  served.clock.turn();
  assert.equal(served.stream.output, `${begin}content-length: 5\r\n\r\nkept!`);
});

test("trailers stand behind the last chunk", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(get);
  const [exchange] = all.exchanges;
  exchange?.head(ok, false);
  say(exchange, "body", false);
  exchange?.trailers(new Head(fieldsOf({ "grpc-status": "0", "content-length": "4" })));
  served.clock.turn();
  assert.equal(served.stream.output,
    `${begin}transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\ngrpc-status: 0\r\n\r\n`);
});

test("a body of any size comes out whole, through several writes", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(get);
  const [exchange] = all.exchanges;
  exchange?.head(ok, false);
  let sent = "";
  for (const size of [10, 20_000, 5, 70_000, 65_000, 200_000, 1]) {
    const text = String.fromCharCode(97 + size % 26).repeat(size);
    const writer = exchange?.begin();
    // In small steps, so that the memory must grow in the middle.
    for (let i = 0; i < size; i += 997) writer?.writeBytes(bytesOf(text.slice(i, i + 997)));
    exchange?.end(false);
    sent += text;
  }
  say(exchange, "end", true);
  served.clock.turn();
  let rest = served.stream.output.slice(served.stream.output.indexOf("\r\n\r\n") + 4);
  let body = "";
  while (rest !== "") {
    const [size = ""] = rest.split("\r\n", 1);
    const length = Number.parseInt(size, 16);
    body += rest.slice(size.length + 2, size.length + 2 + length);
    assert.equal(rest.slice(size.length + 2 + length, size.length + 4 + length), "\r\n");
    rest = rest.slice(size.length + 4 + length);
  }
  assert.ok(body === `${sent}end`);
});

test("a head without body says so where its status could have one", () => {
  for (const [status, method, line] of [
    [200, "GET", "content-length: 0\r\n"], [204, "GET", ""], [304, "GET", ""], [200, "HEAD", ""],
  ] as const) {
    const served = serve((_request, exchange) => {
      exchange.head(new Head(fieldsOf({}), status), true);
      return new Heard();
    });
    served.send(get.replace("GET", method));
    assert.match(served.stream.output, new RegExp(`^HTTP/1.1 ${status} [A-Za-z ]+\r\n${date}${line}\r\n$`));
  }
});

test("the body of a response to HEAD, or of a status without one, stays here", () => {
  for (const [status, method] of [[200, "HEAD"], [204, "GET"], [304, "GET"]] as const) {
    const served = serve((_request, exchange) => {
      exchange.head(new Head(fieldsOf({}), status), false);
      say(exchange, "not sent", true);
      return new Heard();
    });
    const request = get.replace("GET", method);
    served.send(request, request);
    assert.ok(!served.stream.output.includes("not sent"));
    assert.equal(served.stream.output.split(`HTTP/1.1 ${status}`).length, 3);
  }
});

test("a content-length given with the head is kept to, or the connection ends", () => {
  for (const [length, isKept] of [[4, true], [3, false], [5, false]] as const) {
    const all = caught();
    const served = serve(all.handle);
    served.send(get);
    all.exchanges[0]?.head(new Head(fieldsOf({ "content-length": String(length) }), 200), false);
    say(all.exchanges[0], "ab", false);
    say(all.exchanges[0], "cd", true);
    served.clock.turn();
    assert.equal(served.stream.isDestroyed, !isKept);
    if (isKept) assert.match(served.stream.output, /content-length: 4\r\n.*\r\n\r\nabcd$/s);
    else assert.equal(all.sinks[0]?.errors.length, 1);
  }
});

test("nothing that could begin another line is ever written", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(get);
  for (const fields of [
    { x: "a\r\nb: c" }, { x: "a\nb" }, { x: "a\rb" }, { x: "a\0b" }, { x: "\u20ac" }, { "a b": "c" }, { "a:b": "c" },
    { "": "c" }, { "A": "c" }, { "a\r\nb": "c" }, { "content-length": "1, 2" },
  ]) {
    assert.throws(() => all.exchanges[0]?.head(new Head(fieldsOf(fields), 200), true), { code: "invalid_argument" });
  }
  for (const status of [0, 100, 101, 199, 600, 200.5]) {
    assert.throws(() => all.exchanges[0]?.head(new Head(fieldsOf({}), status), true), { code: "invalid_argument" });
  }
  all.exchanges[0]?.head(new Head(fieldsOf({ "transfer-encoding": "gzip", connection: "upgrade" }), 200), true);
  served.clock.turn();
  assert.equal(served.stream.output, `HTTP/1.1 200 OK\r\n${date}content-length: 0\r\n\r\n`);
});

test("chunked bodies are decoded, extensions ignored, trailers told, however the bytes were split", () => {
  const text = "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n" +
    "5;a=b\r\nhello\r\n00001 ;c=\"d\"\r\n!\r\n0\r\nX: y\r\nContent-Length: 3\r\n\r\n";
  for (const pieces of [[text + text], (text + text).split(""), [text.slice(0, 90), text.slice(90) + text]]) {
    const served = serve(echo);
    served.send(...pieces);
    assert.equal(served.stream.output.split("POST /p hello!{\"x\":\"y\"}").length, 3);
  }
});

test("the end of a chunked body is told with its last chunk, if both are here", () => {
  const all = caught();
  const served = serve(all.handle);
  const head = "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  served.send(`${head}3\r\nabc\r\n0\r\n\r\n`);
  assert.deepEqual(all.sinks[0]?.events, ["data abc last"]);
});

test("pipelined requests are answered in order, one at a time, and the first's answer goes with the second's", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(post("1") + get + post("3"));
  assert.equal(all.requests.length, 1);
  all.exchanges[0]?.head(ok, true);
  assert.equal(all.requests.length, 2);
  all.exchanges[1]?.head(ok, true);
  served.clock.turn();
  assert.equal(served.stream.writes.length, 1);
  assert.equal(all.requests.length, 3);
  assert.deepEqual(all.sinks[2]?.events, ["data 3 last"]);
});

test("requests sent ahead are held up to maxPipelinedBytes, then the stream is paused", () => {
  const all = caught();
  const served = serve(all.handle, { maxPipelinedBytes: 100 });
  served.send(get, get);
  assert.ok(!served.stream.isPaused);
  served.send(post("x".repeat(200)));
  assert.ok(served.stream.isPaused);
  all.exchanges[0]?.head(ok, true);
  all.exchanges[1]?.head(ok, true);
  assert.ok(!served.stream.isPaused);
});

test("many answers in one turn wait when the client does not read them", () => {
  let handled = 0;
  const served = serve((_request, exchange) => {
    handled++;
    exchange.head(ok, false);
    say(exchange, "x".repeat(30_000), true);
    return new Heard();
  });
  served.stream.isStuck = true;
  served.send(get.repeat(100));
  assert.ok(handled < 5, String(handled));
  while (served.stream.bufferedBytes > 0) {
    served.stream.flow();
    served.clock.turn();
  }
  assert.equal(handled, 100);
});

test("HTTP/1.0: the connection closes, unless it asked for more and the length is known", () => {
  const served = serve(echo);
  served.send("GET /a HTTP/1.0\r\n\r\n");
  assert.match(served.stream.output, /\r\ncontent-length: 7\r\nconnection: close\r\n\r\nGET \/a $/);
  assert.ok(served.stream.isEnded);

  const kept = serve(echo);
  kept.send("GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
  assert.match(kept.stream.output, /\r\nconnection: keep-alive\r\n\r\nGET \/a $/);
  assert.ok(!kept.stream.isOver);

  const all = caught();
  const open = serve(all.handle);
  open.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  all.exchanges[0]?.head(ok, false);
  say(all.exchanges[0], "one", false);
  open.clock.turn();
  say(all.exchanges[0], "two", true);
  open.clock.turn();
  assert.equal(open.stream.output, `${begin}connection: close\r\n\r\nonetwo`);
  assert.ok(open.stream.isEnded);
});

test("connection: close is honoured and answered", () => {
  const served = serve(echo);
  served.send(get.replace("\r\n\r\n", "\r\nConnection: x, Close\r\n\r\n") + get);
  assert.match(served.stream.output, /\r\nconnection: close\r\n/);
  assert.equal(served.stream.output.split("HTTP/1.1 200").length, 2);
  assert.ok(served.stream.isEnded);
  assert.deepEqual(served.ended, [undefined]);
  served.stream.sink?.closed();
  assert.equal(served.gone.count, 1);
});

test("a client that does not close after the end is cut off", () => {
  const served = serve(echo);
  served.send(get.replace("1.1", "1.0"));
  assert.ok(!served.stream.isDestroyed);
  served.clock.advance(1_000);
  assert.ok(served.stream.isDestroyed);
});

test("an upgrade is ignored: the request is answered as any other", () => {
  const served = serve(echo);
  const upgrade = "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n";
  served.send(get.replace("\r\n\r\n", upgrade));
  assert.match(served.stream.output, /^HTTP\/1.1 200 OK/);
});

const expecting = "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n";

test("100 (Continue) is sent when the body is wanted, not when the answer is there already", () => {
  const served = serve(echo);
  served.send(expecting);
  assert.equal(served.stream.output, "HTTP/1.1 100 Continue\r\n\r\n");
  served.send("hello");
  assert.match(served.stream.output, /Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);

  const refusing = serve((_request, exchange) => {
    exchange.head(new Head(fieldsOf({}), 401), true);
    return new Heard();
  });
  refusing.send(expecting);
  assert.match(refusing.stream.output, /^HTTP\/1.1 401 Unauthorized\r\n/);
  assert.ok(refusing.stream.isEnded);
});

test("a body that nobody wants any more is read to its end, up to maxDiscardedBytes", () => {
  const answer: HttpHandler = (_request, exchange) => {
    exchange.head(ok, true);
    return new Heard();
  };
  const served = serve(answer);
  served.send(post("x".repeat(60_000)), get);
  assert.equal(served.stream.output.split("HTTP/1.1 200").length, 3);
  const other = serve(answer, { maxDiscardedBytes: 1_000 });
  other.send(post("x".repeat(60_000)));
  assert.ok(other.stream.isEnded);
});

test("a body is held back while too much of it is unread", () => {
  const all = caught();
  const served = serve(all.handle, { windowBytes: 1_000 });
  served.send(post("x".repeat(5_000)).slice(0, -10));
  assert.ok(served.stream.isPaused);
  all.exchanges[0]?.consumed(4_500);
  assert.ok(!served.stream.isPaused);
});

test("the answer may begin before the request has ended", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(post("hello").slice(0, -2));
  all.exchanges[0]?.head(ok, false);
  say(all.exchanges[0], "early", false);
  served.clock.turn();
  assert.match(served.stream.output, /5\r\nearly\r\n$/);
  served.send("lo");
  assert.deepEqual(all.sinks[0]?.events, ["data hel", "data lo last"]);
  say(all.exchanges[0], "", true);
  served.send(get);
  assert.equal(all.requests.length, 2);
});

test("a client that is gone fails the exchange, once", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(post("hello").slice(0, -2));
  served.stream.sink?.closed();
  assert.deepEqual(all.sinks[0]?.events, ["data hel", "failed"]);
  say(all.exchanges[0], "to nobody", true);
  all.exchanges[0]?.reset("cancel");
  assert.equal(served.ended[0]?.code, "unavailable");
  assert.equal(served.gone.count, 1);
});

test("a reset destroys the connection, and the sink hears nothing", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(get);
  all.exchanges[0]?.reset("internal");
  assert.ok(served.stream.isDestroyed);
  assert.deepEqual(all.sinks[0]?.events, []);
  assert.deepEqual(served.ended, [undefined]);
});

test("a handler that throws is answered 500, without its secrets", () => {
  const served = serve(() => {
    throw new Error("password");
  });
  served.send(get);
  assert.match(served.stream.output, /^HTTP\/1.1 500 Internal Server Error\r\n/);
  assert.ok(!served.stream.output.includes("password"));
  assert.ok(served.stream.isEnded);
});
