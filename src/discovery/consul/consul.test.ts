/** The driver against answers that a real agent does not give on demand; what that one shows is in test/engines. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { endpointAddress } from "../../core/endpoint.ts";
import { tls } from "../../runtime/node/index.ts";
import { readCatalog } from "./catalog.ts";
import { nextIndex } from "./follow.ts";
import { consulDiscovery, type ConsulOptions } from "./index.ts";
import { metaOf } from "./meta.ts";
import { registrationOf } from "./registration.ts";
import { resolveConsulOptions } from "./settings.ts";

const timeout = 60_000;
const one = { Node: { Datacenter: "dc1" }, Service: { ID: "s", Service: "geo", Address: "10.0.0.1", Port: 80 } };

interface Watched {
  readonly sets: string[];
  readonly failures: string[];
  readonly paths: string[];
}

type Answer = (response: ServerResponse, request: IncomingMessage, count: number) => void;

/** Watches `geo` at an agent that answers its questions by `answer`, and each probe well. */
async function watch(context: TestContext, answer: Answer, options: ConsulOptions = {}): Promise<Watched> {
  const watched: Watched = { sets: [], failures: [], paths: [] };
  const server = createServer((request, response) => {
    if (request.url === "/v1/status/leader") response.end('"10.0.0.1:8300"');
    else answer(response, request, watched.paths.push(request.url ?? ""));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const known = consulDiscovery({ address: `127.0.0.1:${port}`, minIntervalMs: 10, ...options });
  context.after(async () => {
    await known.close();
    server.closeAllConnections();
    server.close();
  });
  known.watch("geo", {
    snapshot: (endpoints) => void watched.sets.push(endpoints.map(({ id }) => id).join()),
    failed: (error) => void watched.failures.push(`${error.code}: ${error.message}`),
  });
  return watched;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(5);
}

function tell(response: ServerResponse, index: number | string, list: unknown = [one]): void {
  response.setHeader("x-consul-index", index);
  response.end(JSON.stringify(list));
}

const bad: Readonly<Record<string, readonly [(response: ServerResponse) => void, RegExp]>> = {
  "the page of a captive portal": [(response) => {
    response.setHeader("content-type", "text/html");
    response.end("<html><title>Sign in</title>");
  }, /^internal: Consul at .* answered no JSON \(text\/html\): <html>.*login page/],
  "half a list": [(response) => void response.end('[{"Node":'), /^internal: .* answered no JSON/],
  "an object": [(response) => void response.end("{}"), /^internal: .* answered a mapping where a list of entries/],
  "too much": [(response) => void response.end(`["${"x".repeat(20_000)}"]`), /^resource_exhausted: .*10000 bytes/],
  "500": [(response) => void response.writeHead(500).end("No leader"), /^unavailable: .*500: No leader/],
  "403": [(response) => void response.writeHead(403).end("ACL not found"), /^permission_denied: .*has expired$/],
  "an empty list out of caution": [(response) => {
    response.setHeader("x-consul-results-filtered-by-acls", "true");
    tell(response, 6, []);
  }, /^permission_denied: .* hides entries from us/],
  "nothing": [(response) => response.destroy(), /^unavailable: /],
};

for (const [what, [answer, message]] of Object.entries(bad)) {
  test(`the last set stays where the agent answers ${what}`, { timeout }, async (t) => {
    const watched = await watch(t, (response, _, count) => {
      if (count === 1) tell(response, 5);
      else answer(response);
    }, { maxBytes: 10_000, token: "secret" });
    await until(() => watched.failures.length > 0);
    assert.match(watched.failures[0] as string, message);
    assert.doesNotMatch(watched.failures[0] as string, /secret/);
    assert.deepEqual(watched.sets, ["10.0.0.1:80"]);
  });
}

test("an index that goes back begins anew; the same one says that nothing changed", { timeout }, async (t) => {
  const indexes = [7, 7, 3, 4];
  const watched = await watch(t, (response, _, count) => {
    const index = indexes[count - 1];
    if (index !== undefined) tell(response, index, index === 4 ? [] : [one]);
  }, { tags: ["a b"], consistency: "stale", settleMs: 0 });
  await until(() => watched.paths.length === 5);
  const base = "/v1/health/service/geo?tag=a%20b&stale&passing";
  assert.deepEqual(watched.paths,
    [base, `${base}&index=7&wait=60000ms`, `${base}&index=7&wait=60000ms`, base, `${base}&index=4&wait=60000ms`]);
  assert.deepEqual(watched.sets, ["10.0.0.1:80", ""]);
  assert.deepEqual([nextIndex(5, "6"), nextIndex(5, "5"), nextIndex(5, "4"), nextIndex(0, "0"), nextIndex(5, undefined),
    nextIndex(5, "-1"), nextIndex(5, "many")], [6, 5, 0, 0, 0, 0, 0]);
});

test("whoever is missing after a loss, or an index that went back, stays for a while", { timeout }, async (t) => {
  const settleMs = 1_500;
  let missingMs = 0;
  let index = 7;
  const watched = await watch(t, (response, request, count) => {
    if (count === 1) tell(response, index);
    else if (count === 2) response.destroy();
    else {
      missingMs ||= performance.now();
      if (new URL(request.url ?? "", "http://x").searchParams.get("index") === String(index)) {
        const waitMs = parseInt(new URL(request.url ?? "", "http://x").searchParams.get("wait") ?? "", 10);
        setTimeout(() => tell(response, index, []), waitMs);
      } else {
        tell(response, index = 3, []);
      }
    }
  }, { settleMs });
  await until(() => watched.sets.length === 2);
  assert.deepEqual(watched.sets, ["10.0.0.1:80", ""]);
  assert.ok(performance.now() - missingMs >= settleMs - 5);
});

test("an agent without TLS, asked by TLS, is an error that says so", { timeout }, async (t) => {
  const watched = await watch(t, () => undefined, { tls: tls({}) });
  await until(() => watched.failures.length > 0);
  assert.match(watched.failures[0] as string, /^unavailable: .*: it speaks no TLS on this port: /);
  assert.deepEqual(watched.sets, []);
});

test("entries of any shape are read or left out by reason, and never thrown over", () => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.json().map((text) => JSON.parse(text) as unknown), fc.record({
    Node: fc.oneof(fc.constant({ Address: "10.0.0.1" }), fc.anything()),
    Service: fc.record({ ID: fc.anything(), Service: fc.constant("geo"), Port: fc.anything(), Meta: fc.anything() }),
    Checks: fc.oneof(fc.constant([]), fc.anything()),
  }))), (entries) => {
    let skipped = 0;
    const view = { skipped: () => void skipped++ };
    const endpoints = readCatalog(entries, { name: "geo", service: "geo", server: "Consul", view });
    assert.ok(endpoints.length + skipped <= entries.length);
  }), { seed: 8_500, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200) });
});

test("whatever an endpoint says comes back from Consul's fields, within Consul's limits", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  const key = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,40}$/);
  const fields = fc.record({
    address: fc.constantFrom("10.0.0.1:7001", "[fd00::1]:7002", "unix:/run/a", "host:1"),
    id: fc.string({ minLength: 1 }),
    region: text.filter((region) => region !== ""), zone: text, weight: fc.oneof(fc.nat(100_000), fc.constant(0.5)),
    backup: fc.boolean(), priority: fc.nat(100),
    attributes: fc.dictionary(key, text, { maxKeys: 20, noNullPrototype: true }),
  });
  const settings = resolveConsulOptions({});
  fc.assert(fc.property(fields, (given) => {
    const endpoint = endpointAddress(given);
    const made = registrationOf(settings, { name: "geo", endpoint, registrant: "r" });
    for (const [name, value] of Object.entries(made.Meta)) {
      assert.match(name, /^[A-Za-z0-9_-]{1,128}$/);
      assert.ok(Buffer.byteLength(value) <= 512);
    }
    assert.ok(Object.keys(made.Meta).length <= 64);
    const view = { skipped: (entry: string, why: string): void => assert.fail(`${entry}: ${why}`) };
    const entry = { Node: { Datacenter: "dc1" }, Service: { ...made, Service: made.Name } };
    assert.deepEqual(readCatalog([entry], { name: "geo", service: "geo", server: "Consul", view }), [endpoint]);
  }), { seed: 8_501, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 200) });
});

test("what Consul has no room for, and options out of bounds, are refused by name", () => {
  const attributes = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`a.${i}`, "ä".repeat(200)]));
  assert.throws(() => metaOf("geo", "r", endpointAddress({ address: "10.0.0.1:1", attributes })),
    { code: "invalid_argument", message: /they need \d+ pairs of Meta/ });
  for (const [options, message] of [
    [{ address: "https://10.0.0.1:8501" }, /expected "10.0.0.1:8501" and the option `tls`/],
    [{ address: "10.0.0.1" }, /host:port/], [{ waitMs: 700_000 }, /waitMs 700000/],
    [{ deregisterAfterMs: 1_000 }, /deregisterAfterMs 1000; expected a number from 60000/],
  ] as const) {
    assert.throws(() => consulDiscovery(options), { code: "invalid_argument", message });
  }
});
