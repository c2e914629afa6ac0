// Servers that answer nonsense, too much or nothing: an error that says what came, and the next try serves.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RpcError } from "../../core/error.ts";
import { nodeRuntime } from "../../runtime/node/index.ts";
import { kubernetesDiscoveryOn, type KubernetesOptions } from "./discovery.ts";

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const slice = (name: string, address: string) => ({
  metadata: { name, resourceVersion: "5" }, addressType: "IPv4", ports: [{ port: 7001 }],
  endpoints: [{ addresses: [address] }],
});
const json = (value: unknown, status = 200): Answer => (response) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
const goodList = json({ metadata: { resourceVersion: "7" }, items: [slice("a", "10.0.0.1")] });
const lines = (...texts: string[]): Answer => (response) => void response.writeHead(200).end(texts.join("\n"));
const stay: Answer = (response) => response.writeHead(200).flushHeaders();
const event = (type: string, object: unknown): string => JSON.stringify({ type, object });

/** Answers lists and watches by scripts, the last entry of each for ever. */
async function scripted(lists: Answer[], watches: Answer[], options: KubernetesOptions = {}) {
  const counts = { list: 0, watch: 0 };
  const server = createServer((request, response) => {
    const [kind, script] = request.url?.includes("watch=true") === true
      ? ["watch", watches] as const : ["list", lists] as const;
    if (request.url === "/livez") response.end("ok");
    else script[Math.min(counts[kind]++, script.length - 1)]?.(response, request);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const discovery = kubernetesDiscoveryOn(nodeRuntime, {
    source: "the test",
    read: () => Promise.resolve(
      { address, basePath: "/base", security: undefined, authorization: undefined, namespace: "x" }),
  }, { retryMaxMs: 50, ...options });
  const failures: RpcError[] = [];
  let told = "";
  discovery.watch("cities", {
    snapshot: (endpoints) => void (told = endpoints.map((one) => one.address).join(" ")),
    failed: (error) => void failures.push(error),
  });
  return {
    counts, failures,
    async until(what: string, holds: (told: string) => boolean): Promise<void> {
      for (let i = 0; !holds(told); i++) {
        if (i > 4_000) throw new Error(`never: ${what}; ${failures.map(({ message }) => message).join("; ")}`);
        await sleep(5);
      }
    },
    async [Symbol.asyncDispose]() {
      await discovery.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

const limit = { timeout: 60_000 };
const manyLines = "x".repeat(3_000);

for (const [what, list, pattern] of [
  ["the page of a proxy", (response: ServerResponse) =>
    void response.writeHead(200, { "content-type": "text/html" }).end("<html>hi</html>"), /no JSON.*or a login page/],
  ["an object", json({ kind: "Pod" }), /answered no list of slices, but a mapping/],
  ["a list of nothing", json({ metadata: { resourceVersion: "1" }, items: "many" }), /answered no list of slices/],
  ["null", json(null), /answered no list of slices/],
  ["a failure", json({ kind: "Status", message: "no leader" }, 500), /answered 500: no leader/],
  ["too much to do", json({ kind: "Status", message: "slow down" }, 429), /answered 429: slow down/],
  ["no such API", json({ kind: "Status", message: "nothing here" }, 404), /since 1\.21/],
  ["too large a page", json({ metadata: { resourceVersion: "1" }, items: [], x: manyLines }), /more than 2000 bytes/],
  ["too many slices", json({ metadata: { resourceVersion: "1" },
    items: [1, 2, 3].map((i) => slice(`s${i}`, `10.0.1.${i}`)) }), /more than 2 slices \(maxSlices\)/],
  ["an end half way", (response: ServerResponse) =>
    void response.writeHead(200, { "content-length": 100 }).write("{", () => response.destroy()), /./],
] as const satisfies readonly (readonly [string, Answer, RegExp])[]) {
  test(`a list that is ${what} is told, and asked for again`, limit, async () => {
    await using made = await scripted([list, goodList], [stay], { maxPageBytes: 2_000, maxSlices: 2 });
    await made.until("it serves", (told) => told === "10.0.0.1:7001");
    assert.match(made.failures[0]?.message ?? "", pattern);
  });
}

for (const [what, watch, pattern] of [
  ["no events", lines("<html>"), /sent no event of a watch, but "<html>"/],
  ["half an event", lines('{"type":"ADDED","obj'), /sent no event of a watch/],
  ["an error", lines(event("ERROR", { code: 500, message: "boom" })), /with error 500: boom/],
  ["too long a line", lines(event("ADDED", { x: manyLines })), /more than 2000 bytes/],
  ["refused", json({ kind: "Status", message: "cannot watch" }, 403), /forbids "watch"/],
] as const satisfies readonly (readonly [string, Answer, RegExp])[]) {
  test(`a watch that is ${what} is told, and everything listed again`, limit, async () => {
    const renewed = json({ metadata: { resourceVersion: "9" }, items: [slice("b", "10.0.0.2")] });
    await using made = await scripted([goodList, renewed], [watch, stay], { maxEventBytes: 2_000 });
    await made.until("the second list serves", (told) => told === "10.0.0.2:7001");
    assert.match(made.failures[0]?.message ?? "", pattern);
  });
}

test("events of unknown types, without names or of other kinds harm nothing", limit, async () => {
  const odd = [
    event("PATCHED", slice("a", "10.0.0.9")), event("ADDED", null), event("DELETED", { metadata: 5 }),
    event("BOOKMARK", { metadata: { resourceVersion: "30" } }), event("ADDED", slice("b", "10.0.0.2")),
  ];
  let from = "";
  await using made = await scripted([goodList], [lines(...odd), (response, request) => {
    from = /resourceVersion=(\w+)/.exec(request.url ?? "")?.[1] ?? "";
    stay(response, request);
  }]);
  await made.until("the last event counts", (told) => told === "10.0.0.1:7001 10.0.0.2:7001");
  await made.until("it goes on", () => from !== "");
  assert.equal(from, "5", "from the version of the last event");
  assert.equal(made.counts.list, 1);
  assert.deepEqual(made.failures, []);
});

test("a server that ends or forgets each watch at once is not asked in circles", limit, async () => {
  for (const watch of [lines(), lines(event("ERROR", { code: 410 })), json({ code: 410 }, 410)]) {
    await using made = await scripted([goodList], [watch], { retryMinMs: 200, retryMaxMs: 200 });
    await made.until("it is told", () => made.failures.length > 0);
    const [before, startedMs] = [made.counts.list, performance.now()];
    await sleep(1_000);
    // A pause is between half of 200 ms and all of it, however long the sleep took.
    const [lists, tookMs] = [made.counts.list - before, performance.now() - startedMs];
    assert.ok(lists <= tookMs / 100 + 2, `${lists} lists in ${tookMs} ms`);
    assert.match(made.failures[0]?.message ?? "", /ended the watch at once/);
  }
});
