/** HTTP/1.1 under chance: random and changed bytes, cut anywhere, are answered or end the connection, never throw. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Head, requestHead } from "../../src/http/message.ts";
import { bytesOf, caught, Dialled, echo, fieldsOf, Heard, type Served, say, serve } from "../http/h1-harness.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150);

const requests = [
  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
  "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nA: b\r\n\r\nhello there",
  "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;e=f\r\nhello\r\n1\r\n!\r\n0\r\nT: v\r\n\r\n",
  "POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
  "HEAD /d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "GET http://x/e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
];
const responses = [
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: v\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\nuntil the end", "HTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
];

/** What matters to a reader comes more often than chance would have it. */
const piece = fc.oneof(
  fc.constantFrom("\r\n", "\n", "\r", ":", " ", "\t", "\0", "0", "5", "f", ";", "chunked", "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n", "Host: y\r\n", "HTTP/1.1", "\r\n\r\n", ...requests, ...responses),
  fc.string({ maxLength: 4, unit: "binary-ascii" }),
  fc.uint8Array({ maxLength: 4 }).map((bytes) => String.fromCharCode(...bytes)),
);
const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(12), put: piece });
const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });

/** Messages of a conversation, changed in a few places. */
function changed(messages: readonly string[]): fc.Arbitrary<string> {
  return fc.tuple(fc.array(fc.constantFrom(...messages), { minLength: 1, maxLength: 4 }),
    fc.array(change, { maxLength: 3 })).map(([texts, changes]) => {
    let text = texts.join("");
    for (const { at, cut, put } of changes) {
      const start = Math.floor(at * text.length);
      text = text.slice(0, start) + put + text.slice(start + cut);
    }
    return text;
  });
}

const noise = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));

function split(text: string, places: readonly number[]): string[] {
  const ends = [...places.map((share) => Math.floor(share * text.length)), text.length].sort((a, b) => a - b);
  return ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end));
}

/** Takes a conversation's output apart, message by message; throws where it is not what HTTP says. */
function responsesIn(output: string): number[] {
  const statuses: number[] = [];
  let rest = output;
  while (rest !== "") {
    const head = /^HTTP\/1\.1 ([1-5][0-9][0-9]) [^\r\n]*\r\n((?:[!-9;-~]+: [^\r\n]*\r\n)*)\r\n/.exec(rest);
    assert.ok(head, JSON.stringify(rest.slice(0, 200)));
    const [whole, status, fields = ""] = head;
    const length = /^content-length: ([0-9]+)\r\n/m.exec(fields)?.[1] ?? "0";
    assert.ok(rest.length >= whole.length + Number(length));
    rest = rest.slice(whole.length + Number(length));
    statuses.push(Number(status));
  }
  return statuses;
}

function answered(pieces: readonly string[]): Served {
  const served = serve(echo, { maxBodyBytes: 5_000 });
  served.send(...pieces);
  return served;
}

for (const [name, texts, seed] of [["changed requests", changed(requests), 1], ["noise", noise, 2]] as const) {
  test(`${name}: the server answers in HTTP, the same however they were split, and ends in time`, () => {
    fc.assert(fc.property(texts, shares, (text, places) => {
      const served = answered([text]);
      const { output } = served.stream;
      responsesIn(output);
      assert.equal(answered(split(text, places)).stream.output, output);
      assert.equal(answered(text.split("")).stream.output, output);
      served.sweep(120_000);
      responsesIn(served.stream.output);
      assert.ok(served.stream.isOver);
      assert.equal(served.ended.length, 1);
      served.stream.sink?.closed();
      assert.equal(served.gone.count, 1);
    }), { seed, numRuns: runs * 4 });
  });
}

const head = requestHead("POST", "/", "http", "x", fieldsOf({}));

function told(pieces: readonly string[], error: Error | undefined): { sink: Heard; dialled: Dialled } {
  const dialled = new Dialled();
  const stream = dialled.open();
  // Longer than a fresh socket is on trial, shorter than one that never spoke is kept.
  dialled.clock.advance(2_000);
  const sink = new Heard();
  const exchange = dialled.connection.request(head, false, sink);
  say(exchange, "request", true);
  dialled.clock.turn();
  for (const one of pieces) {
    if (!stream.isDestroyed) stream.sink?.received(bytesOf(one));
    dialled.clock.turn();
  }
  if (!stream.isDestroyed) stream.sink?.closed(error);
  dialled.clock.turn();
  return { sink, dialled };
}

for (const [name, texts, seed] of [["changed responses", changed(responses), 3], ["noise", noise, 4]] as const) {
  test(`${name}: the client's exchange ends once, the same however they were split`, () => {
    fc.assert(fc.property(texts, shares, fc.boolean(), (text, places, isReset) => {
      const error = isReset ? new Error("reset") : undefined;
      const { sink, dialled } = told([text], error);
      const ends = sink.errors.length + Number(sink.isLast);
      assert.equal(ends, 1, JSON.stringify(sink.events));
      assert.ok(sink.errors.length === 0 || sink.events.at(-1) === "failed");
      assert.equal(dialled.connection.inFlight, 0);
      const other = told(split(text, places), error).sink;
      assert.deepEqual([other.isLast, other.errors.map(said)], [sink.isLast, sink.errors.map(said)]);
      if (sink.isLast) assert.equal(other.body, sink.body);
    }), { seed, numRuns: runs * 4 });
  });
}

/** An error's message without the bytes that it shows, which are those that had come. */
function said({ message }: Error): string {
  return message.replace(/opened with [0-9a-f ]+/, "opened with bytes");
}

const field = fc.tuple(fc.stringMatching(/^x-[a-z]{1,8}$/), fc.stringMatching(/^([!-~\u00a1-\u00ff]([ -~]*[!-~])?)?$/));
const body = fc.array(fc.tuple(fc.nat(40), fc.boolean()), { maxLength: 6 });

test("what one side sends the other receives, both ways, however it was split", () => {
  fc.assert(fc.property(fc.array(field, { maxLength: 8 }), body, body, shares, (fields, up, down, places) => {
    const all = caught();
    const served = serve(all.handle);
    const dialled = new Dialled();
    const near = dialled.open();
    const sink = new Heard();
    const sent = fieldsOf(Object.fromEntries(fields));
    const exchange = dialled.connection.request(requestHead("POST", "/p", "http", "h", sent), false, sink);
    const write = (to: typeof exchange | undefined, pieces: typeof up, turn: () => void): string => {
      for (const [length, isTurn] of pieces) {
        say(to, "abcdefghij".repeat(4).slice(0, length), false);
        if (isTurn) turn();
      }
      say(to, "end", true);
      turn();
      return `${pieces.map(([length]) => "abcdefghij".repeat(4).slice(0, length)).join("")}end`;
    };
    const request = write(exchange, up, () => dialled.clock.turn());
    served.send(...split(near.output, places));
    assert.equal(all.requests.length, 1);
    assert.deepEqual({ ...all.requests[0]?.fields, host: "h" }, { ...all.requests[0]?.fields, ...sent, host: "h" });
    assert.equal(all.sinks[0]?.body, request);
    all.exchanges[0]?.head(new Head(sent, 200), false);
    const response = write(all.exchanges[0], down, () => served.clock.turn());
    for (const one of split(served.stream.output, places)) dialled.receive(one);
    assert.deepEqual({ ...sink.heads[0]?.fields }, { ...sink.heads[0]?.fields, ...sent });
    assert.equal(sink.body, response);
    assert.ok(sink.isLast);
    assert.ok(!near.isOver);
  }), { seed: 5, numRuns: runs * 2 });
});
