/** Bad calls that every protocol over HTTP must refuse alike: its own error form, the code, and what to do about it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { onSockets, secret } from "./harness.ts";
import {
  ask, type BadCall, connectRaw, connectStreamSpoken, fine, maxMessageBytes, type Said, serving, type Spoken,
  stillServes, text, toldOf,
} from "./http-harness.ts";
import { join, run } from "./raw-peer.ts";

export interface BadCase {
  readonly name: string;
  readonly call: BadCall;
  readonly code: string;
  readonly says: RegExp;
}

const utf8 = (bytes: number[]): Uint8Array => join([8, 7, 18], run(bytes));
const zeros = new Uint8Array(4 << 20);
const bombs: readonly (readonly [string, Uint8Array])[] = [
  ["gzip", gzipSync(zeros)], ["br", brotliCompressSync(zeros)], ["zstd", zstdCompressSync(zeros)],
];

function nested(levels: number): Uint8Array {
  let inner = join([10], run("leaf"));
  for (let i = 0; i < levels; i++) inner = join([18], run(inner));
  return inner;
}

/** Messages whose bytes are no value of their type. */
function badMessages(spoken: Spoken): BadCase[] {
  const { frame } = spoken;
  const cases: [string, string, string, Uint8Array, RegExp][] = [
    ["a varint cut", "Echo", "proto", join([8, 0x80]), /./],
    ["a text cut", "Echo", "proto", join([18, 50], "short"), /text/],
    ["text that is no UTF-8", "Echo", "proto", utf8([0xc3, 0x28]), /text.*UTF-8/],
    ["nested 5,000 deep", "Tree", "proto", nested(5_000), /deep|nest/],
    ["unknown groups nested deep", "Echo", "proto", new Uint8Array(50_000).fill(0x1b), /./],
    ["no JSON", "Echo", "json", text("{nope"), /JSON.*expected/],
    ["JSON cut", "Echo", "json", text('{"n":7,"text":"h'), /closing quote/],
    ["a wrong type in JSON", "Echo", "json", text('{"n":"x","text":"hi"}'), /\bn\b/],
    ["another one", "Echo", "json", text('{"n":7,"text":5}'), /\btext\b/],
    ["a number out of range", "Echo", "json", text('{"n":5000000000,"text":""}'), /\bn\b/],
    ["a wrong type deep within", "Tree", "json", text('{"children":[{"name":"a"},{"children":[{"name":5}]}]}'),
      /children\[1\]\.children\[0\]\.name/],
    ["JSON nested deep", "Free", "json", text(`{"any":${"[".repeat(30_000)}${"]".repeat(30_000)}}`), /deep|nest/],
    ["a list for an object", "Echo", "json", text("[]"), /object/],
  ];
  return cases.map(([name, method, codec, bytes, says]) =>
    ({ name, call: { method, codec, body: [frame(bytes)] }, code: "invalid_argument", says }));
}

function compressed(spoken: Spoken): BadCase[] {
  const { encoding, isBare, frame } = spoken;
  const flags = isBare ? 0 : 1;
  const says = (name: string): Record<string, string> => ({ [encoding]: name });
  const cases: BadCase[] = bombs.flatMap(([name, bomb]) => [
    {
      name: `a bomb of ${name}`, code: "resource_exhausted",
      call: { fields: says(name), body: [frame(bomb, flags)] },
      says: /grows beyond the 100000 bytes allowed \(maxMessageBytes\)/,
    },
    {
      name: `${name} that is none`, code: "invalid_argument",
      call: { fields: says(name), body: [frame(text("no such thing, no such thing"), flags)] },
      says: new RegExp(`a ${name} message cannot be decompressed`),
    },
  ]);
  cases.push({
    name: "an encoding that nobody knows", call: { fields: says("sevenzip"), body: [frame(fine, flags)] },
    code: "unimplemented", says: /compression "sevenzip" is not supported here; supported: identity, gzip, br, zstd/,
  });
  if (!isBare) {
    cases.push({
      name: "a compressed message without an encoding", call: { body: [frame(gzipSync(fine), 1)] }, code: "internal",
      says: /compressed, but the head names no compression/,
    });
  }
  return cases;
}

/** Bodies that are no sequence of envelopes, or too many of them. */
function badEnvelopes(spoken: Spoken): BadCase[] {
  const { frame, raw } = spoken;
  const whole = frame(fine);
  const one = /takes exactly one/;
  const ended = /the body ended within a message/;
  const large = frame(new Uint8Array(maxMessageBytes + 1));
  return [
    { name: "no message", call: {}, code: "unimplemented", says: one },
    { name: "two messages", call: { body: [whole, whole] }, code: "unimplemented", says: one },
    { name: "a header cut", call: { body: [raw(Uint8Array.of(0, 0, 0))] }, code: "invalid_argument", says: ended },
    { name: "a message cut", call: { body: [frame(fine, 0, 50)] }, code: "invalid_argument", says: ended },
    {
      name: "a message too large, announced", call: { body: [frame(fine, 0, 0xffff_ffff)], isOpen: true },
      code: "resource_exhausted", says: /4294967295 bytes exceeds maxMessageBytes 100000/,
    },
    {
      name: "a message too large, in pieces", code: "resource_exhausted", says: /exceeds maxMessageBytes 100000/,
      call: { body: [large.subarray(0, 3), large.subarray(3, 60_000), large.subarray(60_000)] },
    },
    { name: "unknown flags", call: { body: [frame(fine, 4)] }, code: "internal", says: /unknown flags \(4\)/ },
    {
      name: "a message without its envelope", call: { body: [raw(fine)] }, code: "internal",
      says: /08 07 12 02 68.*envelope/,
    },
    {
      name: "JSON without its envelope", call: { codec: "json", body: [raw(text('{"n":7,"text":"hi"}'))] },
      code: "internal", says: /7b 22 6e 22 3a.*envelope/,
    },
  ];
}

function badHeads(spoken: Spoken): BadCase[] {
  const { frame, timeout } = spoken;
  const body = [frame(fine)];
  const timeouts = ["1x", "-5", "1.5S", "123456789012345m", ""].map((value): BadCase => ({
    name: `a timeout of ${JSON.stringify(value)}`, call: { fields: { [timeout]: value }, body },
    code: "invalid_argument", says: new RegExp(`${timeout} is "${value.slice(0, 5)}.*expected`),
  }));
  return [
    ...timeouts,
    {
      name: "a deadline that has passed", code: "deadline_exceeded", says: /passed before the call was begun/,
      call: { fields: { [timeout]: timeout === "grpc-timeout" ? "0n" : "0" }, body },
    },
    {
      name: "a method that is none", call: { method: "Nope", body }, code: "unimplemented",
      says: /bad\.v1\.Target has no method "Nope"/,
    },
    {
      name: "a service that is none", call: { method: "/no.such.Service/Echo", body }, code: "unimplemented",
      says: /"no\.such\.Service" is not served here; this server has bad\.v1\.Target/,
    },
    {
      name: "no method at all", call: { method: "/", body }, code: "unimplemented",
      says: /is no method: a call is made to/,
    },
  ];
}

function failures(spoken: Spoken): BadCase[] {
  const { frame, isBare } = spoken;
  const says = /^the handler failed unexpectedly$/;
  const cases: BadCase[] = spoken === connectStreamSpoken ? [] : [0, 1].map((n) => ({
    name: `a handler that ${n === 0 ? "throws" : "rejects"}`, call: { method: "Boom", body: [frame(join([8, n]))] },
    code: "internal", says,
  }));
  if (isBare) return cases;
  return [...cases, ...[0, 2].map((n) => ({
    name: `a handler that throws after ${n} messages`, call: { method: "Burst", body: [frame(join([8, n]))] },
    code: "internal", says,
  }))];
}

export function casesOf(spoken: Spoken): BadCase[] {
  return [
    ...(spoken === connectStreamSpoken ? [] : badMessages(spoken)), ...compressed(spoken),
    ...(spoken.isBare ? [] : badEnvelopes(spoken)), ...badHeads(spoken), ...failures(spoken),
  ];
}

/** Runs them all, one after another on one connection, which must serve on. */
export function badCalls(spoken: Spoken): void {
  const cases = casesOf(spoken);
  for (const version of spoken.versions) {
    test(`${spoken.name} over HTTP/${version}`, (t) => onSockets(serving, async (harness) => {
      const raw = await connectRaw(harness, version);
      for (const { name, call, code, says } of cases) {
        await t.test(name, async () => {
          const before = toldOf(harness);
          assertFailure(await ask(raw, spoken, call), code, says);
          assert.equal(toldOf(harness), before + 1, "the observer was told once");
          await stillServes(raw, spoken);
        });
      }
      assert.equal(harness.server.inFlight, 0);
      raw.connection.close(0);
    }));
  }
}

export function assertFailure(said: Said, code: string, says: RegExp): void {
  assert.equal(said.code, code, said.text);
  assert.match(said.text, says);
  assert.ok(said.text.length <= 2_048);
  assert.ok(!said.text.includes(secret));
}
