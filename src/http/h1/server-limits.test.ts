/** How long and for how much a server waits, and how it ends connections of its own accord. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { caught, echo, fieldsOf, Heard, say, serve } from "../../../test/http/h1-harness.ts";
import { expected } from "../../core/error.ts";
import { Head } from "../message.ts";

const get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const post = (body: string): string => `POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const ok = new Head(fieldsOf({ "content-type": "text/plain" }), 200);

test("each wait for the client has an end", () => {
  const settings = { headTimeoutMs: 3_000, idleTimeoutMs: 5_000, stallTimeoutMs: 4_000 };
  const first = serve(echo, settings);
  first.sweep(5_000);
  assert.ok(first.stream.isEnded);
  assert.equal(first.stream.output, "");

  const head = serve(echo, settings);
  for (let i = 0; i < 5; i++) {
    head.send(get[i] as string);
    head.sweep(1_000);
  }
  assert.match(head.stream.output, /^HTTP\/1.1 408 Request Timeout\r\n/);

  const idle = serve(echo, settings);
  idle.send(get);
  idle.sweep(4_000);
  assert.ok(!idle.stream.isOver);
  idle.sweep(3_000);
  assert.ok(idle.stream.isEnded);
  assert.deepEqual(idle.ended, [undefined]);

  const body = serve(echo, settings);
  body.send(post("hello").slice(0, -2));
  body.sweep(3_000);
  body.send("l");
  body.sweep(3_000);
  assert.ok(!body.stream.isOver);
  body.sweep(3_000);
  assert.match(body.stream.output, /^HTTP\/1.1 408 Request Timeout\r\n/);

  const slow = serve(() => new Heard(), settings);
  slow.send(get);
  slow.sweep(60_000);
  assert.ok(!slow.stream.isOver, "a handler takes the time that its deadline gives");
});

test("a client that does not read is cut off, by time and by bytes", () => {
  const all = caught();
  const served = serve(all.handle, { stallTimeoutMs: 4_000 });
  served.stream.isStuck = true;
  served.send(get);
  all.exchanges[0]?.head(ok, false);
  say(all.exchanges[0], "x".repeat(100_000), false);
  assert.equal(all.exchanges[0]?.writable, false);
  served.sweep(4_000);
  served.stream.bufferedBytes -= 1;
  served.sweep(4_000);
  assert.ok(!served.stream.isOver);
  served.sweep(2_000);
  assert.ok(served.stream.isDestroyed);
  assert.deepEqual(all.sinks[0]?.events, ["failed"]);

  const other = caught();
  const queue = serve(other.handle, { maxQueuedBytes: 150_000 });
  queue.stream.isStuck = true;
  queue.send(get);
  other.exchanges[0]?.head(ok, false);
  for (let i = 0; i < 3; i++) say(other.exchanges[0], "x".repeat(100_000), false);
  assert.ok(queue.stream.isDestroyed);
  assert.equal(queue.ended[0]?.code, "resource_exhausted");
});

test("writable is told when the client reads again", () => {
  const all = caught();
  const served = serve(all.handle);
  served.stream.isStuck = true;
  served.send(get);
  all.exchanges[0]?.head(ok, false);
  say(all.exchanges[0], "x".repeat(100_000), false);
  served.stream.flow();
  assert.deepEqual(all.sinks[0]?.events, ["writable"]);
  assert.equal(all.exchanges[0]?.writable, true);
});

test("maxRequests: the last answer says that it is the last", () => {
  const served = serve(echo, { maxRequests: 2 });
  served.send(get, get, get);
  assert.equal(served.stream.output.split("HTTP/1.1 200").length, 3);
  assert.match(served.stream.writes[1] ?? "", /connection: close/);
});

const leaving = expected("unavailable", "the server is shutting down", { neverStarted: true });

test("draining: idle connections end at once, others after their answer, which says so", () => {
  const idle = serve(echo);
  idle.send(get);
  idle.connection.drain(leaving);
  assert.ok(idle.stream.isEnded);

  const all = caught();
  const busy = serve(all.handle);
  busy.send(get + get);
  busy.connection.drain(leaving);
  assert.ok(!busy.stream.isOver);
  assert.equal(busy.connection.inFlight, 1);
  all.exchanges[0]?.head(ok, true);
  assert.match(busy.stream.output, /connection: close/);
  assert.ok(busy.stream.isEnded);
  assert.equal(all.requests.length, 1);

  const begun = serve(echo);
  begun.send(get.slice(0, 10));
  begun.connection.drain(leaving);
  begun.send(get.slice(10));
  assert.match(begun.stream.output, /^HTTP\/1.1 200 OK\r\n.*connection: close/s);
});

test("closing: a request without an answer gets 503, one with half an answer is cut", () => {
  const all = caught();
  const served = serve(all.handle);
  served.send(get);
  served.connection.close(leaving);
  assert.match(served.stream.output, /^HTTP\/1.1 503 Service Unavailable\r\n.*shutting down\n$/s);
  assert.deepEqual(all.sinks[0]?.events, ["failed"]);

  const other = caught();
  const half = serve(other.handle);
  half.send(get);
  other.exchanges[0]?.head(ok, false);
  half.clock.turn();
  half.connection.close(leaving);
  assert.ok(half.stream.isDestroyed);
});
