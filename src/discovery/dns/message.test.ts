import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RpcError } from "../../core/error.ts";
import { decodeMessage, encodeQuestion, isAnswerTo } from "./message.ts";
import { canonicalName, encodeName, isWithin, readName } from "./names.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 2_000);
const seed = 2_782;

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));

/** After RFC 1035 section 4.1.4: SRV of _geo._tcp.test is 10 5 7001 n1.test; n1.test is 10.0.0.1 and ::1. */
const answer = hex(`
  abcd 8580 0001 0001 0001 0002
  045f67656f 045f746370 0474657374 00 0021 0001
  c00c 0021 0001 0000001e 000b 000a 0005 1b59 026e31 c016
  c016 0006 0001 00000384 0018 c016 c016 00000001 00000e10 00000258 00015180 00000005
  c032 0001 0001 80000000 0004 0a000001
  c032 001c 0001 00000258 0010 00000000000000000000000000000001`);

test("a question has the form of RFC 1035, with and without EDNS0", () => {
  assert.deepEqual(encodeQuestion(0xabcd, { name: "_geo._tcp.test", type: "SRV" }, false), hex(`
    abcd 0100 0001 0000 0000 0000 045f67656f 045f746370 0474657374 00 0021 0001`));
  assert.deepEqual(encodeQuestion(1, { name: "A.test.", type: "AAAA" }, true), hex(`
    0001 0100 0001 0000 0000 0001 0161 0474657374 00 001c 0001 00 0029 04d0 00000000 0000`));
});

test("an answer is read with its compressed names, and recognised as one", () => {
  const message = decodeMessage(answer);
  assert.deepEqual(message.answers, [{
    name: "_geo._tcp.test", ttlSeconds: 30, data: { kind: "SRV", priority: 10, weight: 5, port: 7001,
      target: "n1.test" },
  }]);
  assert.deepEqual(message.authorities, [{ name: "test", ttlSeconds: 900, data: { kind: "SOA", minimumSeconds: 5 } }]);
  assert.deepEqual(message.additionals.map(({ name, ttlSeconds, data }) => [name, ttlSeconds, data]), [
    ["n1.test", 0, { kind: "A", address: "10.0.0.1" }], ["n1.test", 600, { kind: "AAAA", address: "::1" }],
  ]);
  assert.ok(message.isAuthoritative && !message.isTruncated && message.code === 0);
  const asked = { name: "_geo._tcp.test", type: "SRV" } as const;
  assert.ok(isAnswerTo(message, asked, 0xabcd));
  assert.ok(!isAnswerTo(message, asked, 0xabce));
  assert.ok(!isAnswerTo(message, { ...asked, type: "A" }, 0xabcd));
  assert.ok(!isAnswerTo(message, { ...asked, name: "_geo._udp.test" }, 0xabcd));
});

test("a record that makes no sense is marked, and the others are read", () => {
  const spoilt = decodeMessage(hex(`abcd 8580 0000 0003 0000 0000
    00 0001 0001 00000001 0003 0a0000
    00 0021 0001 00000001 0006 000a 0005 1b59
    00 0001 0001 00000001 0004 0a000002`));
  assert.deepEqual(spoilt.answers.map(({ data }) => data.kind), ["malformed", "malformed", "A"]);
});

test("pointers to themselves, forward, in circles and in endless rows end in an error", () => {
  for (const name of ["c00c", "c00d", "0161 c00c", "c00e c00c", "ffff", "3f61", "40", "80", "c0"]) {
    assert.throws(() => decodeMessage(hex(`0001 8180 0001 0000 0000 0000 ${name}`)), { code: "data_loss" }, name);
  }
  const row = new Uint8Array(0x3fff);
  for (let at = 14; at + 1 < row.length; at += 2) new DataView(row.buffer).setUint16(at, 0xc000 | at - 2);
  assert.throws(() => readName(row, 0x3ff0), { code: "data_loss", message: /more than 127 pieces/ });
});

test("counts are believed as far as there are bytes", () => {
  for (const counts of ["ffff ffff ffff ffff", "0000 2710 0000 0000", "0001 0000 0000 0001"]) {
    assert.throws(() => decodeMessage(hex(`0001 8180 ${counts}`)), { code: "data_loss" });
  }
});

test("names survive text and back, whatever bytes their labels hold", () => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 20 });
  fc.assert(fc.property(fc.array(label, { maxLength: 8 }), (labels) => {
    const wire = Uint8Array.from([...labels.flatMap((one) => [one.length, ...one]), 0]);
    const { name, end } = readName(wire, 0);
    assert.equal(end, wire.length);
    assert.equal(readName(encodeName(name), 0).name, name);
    assert.match(name, /^[\x21-\x7e]*$/);
  }), { seed, numRuns });
});

test("names that nobody can be asked for are refused by reason", () => {
  for (const name of ["a..b", ".a", "a".repeat(64), `${"a.".repeat(127)}b`, "käse.example", "a b"]) {
    assert.throws(() => encodeName(name), { code: "invalid_argument" }, name);
  }
  assert.equal(canonicalName("A\\.b.Example."), "a\\.b.example");
  assert.ok(isWithin("a.test", "test") && isWithin("test", "test") && !isWithin("attest", "test") && isWithin("x", ""));
});

test("bytes of any kind end in a message or in one error, and soon", () => {
  const check = (bytes: Uint8Array): void => {
    try {
      decodeMessage(bytes);
    } catch (error) {
      assert.ok(RpcError.is(error) && error.code === "data_loss", String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), check), { seed, numRuns });
  const edit = fc.tuple(fc.nat(answer.length - 1), fc.nat(255));
  fc.assert(fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), fc.nat(answer.length), (edits, length) => {
    const bytes = answer.slice();
    for (const [at, byte] of edits) bytes[at] = byte;
    check(bytes);
    check(bytes.subarray(0, length));
  }), { seed, numRuns });
});

test("the most that one message can ask for is bounded", () => {
  // 65,535 bytes of records whose names lead through as many pieces as a name may have.
  const bytes = new Uint8Array(65_535);
  const view = new DataView(bytes.buffer);
  view.setUint16(2, 0x8180);
  view.setUint16(6, 65_535);
  let at = 12;
  for (let i = 0; i < 120; i++, at += 4) {
    bytes.set([1, 0x61], at);
    view.setUint16(at + 2, i === 0 ? 0 : 0xc000 | at - 4);
  }
  const last = 0xc000 | at - 4;
  for (; at + 12 <= bytes.length; at += 12) view.setUint16(at, last);
  const startedMs = performance.now();
  try {
    decodeMessage(bytes);
  } catch (error) {
    assert.ok(RpcError.is(error));
  }
  assert.ok(performance.now() - startedMs < 2_000);
});
