/** Too much, and too slow, over HTTP: whatever a caller leaves open ends at a limit that names itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, envelope } from "../conformance/raw-exchange.ts";
import { type Harness, type HarnessOptions, inSimulator, onSockets } from "./harness.ts";
import { assertFailure } from "./http-cases.ts";
import {
  ask, type BadCall, begin, connectRaw, connectSpoken, connectStreamSpoken, fine, grpcSpoken, type Spoken, stillServes,
  text, webSpoken, webTextSpoken,
} from "./http-harness.ts";

const slow: HarnessOptions = { http: { calls: { stallTimeoutMs: 3_000 } } };
const nothing = text("");

for (const spoken of [grpcSpoken, webSpoken, webTextSpoken, connectSpoken]) {
  const half = spoken.frame(fine).subarray(0, 4);
  const cases: readonly [string, BadCall, RegExp][] = [
    ["a head alone", { isOpen: true }, /the call's message did not come for 3000 ms \(stallTimeoutMs\)/],
    ["half a message", { body: [half], isOpen: true }, /a message was left unfinished for 3000 ms \(stallTimeoutMs\)/],
  ];
  test(`${spoken.name}: calls that are left unfinished end, and free their places`, () => inSimulator(slow,
    async (harness) => {
      const raw = await connectRaw(harness, 2);
      for (const [name, call, says] of cases) {
        const open = Array.from({ length: 50 }, () => begin(raw, spoken, call));
        await harness.sleep(1_000);
        assert.ok(harness.server.inFlight >= 50);
        for (const one of open) assertFailure(spoken.said(await one.ended), "unavailable", says);
        await harness.sleep(100);
        assert.ok(harness.server.inFlight <= 1, name);
        await stillServes(raw, spoken);
      }
      raw.connection.close(0);
    }));

  test(`${spoken.name}: a message that dribbles ends too`, () => inSimulator(slow, async (harness) => {
    const raw = await connectRaw(harness, 2);
    const call = begin(raw, spoken, { isOpen: true });
    const message = spoken.frame(new Uint8Array(3_000));
    const answers: Answer[] = [];
    void call.ended.then((one) => answers.push(one));
    for (let at = 0; answers.length === 0; at++) {
      assert.ok(at < 20, "it goes on");
      call.send(message.subarray(at, at + 1));
      await harness.sleep(1_000);
    }
    assertFailure(spoken.said(await call.ended), "unavailable", /a message was left unfinished for 3000 ms/);
    raw.connection.close(0);
  }));

  const kept = `${spoken.name}: a deadline is kept while nothing of the message comes`;
  test(kept, () => inSimulator({}, async (harness) => {
    const raw = await connectRaw(harness, 2);
    const timeout = spoken.timeout === "grpc-timeout" ? "1500m" : "1500";
    const said = spoken.said(await begin(raw, spoken, { fields: { [spoken.timeout]: timeout }, isOpen: true }).ended);
    assertFailure(said, "deadline_exceeded", /the deadline passed/);
    raw.connection.close(0);
  }));

  test(`${spoken.name}: calls beyond maxConcurrentCalls and maxInFlight are refused, and named`, async () => {
    await onSockets({ http: { calls: { maxConcurrentCalls: 10 } } }, (harness) =>
      refused(harness, spoken, /more than 10 calls on one connection \(maxConcurrentCalls\)/));
    await onSockets({ maxInFlight: 10, alone: true }, (harness) =>
      refused(harness, spoken, /the server is handling 10 calls \(maxInFlight\)/));
  });
}

async function refused(harness: Harness, spoken: Spoken, says: RegExp): Promise<void> {
  const raw = await connectRaw(harness, 2);
  const open = Array.from({ length: 30 }, () => begin(raw, spoken, { method: "Never", body: [spoken.frame(nothing)] }));
  for (const one of open.slice(10)) {
    const answer = await one.ended;
    const said = spoken.said(answer);
    assertFailure(said, "resource_exhausted", says);
    if (spoken === connectSpoken) assert.equal(said.status, 429);
  }
  assert.equal(harness.events.filter(({ name }) => name === "server.call.refused").length, 20);
  for (const one of open.slice(0, 10)) one.reset("cancel");
  for (let tries = 0; harness.cancelled.length < 10; tries++) {
    assert.ok(tries < 3_000, "handlers hear that their callers are gone");
    await harness.sleep(10);
  }
  raw.connection.close(0);
}

for (const [spoken, half] of [[grpcSpoken, 3], [webSpoken, 8], [connectStreamSpoken, 6]] as const) {
  const idle = `${spoken.name}: a stream may be idle between messages, not within one`;
  test(idle, () => inSimulator(slow, async (harness) => {
    const raw = await connectRaw(harness, 2);
    const whole = envelope(Uint8Array.of(8, 1));
    const call = begin(raw, spoken, { method: "Take", body: [whole], isOpen: true });
    await harness.sleep(30_000);
    call.send(whole);
    call.send(envelope(fine).subarray(0, half));
    assertFailure(spoken.said(await call.ended), "unavailable", /left unfinished for 3000 ms/);
    raw.connection.close(0);
  }));
}

test("HTTP/1.1: heads and bodies that do not come are answered 408", () => inSimulator(
  { http: { http1: { headTimeoutMs: 2_000, stallTimeoutMs: 3_000 } } }, async (harness) => {
    for (const [first, says] of [
      ["POST /bad.v1.Target/Echo HTTP/1.1\r\nhost: x\r\n", /headTimeoutMs/],
      ["POST /bad.v1.Target/Echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
        /stallTimeoutMs/],
    ] as const) {
      let heard = "";
      const state = { isClosed: false };
      const stream = harness.runtime.network.connect(harness.address, {
        opened: () => void stream.write(text(first)),
        received: (bytes) => {
          heard += Buffer.from(bytes).toString();
        },
        closed: () => {
          state.isClosed = true;
        },
      });
      for (let seconds = 0; !state.isClosed; seconds++) {
        assert.ok(seconds < 30);
        await harness.sleep(1_000);
      }
      assert.match(heard, /^HTTP\/1\.1 408 /);
      assert.match(heard, says);
      await harness.event("server.connection.failed", says);
    }
  }));

const post = "POST /bad.v1.Target/Echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
const chunked = "transfer-encoding: chunked\r\n\r\n";
/** 19 bytes. */
const hello = '{"n":7,"text":"hi"}';

const heads: readonly [string, string, RegExp][] = [
  ["one field of 40 KB", `${post}x: ${"y".repeat(40_000)}\r\n\r\n`, /^HTTP\/1\.1 431 .*maxHeadBytes/s],
  ["300 fields", `${post}${"x: y\r\n".repeat(300)}\r\n`, /^HTTP\/1\.1 431 .*maxFields/s],
  ["two lengths", `${post}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`, /^HTTP\/1\.1 400 .*content-length/s],
  ["a chunk that is none", `${post}${chunked}zz\r\n{}\r\n`, /^HTTP\/1\.1 400 .*chunk/s],
  ["trailers, which say nothing", `${post}${chunked}13\r\n${hello}\r\n0\r\ngrpc-status: 7\r\n\r\n`,
    /^HTTP\/1\.1 200 .*\r\n\r\n\{"n":7,"text":"hi"\}/s],
];

for (const [name, request, says] of heads) {
  test(`HTTP/1.1, ${name}`, () => onSockets({}, async (harness) => {
    let heard = "";
    const stream = harness.runtime.network.connect(harness.address, {
      opened: () => void stream.write(text(request)),
      received: (bytes) => {
        heard += Buffer.from(bytes).toString();
      },
      closed: () => undefined,
    });
    for (let tries = 0; !says.test(heard); tries++) {
      assert.ok(tries < 1_500, `heard ${heard}`);
      await harness.sleep(20);
    }
    if (!heard.startsWith("HTTP/1.1 200")) await harness.event("server.connection.failed", /./);
    stream.destroy();
  }));
}

test("a body without end is cut off once it was refused", () => onSockets(
  { http: { calls: { maxMessageBytes: 100_000 } } }, async (harness) => {
    const raw = await connectRaw(harness, 2);
    const call = begin(raw, connectSpoken, { isOpen: true });
    for (let sent = 0; sent < 50 && call.exchange.writable; sent++) {
      call.send(new Uint8Array(10_000));
      await harness.sleep(1);
    }
    assertFailure(connectSpoken.said(await call.ended), "resource_exhausted", /exceeds maxMessageBytes 100000/);
    assert.equal((await ask(raw, connectSpoken, { body: [fine] })).code, "ok");
    raw.connection.close(0);
  }));
