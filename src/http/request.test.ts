/** The requester against servers of others: node:http, and sockets that say what no server should. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createRawServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import type { RpcError } from "../core/error.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import { jsonOf, statusError } from "./request-answer.ts";
import { httpRequester, type HttpRequester, type HttpRequesterOptions } from "./request.ts";

const timeout = 120_000;

async function requesterOf(
  context: TestContext, listener: RequestListener, options: Partial<HttpRequesterOptions> = {},
): Promise<HttpRequester> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return requesterAt(context, (server.address() as AddressInfo).port, options);
}

function requesterAt(context: TestContext, port: number, options: Partial<HttpRequesterOptions>): HttpRequester {
  const requester = httpRequester(nodeRuntime, { address: `127.0.0.1:${port}`, name: "peer", ...options });
  context.after(() => requester.close());
  return requester;
}

/** A server that says `bytes` to whatever it is asked, in pieces. */
async function rawPort(context: TestContext, accept: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createRawServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    accept(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of request.setEncoding("utf8")) text += piece as string;
  return text;
}

const get = { method: "GET", path: "/x" };

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const seen: string[] = [];
  for await (const line of lines) seen.push(line);
  return seen;
}

test("a request has its method, path, fields and body; its answer status, fields and text", { timeout }, async (t) => {
  const echo = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, url, headers } = request;
    response.writeHead(201, { "x-seen": `${method} ${url} ${String(headers["x-token"])} ${headers["content-type"]}` });
    response.end(`<${await bodyOf(request)}>`);
  };
  const requester = await requesterOf(t, (q, r) => void echo(q, r), { fields: { "X-Token": "a" } });
  const answer = await requester.request({ method: "PUT", path: "/p?q=%20", body: "größe" });
  assert.deepEqual([answer.status, answer.fields["x-seen"], answer.text],
    [201, "PUT /p?q=%20 a application/json", "<größe>"]);
  const other = await requester.request({ ...get, fields: { "x-token": "b" } });
  assert.equal(other.fields["x-seen"], "GET /x b undefined");
});

test("sockets are used again, and a long poll holds up nobody", { timeout }, async (t) => {
  const sockets = new Set<Socket>();
  let release: (() => void) | undefined;
  const requester = await requesterOf(t, (request, response) => {
    sockets.add(request.socket);
    if (request.url === "/poll") release = () => void response.end("woken");
    else response.end("quick");
  });
  const poll = requester.request({ method: "GET", path: "/poll" });
  for (let i = 0; i < 20; i++) assert.equal((await requester.request(get)).text, "quick");
  release?.();
  assert.equal((await poll).text, "woken");
  assert.equal(sockets.size, 2);
});

test("above maxRequests they wait in order, above maxWaiting they are refused", { timeout }, async (t) => {
  const waiting: ServerResponse[] = [];
  const listener: RequestListener = (_, response) => void waiting.push(response);
  const requester = await requesterOf(t, listener, { maxRequests: 1, maxWaiting: 2 });
  const ask = (n: number) => requester.request({ method: "GET", path: `/${n}` });
  const answers = [ask(1)];
  await until(() => waiting.length === 1);
  answers.push(ask(2), ask(3));
  await assert.rejects(requester.request(get), { code: "resource_exhausted", neverStarted: true });
  for (let n = 1; n <= 3; n++) {
    await until(() => waiting.length > 0);
    const response = waiting.pop() as ServerResponse;
    response.end(response.req.url);
  }
  assert.deepEqual((await Promise.all(answers)).map(({ text }) => text), ["/1", "/2", "/3"]);
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("whoever does not answer in time fails, and another request takes another connection", { timeout }, async (t) => {
  let isStalled = false;
  const requester = await requesterOf(t, (_, response) => {
    if (!isStalled) response.end("ok");
  });
  // On a connection that is open: a slow machine might not open one in so short a time.
  assert.equal((await requester.request(get)).text, "ok");
  isStalled = true;
  await assert.rejects(requester.request({ ...get, timeoutMs: 50 }),
    { code: "deadline_exceeded", message: "peer: GET /x: no answer within 50 ms", neverStarted: false });
  isStalled = false;
  assert.equal((await requester.request(get)).text, "ok");
});

test("an answer that goes on too slowly fails as a whole", { timeout }, async (t) => {
  const requester = await requesterOf(t, (_, response) => {
    const timer = setInterval(() => response.write("."), 5);
    response.on("close", () => clearInterval(timer));
  });
  // A slow machine may need longer than that for the head: then it has more time.
  for (let timeoutMs = 100; ; timeoutMs *= 3) {
    const error = await requester.request({ ...get, timeoutMs }).then(() => undefined, (caught: RpcError) => caught);
    assert.equal(error?.code, "deadline_exceeded");
    if (timeoutMs < 10_000 && error.message === `peer: GET /x: no answer within ${timeoutMs} ms`) continue;
    return assert.equal(error.message, `peer: GET /x: no complete answer within ${timeoutMs} ms`);
  }
});

for (const announced of [true, false]) {
  test(`too large an answer is refused, ${announced ? "announced" : "or found"} to be so`, { timeout }, async (t) => {
    const requester = await requesterOf(t, (_, response) => {
      if (announced) response.setHeader("content-length", 2_000);
      else response.flushHeaders();
      response.end(".".repeat(2_000));
    }, { maxBytes: 1_999 });
    await assert.rejects(requester.request(get), { code: "resource_exhausted", retryable: false });
    assert.equal((await requester.request({ ...get, maxBytes: 2_000 })).text.length, 2_000);
    await assert.rejects(requester.request({ ...get, body: "x".repeat(2_000) }), { code: "resource_exhausted" });
  });
}

test("nobody there is `unavailable`, never started; and it is tried anew", { timeout }, async (t) => {
  const server = createServer((_, response) => void response.end("back"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const requester = requesterAt(t, port, {});
  assert.equal((await requester.request(get)).text, "back");
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await until2(async () => {
    const error = await requester.request(get).then(() => undefined, (caught: unknown) => caught);
    return (error as { neverStarted?: boolean } | undefined)?.neverStarted === true;
  });
  await assert.rejects(requester.request(get), { code: "unavailable", neverStarted: true });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  assert.equal((await requester.request(get)).text, "back");
});

async function until2(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("a request whose new socket is refused is repeated once on a new connection", { timeout }, async (t) => {
  let first: Socket | undefined;
  const port = await rawPort(t, (socket) => {
    // The first socket stays with its long poll; the second is closed before it can say a word.
    if (first === undefined) first = socket;
    else socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  });
  const requester = requesterAt(t, port, {});
  const poll = requester.request({ method: "GET", path: "/poll" });
  await until(() => first !== undefined);
  assert.equal((await requester.request(get)).text, "ok");
  first?.destroy();
  await assert.rejects(poll, { code: "unavailable", neverStarted: false });
});

const garbage: Readonly<Record<string, readonly [string, string]>> = {
  "another protocol": ["\u0000\u0001\u0002\u0003", "internal"],
  "nothing, and closes": ["", "unavailable"],
  "half a head, and closes": ["HTTP/1.1 200 OK\r\nContent-", "unavailable"],
  "half a body, and closes": ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "unavailable"],
  "a chunk of no size": ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "internal"],
  "too long a head": [`HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n`, "internal"],
  "a compressed body": ["HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", "internal"],
};

for (const [what, [bytes, code]] of Object.entries(garbage)) {
  test(`a server that says ${what} gives ${code}`, { timeout }, async (t) => {
    const port = await rawPort(t, (socket) => void socket.once("data", () => socket.end(bytes)));
    const requester = requesterAt(t, port, {});
    await assert.rejects(requester.request(get), (error: { code: string; message: string }) => {
      assert.match(error.message, /^peer: GET \/x: /);
      return error.code === code;
    });
  });
}

test("what HTTP cannot carry is refused before it is sent", { timeout }, async (t) => {
  const requester = await requesterOf(t, (_, response) => void response.end());
  for (const bad of [{ path: "/ä" }, { path: "/a b" }, { method: "GET\r\n" }, { fields: { x: "a\r\nb: c" } }]) {
    await assert.rejects(requester.request({ ...get, ...bad }), { code: "invalid_argument" });
  }
  assert.equal((await requester.request(get)).status, 200);
});

test("a signal ends a request at once, and before it begins", { timeout }, async (t) => {
  const gone = Promise.withResolvers<void>();
  const requester = await requesterOf(t, (_, response) => void response.on("close", gone.resolve));
  const end = new AbortController();
  const poll = requester.request({ ...get, signal: end.signal });
  setTimeout(() => end.abort(), 50);
  await assert.rejects(poll, { code: "cancelled" });
  await gone.promise;
  await assert.rejects(requester.request({ ...get, signal: end.signal }), { code: "cancelled", neverStarted: true });
});

test("a close ends all, and nothing begins behind it", { timeout }, async (t) => {
  const requester = await requesterOf(t, (_, response) => response.flushHeaders());
  const { lines } = await requester.stream(get);
  const pending = requester.request(get);
  const read = all(lines());
  await requester.close();
  await assert.rejects(pending, { code: "cancelled" });
  await assert.rejects(read, { code: "cancelled" });
  await assert.rejects(requester.request(get), { code: "cancelled" });
});

test("a stream is told line by line as it comes, whatever its pieces are", { timeout }, async (t) => {
  const bytes = Buffer.from('{"a":"größe"}\n\n{"b":1}\r\n{"c":2}');
  const requester = await requesterOf(t, (_, response) => {
    let at = 0;
    const timer = setInterval(() => {
      if (at < bytes.length) response.write(bytes.subarray(at, at += 3));
      else {
        clearInterval(timer);
        response.end();
      }
    }, 1);
  });
  const stream = await requester.stream(get);
  assert.equal(stream.status, 200);
  assert.deepEqual(await all(stream.lines()), ['{"a":"größe"}', '{"b":1}', '{"c":2}']);
  assert.equal((await all((await requester.stream(get)).chunks())).join(""), bytes.toString());
  assert.equal(await (await requester.stream(get)).text(), bytes.toString());
});

test("a stream that is cut fails behind its last whole line", { timeout }, async (t) => {
  const requester = await requesterOf(t, (_, response) => {
    response.write("one\ntwo\nthr", () => setTimeout(() => response.destroy(), 20));
  });
  const seen: string[] = [];
  await assert.rejects(async () => {
    for await (const line of (await requester.stream(get)).lines()) seen.push(line);
  }, { code: "unavailable" });
  assert.deepEqual(seen, ["one", "two"]);
});

for (const ended of [true, false]) {
  test(`too long a line fails, ${ended ? "whole" : "or still going on"}`, { timeout }, async (t) => {
    const requester = await requesterOf(t, (_, response) => {
      response.write(`short\n${"x".repeat(1_000)}`);
      if (ended) response.end("\n");
    }, { maxLineBytes: 999 });
    const seen: string[] = [];
    await assert.rejects(async () => {
      for await (const line of (await requester.stream(get)).lines()) seen.push(line);
    }, { code: "resource_exhausted", message: "peer: GET /x: a line has more than 999 bytes (maxLineBytes)" });
    assert.deepEqual(seen, ["short"]);
  });
}

test("a silent stream fails, a slow reader does not", { timeout }, async (t) => {
  const requester = await requesterOf(t, (_, response) => void response.write("one\n"));
  const stream = await requester.stream({ ...get, silenceMs: 50 });
  // Its line waits here unread for longer than that.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const lines = stream.lines();
  assert.equal((await lines.next()).value, "one");
  await assert.rejects(lines.next(),
    { code: "deadline_exceeded", message: "peer: GET /x: nothing came for 50 ms", retryable: true });
});

test("a reader who stops, and a signal, end the stream", { timeout }, async (t) => {
  let closed = 0;
  const requester = await requesterOf(t, (_, response) => {
    response.write("one\ntwo\n");
    response.on("close", () => void closed++);
  });
  for await (const line of (await requester.stream(get)).lines()) {
    assert.equal(line, "one");
    break;
  }
  await until(() => closed === 1);
  const end = new AbortController();
  const lines = (await requester.stream({ ...get, signal: end.signal })).lines();
  await lines.next();
  end.abort();
  await assert.rejects(async () => {
    for (;;) await lines.next();
  }, { code: "cancelled" });
  await until(() => closed === 2);
});

test("a server that writes faster than it is read is held back", { timeout }, async (t) => {
  let writtenBytes = 0;
  const line = `${"x".repeat(9_999)}\n`;
  const requester = await requesterOf(t, (_, response) => {
    const go = (): void => {
      for (let goesOn = true; goesOn && writtenBytes < 50_000_000; writtenBytes += line.length) {
        goesOn = response.write(line);
      }
      if (writtenBytes < 50_000_000) response.once("drain", go);
      else response.end();
    };
    go();
  });
  const stream = await requester.stream(get);
  let before = -1;
  while (writtenBytes !== before) {
    before = writtenBytes;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.ok(writtenBytes < 40_000_000, `${writtenBytes} bytes were taken from the server unread`);
  assert.equal((await all(stream.lines())).length, Math.ceil(50_000_000 / line.length));
});

test("statuses become codes, bodies become JSON, and what is neither is said", () => {
  const fields = { "content-type": "text/html; charset=utf-8" };
  assert.equal(statusError("peer", { status: 403, text: "Permission\ndenied" }).message,
    "peer answered 403: Permission denied");
  assert.deepEqual([401, 403, 404, 429, 500, 302].map((status) => statusError("peer", { status, text: "" }).code),
    ["unauthenticated", "permission_denied", "not_found", "resource_exhausted", "unavailable", "unknown"]);
  assert.ok(statusError("peer", { status: 500, text: "x".repeat(10_000) }).message.length < 300);
  assert.deepEqual(jsonOf("peer", { fields, text: "[1]" }), [1]);
  assert.throws(() => jsonOf("peer", { fields, text: "<html><body>Log in" }), {
    code: "internal",
    message: "peer answered no JSON (text/html): <html><body>Log in; a proxy or a login page may stand before it",
  });
});
