// Threads of other projects on memory: streams without end, connections without number.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createClient, createServer, grpc } from "../../src/index.ts";
import { metrics, metricsObserver } from "../../src/telemetry/index.ts";
import { Echo, handlers, until } from "./echo.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes in use after collection. */
async function held(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await sleep(20);
    collect();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("grpc-node#1332, #123: a stream whose reader is slow waits for it, and memory does not grow", async (t) => {
  let produced = 0;
  const text = "x".repeat(10_000);
  const server = createServer();
  server.implement(Echo, {
    ...handlers,
    async *count({ n }) {
      for (produced = 0; produced < n; produced++) yield { n: produced, text };
    },
  });
  const address = await server.listen();
  t.after(() => server.close(0));
  using client = createClient(Echo, { address, protocol: grpc() });
  const stream = client.count({ n: 1_000_000, text: "" })[Symbol.asyncIterator]();
  await stream.next();
  const before = await held();
  let last = -1;
  // It stands still once all windows and buffers are full.
  for (; produced !== last; await sleep(100)) last = produced;
  // Nobody reads: 10 GB are to come, of which a few MB are on their way.
  assert.ok(produced < 2_000, `${produced} messages of 10 kB were made for a reader that takes none`);
  assert.ok(await held() - before < 32 << 20, "less than 32 MiB wait");
  for (let n = 0; n < 3_000; n++) await stream.next();
  assert.ok(produced < 6_000);
  assert.ok(await held() - before < 32 << 20);
  await stream.return?.();
  await until("the handler ends with its reader", () => server.inFlight === 0);
});

test("grpc-node#1332: a client that streams to a slow handler waits for it as well", async (t) => {
  let sent = 0;
  let read = 0;
  const release = Promise.withResolvers<void>();
  const server = createServer();
  server.implement(Echo, {
    ...handlers,
    async sum(items) {
      for await (const _ of items) {
        read++;
        await release.promise;
      }
      return { n: read, text: "" };
    },
  });
  const address = await server.listen();
  t.after(() => server.close(0));
  using client = createClient(Echo, { address, protocol: grpc() });
  const text = "x".repeat(10_000);
  const call = client.sum((async function* () {
    for (; sent < 5_000; sent++) yield { n: 1, text };
  })());
  let last = -1;
  for (; sent !== last; await sleep(100)) last = sent;
  assert.ok(sent < 2_000, `${sent} messages of 10 kB were sent to a handler that took ${read}`);
  release.resolve();
  assert.equal((await call).n, 5_000);
});

test("grpc-node#1941: what is told of connections and calls is bounded, however many there are", async (t) => {
  const all = metrics();
  const server = createServer({ observer: metricsObserver(all) });
  server.implement(Echo, handlers);
  const address = await server.listen();
  t.after(() => server.close(0));
  const churn = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n++) {
      const client = createClient(Echo, { address, protocol: grpc({}), observer: metricsObserver(all) });
      await client.echo({ n, text: "hello" });
      client.$.close(0);
    }
    await until("connections are gone", () => server.connections === 0);
    // What ended in order is kept for another second, for frames that are still on their way.
    await sleep(2_500);
  };
  // By then all is compiled that will be; code and caches are not what is looked for.
  await churn(700);
  const before = await held();
  await churn(500);
  const grown = await held() - before;
  assert.ok(grown < 1 << 19, `five hundred connections left ${grown} bytes behind`);
});
