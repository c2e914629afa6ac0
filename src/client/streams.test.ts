import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";
import { expected } from "../core/error.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { callMethods } from "./client.ts";

const Feed = service("test.v1.Feed", {
  read: rpc({ kind: "server_stream", input: z.object({}), output: z.object({ n: z.int32() }), idempotent: true }),
});

function callsOf(answer: () => unknown) {
  const { clock } = createSimulation({ seed: 1 }).host("client");
  return callMethods(Feed, { clock, service: answer, timeoutMs: 1_000 });
}

async function collect(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

async function* items() {
  yield { n: 1 };
  yield await Promise.resolve({ n: 2 });
}

test("a stream whose layers answer later is read like any other", async () => {
  const { read } = callsOf(() => Promise.resolve(items()));
  assert.deepEqual(await collect(read({})), [{ n: 1 }, { n: 2 }]);
  const { signal } = new AbortController();
  assert.deepEqual(await collect(read({}, { signal })), [{ n: 1 }, { n: 2 }]);
});

test("one that fails later fails when it is read, and troubles nobody who does not read it", async () => {
  const { read } = callsOf(() => Promise.reject(expected("unavailable", "nobody there")));
  read({});
  await assert.rejects(collect(read({})), /nobody there/);
});
