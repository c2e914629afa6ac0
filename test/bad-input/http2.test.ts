/** Bad HTTP/2 under good protocols, in raw bytes against the real server: streams that break the rules. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorCode, FrameType } from "../../src/http/h2/constants.ts";
import { requestHead } from "../../src/http/index.ts";
import { envelope } from "../conformance/raw-exchange.ts";
import { frame, RawHttp2 } from "../http/raw-http2.ts";
import { type Harness, onSockets } from "./harness.ts";
import { fine, serving, text } from "./http-harness.ts";
import { join } from "./raw-peer.ts";

const message = envelope(fine);
const data = (id: number, bytes: Uint8Array, last: boolean): Uint8Array =>
  frame(FrameType.data, last ? 1 : 0, id, bytes);
const fields = (more: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.assign(Object.create(null) as Record<string, string>, { "content-type": "application/grpc", ...more });
const head = (method = "Echo", more?: Readonly<Record<string, string>>) =>
  requestHead("POST", `/bad.v1.Target/${method}`, "http", "server", fields(more));

async function opened({ runtime, address, sleep }: Harness): Promise<RawHttp2> {
  const raw = new RawHttp2(false);
  raw.stream = runtime.network.connect(address, raw);
  await sleep(20);
  raw.open();
  await sleep(20);
  return raw;
}

/** The fields of each HEADERS frame of a stream. */
const headsOf = (raw: RawHttp2, id: number) => raw.of(FrameType.headers, id).map(({ payload }) =>
  raw.decoder.decode(payload, 0, payload.length));
const resetOf = (raw: RawHttp2, id: number): number | undefined => {
  const payload = raw.of(FrameType.reset, id)[0]?.payload;
  return payload === undefined ? undefined : Buffer.from(payload).readUInt32BE(0);
};

async function until(harness: Harness, condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 3_000, "it never came");
    await harness.sleep(10);
  }
}

/** A good call on this connection, answered as it should be. */
async function serves(harness: Harness, raw: RawHttp2, id: number): Promise<void> {
  raw.send(raw.headers(id, head(), false), data(id, message, true));
  await until(harness, () => raw.of(FrameType.headers, id).length === 2);
  assert.deepEqual([...raw.of(FrameType.data, id)[0]?.payload ?? []], [...message]);
}

test("trailers of a request end it, and say nothing", () => onSockets(serving, async (harness) => {
  const raw = await opened(harness);
  const trailers = requestHead("", "", "", "", Object.assign(Object.create(null) as object, { "grpc-status": "7" }));
  raw.send(raw.headers(1, head(), false), data(1, message, false), raw.headers(1, trailers, true));
  await until(harness, () => raw.of(FrameType.headers, 1).length === 2);
  assert.equal(headsOf(raw, 1)[1]?.fields["grpc-status"], "0");
  raw.send(raw.headers(3, head(), false), raw.headers(3, trailers, true));
  await until(harness, () => raw.of(FrameType.headers, 3).length === 1);
  const said = headsOf(raw, 3)[0]?.fields;
  assert.deepEqual([said?.["grpc-status"], said?.["grpc-message"]],
    ["12", "no message came for a method that takes exactly one"]);
  await serves(harness, raw, 5);
}));

const broken: readonly [string, (raw: RawHttp2) => readonly Uint8Array[], number][] = [
  ["DATA behind END_STREAM", (raw) => [raw.headers(1, head("Never"), false), data(1, envelope(text("")), true),
    data(1, message, true)], ErrorCode.streamClosed],
  ["HEADERS behind END_STREAM", (raw) => [raw.headers(1, head("Never"), false), data(1, envelope(text("")), true),
    raw.headers(1, head(), true)], ErrorCode.streamClosed],
  ["a second head", (raw) => [raw.headers(1, head(), false), raw.headers(1, head(), true)], ErrorCode.protocol],
  ["a body longer than its content-length", (raw) => [raw.headers(1, head("Echo", { "content-length": "3" }), false),
    data(1, message, true)], ErrorCode.protocol],
  ["a body shorter than its content-length", (raw) => [raw.headers(1, head("Echo", { "content-length": "99" }), false),
    data(1, message, true)], ErrorCode.protocol],
  ["a field of HTTP/1.1", (raw) => [rawHeaders(raw, 1, [["connection", "close"]])], ErrorCode.protocol],
  ["an upper-case field", (raw) => [rawHeaders(raw, 1, [["X-Y", "z"]])], ErrorCode.protocol],
];

/** Fields that no encoder of ours would send: literals without indexing (RFC 7541, section 6.2.2). */
function rawHeaders(raw: RawHttp2, id: number, more: readonly (readonly [string, string])[]): Uint8Array {
  const block = raw.encoder.encode(head());
  const literal = (value: string): Uint8Array => join([value.length], value);
  return frame(FrameType.headers, 4, id, join(block, ...more.map(([name, value]) =>
    join([0], literal(name), literal(value)))));
}

for (const [name, frames, errorCode] of broken) {
  test(`${name} costs the stream, not the connection`, () => onSockets(serving, async (harness) => {
    const raw = await opened(harness);
    raw.send(...frames(raw));
    await until(harness, () => resetOf(raw, 1) !== undefined);
    assert.equal(resetOf(raw, 1), errorCode);
    await serves(harness, raw, 3);
    assert.equal(raw.goAway, undefined);
    raw.stream?.destroy();
  }));
}

test("duplicate fields are one list, which no timeout is", () => onSockets(serving, async (harness) => {
  const raw = await opened(harness);
  raw.send(rawHeaders(raw, 1, [["grpc-timeout", "1S"], ["grpc-timeout", "2S"]]), data(1, message, true));
  await until(harness, () => raw.of(FrameType.headers, 1).length > 0);
  const said = headsOf(raw, 1)[0]?.fields;
  assert.equal(said?.["grpc-status"], "3");
  assert.match(said?.["grpc-message"] ?? "", /grpc-timeout is "1S, 2S", expected/);
  await serves(harness, raw, 3);
}));

const bombs: readonly [string, readonly (readonly [string, string])[]][] = [
  ["one field of 40 KB", [["x-large", "x".repeat(40_000)]]],
  ["300 fields", Array.from({ length: 300 }, (_, i) => [`x-${i}`, "1"] as const)],
  ["a cookie of 200 crumbs", Array.from({ length: 300 }, () => ["cookie", "a=b"] as const)],
];

for (const [name, more] of bombs) {
  test(`metadata bombs are answered 431: ${name}`, () => onSockets(serving, async (harness) => {
    const raw = await opened(harness);
    const whole = join(raw.encoder.encode(head()), ...more.map(([field, value]) => join([0], [field.length], field,
      value.length < 127 ? [value.length] : [127, ...varint(value.length - 127)], value)));
    const parts = Array.from({ length: Math.ceil(whole.length / 16_000) }, (_, i) =>
      whole.subarray(i * 16_000, (i + 1) * 16_000));
    raw.send(...parts.map((part, i) => frame(i === 0 ? FrameType.headers : FrameType.continuation,
      i === parts.length - 1 ? 4 : 0, 1, part)));
    await until(harness, () => raw.of(FrameType.headers, 1).length > 0);
    assert.equal(headsOf(raw, 1)[0]?.status, 431);
    await serves(harness, raw, 3);
    raw.stream?.destroy();
  }));
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...varint(value >>> 7)];
}
