// Kubernetes (emulator): lists that are paged, watches that end, expire, fall silent or are cut; nothing may be missed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { onMachine } from "../machine/stalls.ts";
import { anybody, slicesOf, startEmulator } from "./kubernetes.ts";
import type { EmulatorSettings } from "./kubernetes-emulator.ts";
import { hear, put, until } from "./kubernetes-heard.ts";

const name = "geo.v1.Cities";
const [a, b, c] = ["10.0.0.1:7001", "10.0.0.2:7001", "10.0.0.3:7001"];
const at = (...addresses: string[]) => addresses.map((address) => ({ address }));
const limit = { timeout: 120_000 };
/** For what depends on seconds, and may be run twice. */
const twice = { timeout: 400_000 };

async function emulator(things: AsyncDisposableStack, settings: EmulatorSettings = {}) {
  const server = await startEmulator(settings);
  things.defer(() => server.stop());
  const count = async (pattern: RegExp): Promise<number> =>
    (await server.order({ do: "asked" })).asked.filter((one) => pattern.test(one)).length;
  return { server, count };
}

test("Kubernetes (emulator): a thousand endpoints over ten slices, read by pages of three", limit, async () => {
  await using things = new AsyncDisposableStack();
  const { server, count } = await emulator(things);
  const all = Array.from({ length: 1_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}:7001`);
  await put(server, name, at(...all));
  assert.equal(slicesOf(name, at(...all)).length, 10);
  const heard = hear(server, name, { pageSlices: 3 });
  things.defer(() => heard.close());
  await until("all are told", () => heard.snapshots.at(-1)?.length === 1_000);
  assert.equal(heard.snapshots.length, 1, "no page is told alone");
  assert.equal(await count(/limit=3(?!.*continue)/), 1);
  assert.equal(await count(/continue=/), 3);
});

test("Kubernetes (emulator): a list whose next page expired is begun anew", limit, async () => {
  await using things = new AsyncDisposableStack();
  const { server, count } = await emulator(things);
  await put(server, name, [{ address: a, weight: 1 }, { address: b, weight: 2 }, { address: c, weight: 3 }]);
  // The first page is answered, the second refused as one would be after a compaction between them.
  const proxied = hear(server, name, { pageSlices: 1, services: (one) => one, credentials: refusingOnce(server) });
  things.defer(() => proxied.close());
  await proxied.told(a, b, c);
  assert.equal(await count(/limit=1(?!.*continue)/), 2);
  assert.deepEqual(proxied.failures, []);
});

/** Credentials that have the server compact its memory just before the second request is sent. */
function refusingOnce(server: Awaited<ReturnType<typeof startEmulator>>) {
  let asked = 0;
  return {
    source: "the test",
    async read() {
      // The first two reads are for the namespace and the first page.
      if (++asked === 3) await server.order({ do: "compact" });
      return anybody(server.address).read();
    },
  };
}

test("Kubernetes (emulator): bookmarks move the version from which a watch that ended goes on",
  twice, () => onMachine(async () => {
  await using things = new AsyncDisposableStack();
  const { server, count } = await emulator(things, { bookmarkMs: 30 });
  await put(server, name, at(a));
  const heard = hear(server, name);
  things.defer(() => heard.close());
  await heard.told(a);
  // Others change meanwhile, until the version that was listed is long forgotten.
  for (let i = 0; i < 5; i++) await put(server, "geo.v1.Routes", [{ address: b, weight: 1 + i }]);
  const { version } = await server.order({ do: "asked" });
  await sleep(1_000);
  await server.order({ do: "compact" });
  await server.order({ do: "endWatches", how: "closed" });
  await until("it goes on from a bookmark", async () => await count(new RegExp(`resourceVersion=${version}&`)) > 0);
  await put(server, name, at(a, b));
  await heard.told(a, b);
  assert.equal(await count(/limit=/), 1, "nothing was listed anew");
  assert.deepEqual(heard.failures, []);
}));

test("Kubernetes (emulator): a watch that the server ends in its time goes on without a gap", limit, async () => {
  await using things = new AsyncDisposableStack();
  const { server, count } = await emulator(things);
  await put(server, name, at(a));
  const heard = hear(server, name, { watchMs: 1_000 });
  things.defer(() => heard.close());
  await heard.told(a);
  for (let i = 1; i <= 40; i++) {
    await put(server, name, [{ address: a, weight: i }]);
    await sleep(100);
  }
  await until("the last is told", () => heard.endpoint(a)?.weight === 40);
  assert.equal(await count(/limit=/), 1, "nothing was listed anew");
  assert.ok(await count(/watch=true.*timeoutSeconds=[12]$/) >= 2, "several watches followed each other");
  assert.deepEqual(heard.failures, []);
});

test("Kubernetes (emulator): a watch that expired (410, as an event and as a status) lists anew", limit, async () => {
  await using things = new AsyncDisposableStack();
  const { server, count } = await emulator(things);
  await put(server, name, at(a));
  const heard = hear(server, name);
  things.defer(() => heard.close());
  await heard.told(a);
  for (const [how, next] of [["an event", b], ["a status", c]] as const) {
    // Longer than what counts as at once.
    await sleep(1_200);
    const before = await count(/limit=/);
    // A version that the watch has not seen: another name's.
    await put(server, "geo.v1.Routes", at(next));
    if (how === "a status") await server.order({ do: "refuse", status: 410, count: 1 });
    else await server.order({ do: "compact" });
    await server.order({ do: "endWatches", how: "closed" });
    await until(`it is listed anew after ${how}`, async () => await count(/limit=/) > before);
    await put(server, name, at(next));
    await heard.told(next);
  }
  assert.deepEqual(heard.failures, [], "which is no failure");
});

test("Kubernetes (emulator): what happened while the server was down is found at its return", limit, async () => {
  await using things = new AsyncDisposableStack();
  const { server } = await emulator(things);
  await put(server, name, at(a, b));
  const heard = hear(server, name);
  things.defer(() => heard.close());
  await heard.told(a, b);
  await server.kill();
  await heard.failed(/broke|connect|closed/);
  assert.equal(heard.addresses(), `${a} ${b}`, "the last good set stays");
  await server.restart();
  await put(server, name, at(b, c));
  await heard.told(b, c);
  await server.order({ do: "endWatches", how: "cut" });
  await put(server, name, at(c));
  await heard.told(c);
  await server.restartEmpty();
  await heard.told();
});

test("Kubernetes (emulator): a server that stands still is noticed in seconds, and found again",
  twice, () => onMachine(async () => {
  await using things = new AsyncDisposableStack();
  const { server, count } = await emulator(things);
  await put(server, name, at(a));
  const heard = hear(server, name);
  things.defer(() => heard.close());
  await heard.told(a);
  // Signs of life are asked for; while they come, nobody is alarmed.
  const before = (await server.order({ do: "asked" })).asked.length;
  await sleep(2_500);
  assert.equal((await server.order({ do: "asked" })).asked.filter((one) => /limit=/.test(one)).length, 1);
  assert.ok(await count(/GET \/livez/) >= 1, `it was asked ${before}`);
  assert.deepEqual(heard.failures, []);
  const stalledMs = performance.now();
  server.stall();
  await heard.failed(/no longer answers/);
  const noticedMs = performance.now() - stalledMs;
  assert.equal(heard.addresses(), a);
  server.resume();
  await put(server, name, at(b));
  await heard.told(b);
  // The promise is 2 to 3 s; a busy machine gets more.
  assert.ok(noticedMs < 15_000, `it was noticed after ${Math.round(noticedMs)} ms`);
  process.stdout.write(`# noticed after ${Math.round(noticedMs)} ms\n`);
}));

test("Kubernetes (emulator): slices that cannot be read are told by name, and the rest serves", limit, async () => {
  await using things = new AsyncDisposableStack();
  const { server } = await emulator(things);
  const [good] = slicesOf(name, at(a));
  const labels = { "meridian-rpc/service": name };
  const slice = (suffix: string, fields: Record<string, unknown>): Record<string, unknown> => ({
    ...good, metadata: { name: `bad-${suffix}`, namespace: "prod", labels }, ...fields,
  });
  const bad = [
    slice("fqdn", { addressType: "FQDN", endpoints: [{ addresses: ["cities.example"] }] }),
    slice("family", { addressType: 7 }),
    slice("list", { endpoints: { addresses: [] } }),
    slice("ports", { ports: [{ port: "7001" }] }),
    slice("udp", { ports: [{ port: 53, protocol: "UDP" }] }),
    slice("no-ports", { ports: [] }),
    slice("huge", { endpoints: Array.from({ length: 1_001 }, () => ({ addresses: ["10.9.9.9"] })) }),
    slice("weight", { metadata: { name: "bad-weight", namespace: "prod", labels,
      annotations: { "meridian-rpc/weight": "heavy" } } }),
    slice("some", { endpoints: [
      { addresses: ["10.0.0.300"] }, { addresses: [] }, "x",
      { addresses: ["10.0.0.4"], conditions: { ready: "yes" } },
      { addresses: ["10.0.0.2"], conditions: null, hints: null, zone: null, targetRef: null },
    ] }),
  ];
  await server.order({ do: "put", objects: [good as Record<string, unknown>, ...bad], instead: "" });
  const heard = hear(server, name);
  things.defer(() => heard.close());
  await heard.told(a, b);
  const skipped = heard.skipped().join("\n");
  for (const pattern of [
    /bad-fqdn: addressType is FQDN/, /bad-family: addressType: expected IPv4 or IPv6, found the number 7/,
    /bad-list: endpoints: expected a list, found a mapping/, /bad-ports: ports\[0\].port: expected 1 to 65535/,
    /bad-udp: none of its ports is one of TCP/, /bad-no-ports: it names no port/,
    /bad-huge: endpoints has 1001 members/, /bad-weight: meridian-rpc\/weight is "heavy"/,
    /bad-some endpoints\[0\]: addresses: expected an IPv4 address, found "10.0.0.300"/,
    /bad-some endpoints\[1\]: addresses: expected an IPv4 address, found nothing/,
    /bad-some endpoints\[2\]: the endpoint: expected a mapping/, /bad-some endpoints\[3\]: conditions.ready/,
  ]) assert.match(skipped, pattern);
  await put(server, "other", at(c));
  assert.equal(heard.skipped().length, 12, "each is said once");
});
