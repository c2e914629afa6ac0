/** The requester in the simulator, where time, chance and network are made up: as on Node, and the same each time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../core/runtime.ts";
import { createSimulation, type Simulation } from "../runtime/sim/index.ts";
import { http1Accept } from "./h1/server.ts";
import { type Exchange, Head } from "./message.ts";
import { httpRequester, type HttpRequester } from "./request.ts";

interface World {
  readonly simulation: Simulation;
  readonly requester: HttpRequester;
  readonly now: () => number;
}

type Answer = (exchange: Exchange, path: string, body: string, clock: Clock) => void;

/** A server at `far:1`, 10 ms away, that answers requests by `answer`, and who asks it. */
async function world(answer: Answer): Promise<World> {
  const simulation = createSimulation({ seed: 7, link: { latencyMs: 10 } });
  const [near, far] = [simulation.host("near"), simulation.host("far")];
  const accept = http1Accept(far, {
    handle(head, exchange, last) {
      let body = "";
      if (last) answer(exchange, head.path, body, far.clock);
      return {
        data(bytes, start, end, isLast) {
          body += new TextDecoder().decode(bytes.subarray(start, end));
          exchange.consumed(end - start);
          if (isLast) answer(exchange, head.path, body, far.clock);
        },
        trailers: () => undefined, writable: () => undefined, failed: () => undefined,
      };
    },
    ended: () => undefined,
  });
  await simulation.runUntil(far.network.listen("far:1", (stream) => accept(stream).sink), 1_000);
  const requester = httpRequester(near, { address: "far:1", name: "peer", timeoutMs: 1_000 });
  return { simulation, requester, now: () => near.clock.now() };
}

function write(exchange: Exchange, text: string, last: boolean): void {
  exchange.begin().writeBytes(new TextEncoder().encode(text));
  exchange.end(last);
}

function reply(exchange: Exchange, text: string): void {
  exchange.head(new Head({}, 200), false);
  write(exchange, text, true);
}

/** What a promise of the simulated world comes to, and when. */
async function settled(
  { simulation, now }: World, promise: Promise<string>,
): Promise<{ readonly value: string; readonly ms: number }> {
  const began = now();
  const outcome = promise.then(
    (value) => ({ value, ms: now() - began }),
    (error: Error) => ({ value: error.message, ms: now() - began }));
  await simulation.runUntil(outcome, 600_000);
  return outcome;
}

test("a request is answered after the ways of its connection and its own, and in vain after its time", async () => {
  const one = await world((exchange, path, body) => {
    if (path !== "/never") reply(exchange, `${path} ${body}`);
  });
  const ask = (path: string) => one.requester.request({ method: "PUT", path, body: "größe" }).then(({ text }) => text);
  assert.deepEqual(await settled(one, ask("/a")), { value: "/a größe", ms: 40 });
  assert.deepEqual(await settled(one, ask("/b")), { value: "/b größe", ms: 20 });
  assert.deepEqual(await settled(one, ask("/never")),
    { value: "peer: PUT /never: no answer within 1000 ms", ms: 1_000 });
  assert.deepEqual(await settled(one, ask("/c")), { value: "/c größe", ms: 40 });
  one.simulation.crash("far");
  assert.match((await settled(one, ask("/d"))).value, /^peer: PUT \/d: /);
});

test("a stream of lines is told as it comes, and fails after a silence of exactly so long", async () => {
  const one = await world((exchange, _, __, clock) => {
    exchange.head(new Head({}, 200), false);
    write(exchange, "one\ntw", false);
    clock.after(500, () => write(exchange, "o\nthr", false));
    clock.after(1_000, () => write(exchange, "ee\n", false));
  });
  const began = one.now();
  const seen: string[] = [];
  const outcome = await settled(one, (async () => {
    const stream = await one.requester.stream({ method: "GET", path: "/x", silenceMs: 800 });
    for await (const line of stream.lines()) seen.push(`${line} at ${one.now() - began}`);
    return "its end";
  })());
  assert.deepEqual(seen, ["one at 40", "two at 540", "three at 1040"]);
  assert.deepEqual(outcome, { value: "peer: GET /x: nothing came for 800 ms", ms: 1_840 });
});

test("a server that falls silent is noticed by the silence, one that is cut off is not waited for", async () => {
  const one = await world((exchange) => {
    exchange.head(new Head({}, 200), false);
    write(exchange, "one\n", false);
  });
  const read = async (): Promise<string> => {
    const lines = (await one.requester.stream({ method: "GET", path: "/x", silenceMs: 5_000 })).lines();
    await lines.next();
    return String((await lines.next()).value);
  };
  const reading = read();
  one.simulation.at(one.now() + 1_000, () => one.simulation.silence("far"));
  const { value, ms } = await settled(one, reading);
  assert.deepEqual([value, ms], ["peer: GET /x: nothing came for 5000 ms", 5_040]);
  one.simulation.wake("far");
  const again = read();
  one.simulation.at(one.now() + 1_000, () => one.simulation.crash("far"));
  assert.match((await settled(one, again)).value, /^peer: GET \/x: .*(reset|broke|lost|closed)/);
});
