import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError } from "../../core/error.ts";
import { type Head, requestHead } from "../../http/message.ts";
import type { Reply, RequestHead } from "../dialect.ts";
import { connectServer } from "./server.ts";

const dialect = connectServer();
const compressions = ["gzip", "br"];

function post(fields: Readonly<Record<string, string>>, path = "/a.v1.B/C"): Head {
  return requestHead("POST", path, "http", "h", Object.assign(Object.create(null) as Record<string, string>, fields));
}

function read(head: Head): RequestHead {
  const request = dialect.read(head, compressions);
  assert.ok(!RpcError.is(request) && !("head" in request));
  return request;
}

const unary = { "content-type": "application/json; charset=utf-8" };
const stream = { "content-type": "application/connect+proto" };

/** What a head says, without what is no matter. */
const said = ({ status, fields }: Head) => ({ status, ...fields });
const bodyOf = ({ body }: Reply): unknown => JSON.parse(new TextDecoder().decode(body));

test("claims what is Connect's, and leaves the rest", () => {
  for (const type of ["application/proto", "Application/JSON", "application/connect+x", "application/msgpack"]) {
    assert.ok(dialect.claims(post({ "content-type": type })), type);
  }
  for (const type of ["application/grpc", "application/grpc-web", "text/html", "application/xml", ""]) {
    assert.ok(!dialect.claims(post({ "content-type": type })), type);
  }
  const get = (path: string) => dialect.claims(requestHead("GET", path, "http", "h", post({}).fields));
  assert.deepEqual([get("/a.v1.B/C?encoding=json&message=%7B%7D"), get("/"), get("/a?message=1")],
    [true, false, false]);
  assert.ok(!dialect.claims(requestHead("PUT", "/a.v1.B/C", "http", "h", post(unary).fields)));
});

test("reads heads of unary calls and of streams", () => {
  const one = read(post({
    ...unary, "connect-timeout-ms": "250", "content-encoding": "gzip", "accept-encoding": "br;q=0.5, gzip, zstd;q=0",
    "x-own": "1", "connect-other": "2", "user-agent": "x", "idempotency-key": "k%20",
  }));
  assert.deepEqual([one.path, one.codec, one.framing, one.kind, one.timeoutMs, one.compression, one.accepts],
    ["a.v1.B/C", "json", "bare", "unary", 250, "gzip", ["br", "gzip"]]);
  assert.deepEqual([{ ...one.metadata }, one.idempotencyKey], [{ "x-own": "1" }, "k "]);
  const many = read(post({ ...stream, "content-encoding": "br", "connect-content-encoding": "gzip" }));
  assert.deepEqual([many.codec, many.framing, many.kind, many.compression, many.accepts],
    ["proto", "enveloped", undefined, "gzip", ["gzip"]]);
  const query = "?connect=v1&base64=1&encoding=proto&message=AQI";
  const got = read(requestHead("GET", `/a.v1.B/C${query}`, "http", "h", post({}).fields));
  assert.deepEqual([got.path, got.codec, [...got.message ?? []]], ["a.v1.B/C", "proto", [1, 2]]);
});

test("refuses heads that break the rules, saying which", () => {
  const refused = (head: Head, strict = false) => {
    const answer = connectServer({ requireVersion: strict }).read(head, compressions);
    assert.ok(RpcError.is(answer));
    return `${answer.code}: ${answer.message}`;
  };
  assert.match(refused(post({ ...unary, "connect-timeout-ms": "1.5" })), /^invalid_argument: connect-timeout-ms/);
  assert.match(refused(post({ ...unary, "connect-timeout-ms": "12345678901" })), /ten digits/);
  assert.match(refused(post({ ...unary, "connect-protocol-version": "2" })), /expected 1/);
  assert.match(refused(post(unary), true), /missing/);
});

test("a unary call's trailing metadata stands in its head, which is one object where it says the same", () => {
  const request = read(post(unary));
  const plain = dialect.head(request, undefined, undefined, 2);
  assert.equal(plain, dialect.head(read(post(unary)), undefined, undefined, 2));
  assert.deepEqual(said(plain), {
    status: 200, "content-type": "application/json", "content-length": "2", "accept-encoding": "gzip, br",
  });
  const told = dialect.head(request, "gzip", { header: { a: "1" }, trailer: { b: "2" } }, 3);
  assert.deepEqual([told.fields["content-encoding"], told.fields["a"], told.fields["trailer-b"]], ["gzip", "1", "2"]);
  assert.throws(() => dialect.head(request, undefined, { header: { a: "\n" } }, 0), (error) => RpcError.is(error));
  assert.throws(() => dialect.head(request, undefined, { trailer: { "content-type": "x" } }, 0),
    (error) => RpcError.is(error));
});

test("a unary call fails with an HTTP status and JSON", () => {
  const error = new RpcError("not_found", "no such thing", {
    retryAfterMs: 25, details: [{ type: "a.B", value: Uint8Array.of(1) }], metadata: { why: "so" },
  });
  const reply = dialect.refusal(read(post(unary)), post(unary), error, { header: { h: "1" } }, undefined);
  assert.deepEqual(bodyOf(reply),
    { code: "not_found", message: "no such thing", details: [{ type: "a.B", value: "AQ" }] });
  const { "content-length": length, ...rest } = said(reply.head) as Record<string, unknown>;
  assert.equal(length, String(reply.body?.length));
  assert.deepEqual(rest, {
    status: 404, "content-type": "application/json", h: "1", "trailer-why": "so",
    "trailer-grpc-retry-pushback-ms": "25",
  });
});

test("a stream fails in its last envelope, with status 200", () => {
  const error = new RpcError("cancelled", "gone");
  const reply = dialect.refusal(read(post(stream)), post(stream), error, { trailer: { t: "1" } }, undefined);
  assert.equal(reply.head.status, 200);
  assert.equal(reply.head.fields["content-type"], "application/connect+proto");
  const body = reply.body ?? new Uint8Array(0);
  assert.deepEqual([body[0], new DataView(body.buffer, body.byteOffset).getUint32(1)], [2, body.length - 5]);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(body.subarray(5))),
    { error: { code: "canceled", message: "gone" }, metadata: { t: ["1"] } });
  const unread = dialect.refusal(undefined, post(stream), error, undefined, undefined);
  assert.equal(unread.head.fields["content-type"], "application/connect+proto");
});
