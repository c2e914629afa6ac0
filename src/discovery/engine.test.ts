// What every driver owes to engine.ts, shown on an engine in memory that can be broken at will.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Observer } from "../core/observer.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import { endpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import { discoveryCases, type ServiceFields } from "../testing/discovery.ts";
import { type Engine, engineDiscovery, type EngineOptions, superseded } from "./engine.ts";

/** A shelf of entries whose followers and holders can be failed. */
function shelf() {
  const entries = new Map<string, Map<string, { endpoint: EndpointAddress; registrant: string }>>();
  const ends = new Set<(error: RpcError) => void>();
  const looks = new Set<() => void>();
  const calls = { follow: 0, hold: 0 };
  let failure: RpcError | undefined;
  const changed = (): void => looks.forEach((look) => look());
  const of = (name: string) => {
    let found = entries.get(name);
    if (found === undefined) entries.set(name, found = new Map());
    return found;
  };

  async function until(signal: AbortSignal): Promise<void> {
    if (failure !== undefined) throw failure;
    if (signal.aborted) return;
    await new Promise<void>((resolve, reject) => {
      ends.add(reject);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  const engine: Engine = {
    name: "shelf",
    async follow(name, view, signal) {
      calls.follow++;
      const look = (): void => view.told([...of(name).values()].map(({ endpoint }) => endpoint));
      if (failure === undefined) look();
      looks.add(look);
      try {
        await until(signal);
      } finally {
        looks.delete(look);
      }
    },
    async hold({ name, endpoint, registrant }, held, signal) {
      calls.hold++;
      if (failure !== undefined) throw failure;
      of(name).set(endpoint.id, { endpoint, registrant });
      changed();
      held();
      await until(signal);
      if (signal.reason === superseded || of(name).get(endpoint.id)?.registrant !== registrant) return;
      of(name).delete(endpoint.id);
      changed();
    },
    close: () => Promise.resolve(),
  };
  return {
    engine, calls, entries,
    set(services: ServiceFields) {
      failure = undefined;
      for (const [name, fields] of Object.entries(services)) {
        entries.set(name, new Map(fields.map(endpointAddress).map((endpoint) =>
          [endpoint.id, { endpoint, registrant: "by hand" }])));
      }
      changed();
    },
    fail(error: RpcError) {
      failure = error;
      for (const end of ends) end(error);
      ends.clear();
    },
    mend() {
      failure = undefined;
    },
  };
}

const away = new RpcError("unavailable", "the shelf fell down");

for (const { name, run } of discoveryCases((services) => {
  const { engine, set, fail } = shelf();
  set(services);
  const discovery = engineDiscovery(nodeRuntime, engine, { retryMaxMs: 50, settleMs: 50 });
  return { discovery, registrar: discovery, set, breakSource: () => fail(away), close: () => discovery.close() };
}, { changes: true, failures: true, registrar: true })) {
  test(`engine: ${name}`, { timeout: 20_000 }, run);
}

function listening(options: EngineOptions = {}) {
  const events: { name: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const observer: Observer = { event: (name, fields) => void events.push({ name, fields }) };
  const made = shelf();
  const discovery = engineDiscovery(nodeRuntime, made.engine, { observer, retryMaxMs: 50, ...options });
  const heard = (name: string): number => events.filter((one) => one.name === name).length;
  return { ...made, discovery, events, heard };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i > 2_000) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("an outage is one event, its end another, and the entry is entered again by itself", async () => {
  const { discovery, fail, mend, heard, entries, calls } = listening();
  discovery.watch("geo", { snapshot: () => undefined });
  const registration = discovery.register("geo", { address: "a:1" });
  await registration.registered;
  fail(away);
  entries.clear();
  await until("several tries", () => calls.follow > 4 && calls.hold > 4);
  assert.equal(heard("discovery.lost"), 1);
  assert.equal(heard("discovery.register.lost"), 1);
  assert.equal(heard("discovery.register.failed"), 0);
  mend();
  await until("it is back", () => entries.get("geo")?.has("a:1") === true && heard("discovery.found") === 1);
  assert.equal(heard("discovery.registered"), 1);
  await discovery.close();
  assert.equal(entries.get("geo")?.size, 0);
});

test("after an outage nobody is taken out until it has settled, and newcomers are told at once", async () => {
  const { discovery, fail, set, heard } = listening({ settleMs: 100 });
  const told: string[] = [];
  discovery.watch("geo", { snapshot: (endpoints) => void told.push(endpoints.map(({ id }) => id).join()) });
  set({ geo: [{ address: "a:1" }, { address: "b:1" }] });
  await until("both are told", () => told.at(-1) === "a:1,b:1");
  fail(away);
  await until("it is lost", () => heard("discovery.lost") === 1);
  set({ geo: [{ address: "c:1" }] });
  await until("the newcomer is told, and nobody is gone", () => told.at(-1) === "a:1,b:1,c:1");
  await until("it has settled", () => told.at(-1) === "c:1");
  await discovery.close();
});

test("a refusal ends a registration that was never held, and no other", async () => {
  const { discovery, fail, calls } = listening();
  fail(new RpcError("permission_denied", "not you"));
  await assert.rejects(discovery.register("geo", { address: "a:1" }).registered, /not you/);
  const tries = calls.hold;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(calls.hold, tries);
  await discovery.close();
});

test("an entry listed twice counts once, and what is left out is said once", async () => {
  const heard: string[] = [];
  let told = 0;
  const twice = endpointAddress({ address: "a:1" });
  const discovery = engineDiscovery(nodeRuntime, {
    name: "liar",
    async follow(_name, view, signal) {
      for (let i = 0; i < 3; i++) {
        view.skipped("b", "has no address");
        view.told([twice, endpointAddress({ address: "a:1", weight: 7 })]);
      }
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
    close: () => Promise.resolve(),
  }, { observer: { event: (name, fields) => void heard.push(`${name} ${String(fields["entry"])}`) } });
  discovery.watch("geo", { snapshot: (endpoints) => {
    told++;
    assert.deepEqual(endpoints, [twice]);
  } });
  await until("said", () => heard.length > 0);
  assert.deepEqual(heard, ["discovery.skipped b", "discovery.skipped a:1"]);
  assert.equal(told, 1);
  assert.throws(() => discovery.register("geo", { address: "a:1" }), /liar is only read/);
  await discovery.close();
});

test("a set that is too large is not taken at all; too many names are refused", async () => {
  const { discovery, set } = listening({ maxEndpoints: 1, maxNames: 1 });
  const failures: string[] = [];
  const sets: number[] = [];
  discovery.watch("geo", {
    snapshot: (endpoints) => void sets.push(endpoints.length), failed: (error) => void failures.push(error.message),
  });
  set({ geo: [{ address: "a:1" }, { address: "b:1" }] });
  await until("refused", () => failures.length > 0);
  assert.match(failures[0] ?? "", /lists 2 endpoints of "geo", more than 1 \(maxEndpoints\)/);
  set({ geo: [{ address: "b:1" }] });
  await until("taken", () => sets.length > 1);
  assert.deepEqual(sets, [0, 1]);
  assert.throws(() => discovery.watch("other", { snapshot: () => undefined }), /1 names are watched already/);
  await discovery.close();
  assert.throws(() => discovery.watch("geo", { snapshot: () => undefined }), /is closed/);
});

test("names and endpoints that no caller could use are refused at once", async () => {
  const { discovery } = listening();
  assert.throws(() => discovery.watch("a b", { snapshot: () => undefined }), /the name "a b"/);
  assert.throws(() => discovery.register("geo", { address: "0.0.0.0:7001" }), /advertise/);
  assert.throws(() => discovery.register("geo", { address: "nowhere" }), /host:port/);
  await discovery.close();
});
