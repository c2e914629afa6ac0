import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { type EndpointAddress, endpointAddress, type EndpointFields } from "../core/endpoint.ts";
import type { Discovery } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import { createSimulation, type Simulation } from "../runtime/sim/index.ts";
import { createClientOn } from "../client/index.ts";
import { createServerOn } from "../server/index.ts";
import { rpc, service } from "../contract/index.ts";
import { handClock, seededRandom } from "../../test/policies/support.ts";
import {
  connectRegistry, createRegistry, type HostedRegistry, hostRegistryOn, type RegistryClient, type RegistryClientOptions,
  RegistryContract, type RegistryOptions,
} from "./index.ts";

const address = "registry:7000";
const runs = Math.ceil(Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100) / 10);

/** Remembers what a watcher is told, and lets a scenario wait for it. */
function record(discovery: Discovery, name: string) {
  const told: (readonly EndpointAddress[])[] = [];
  const failures: RpcError[] = [];
  const stop = discovery.watch(name, {
    snapshot: (endpoints) => told.push(endpoints),
    failed: (error) => failures.push(error),
  });
  const now = (): string[] | undefined => told.at(-1)?.map(({ id }) => id).sort();
  const is = (...ids: string[]) => (): boolean => String(now()) === String(ids.sort());
  return { told, failures, stop, now, is };
}

interface World {
  readonly simulation: Simulation;
  readonly events: { readonly name: string; readonly fields: Readonly<Record<string, unknown>> }[];
  host(options?: RegistryOptions): Promise<HostedRegistry>;
  restart(options?: RegistryOptions): Promise<HostedRegistry>;
  connect(host: string, options?: Partial<RegistryClientOptions>): RegistryClient;
  /** Enters endpoints and waits until they are held. */
  enter(client: RegistryClient, name: string, ...endpoints: readonly EndpointFields[]): Promise<void>;
  until(condition: () => boolean, withinMs: number): Promise<void>;
  pass(ms: number): Promise<void>;
}

function world(seed: number): World {
  const simulation = createSimulation({ seed, link: { latencyMs: 1 } });
  const events: World["events"] = [];
  const observer: Observer = { event: (name, fields) => void events.push({ name, fields }) };
  const start = (runtime = simulation.host("registry"), options: RegistryOptions = {}): Promise<HostedRegistry> =>
    simulation.runUntil(hostRegistryOn(runtime, { host: "registry", port: 7000, settleMs: 0, observer, ...options }),
      simulation.nowMs + 100);
  return {
    simulation, events,
    host: (options) => start(undefined, options),
    restart: (options) => start(simulation.restart("registry"), { settleMs: undefined, ...options }),
    connect: (host, options) => connectRegistry(simulation.host(host), { address, observer, ...options }),
    enter: async (client, name, ...endpoints) => {
      const all = Promise.all(endpoints.map((endpoint) => client.register(name, endpoint).registered));
      await simulation.runUntil(all, simulation.nowMs + 5_000);
    },
    until: (condition, withinMs) => simulation.runUntil(condition, simulation.nowMs + withinMs),
    pass: (ms) => simulation.run(simulation.nowMs + ms),
  };
}

const at = (id: string): EndpointFields => ({ address: `${id}:7001`, id });

test("an entry is seen with all its fields, and goes when it is withdrawn", async () => {
  const { host, connect, until } = world(1);
  await host();
  const [server, client] = [connect("server"), connect("client")];
  const seen = record(client, "calc.v1.Calculator");
  const full: EndpointAddress = {
    id: "one", address: "[::1]:7001", region: "eu-west", zone: "a", weight: 2.5, backup: true, priority: 3,
    attributes: { version: "2", lat: "52.5" },
  };
  const registration = server.register("calc.v1.Calculator", full);
  await until(seen.is("one"), 1_000);
  assert.deepEqual({ ...seen.told.at(-1)?.[0] }, full);
  void registration.close();
  await until(seen.is(), 100);
});

test("names are apart, and a second watcher of a name is told at once what is known", async () => {
  const { host, connect, enter, until } = world(2);
  const { registry } = await host();
  const [server, client] = [connect("server"), connect("client")];
  await enter(server, "a", at("one"));
  await enter(server, "b", at("two"));
  const [a, b] = [record(client, "a"), record(client, "b")];
  await until(() => a.is("one")() && b.is("two")(), 1_000);
  const late = record(client, "a");
  assert.deepEqual(late.now(), ["one"]);
  assert.equal(registry.watches, 2, "one stream a name");
  a.stop();
  late.stop();
  await until(() => registry.watches === 1, 1_000);
});

test("an entry whose process is gone silently expires with its time to live", async () => {
  const { simulation, host, connect, enter, until, events } = world(3);
  await host();
  const client = connect("client");
  await enter(connect("server", { ttlMs: 1_000 }), "a", at("one"));
  await enter(connect("other", { ttlMs: 1_000 }), "a", at("two"));
  const seen = record(client, "a");
  await until(seen.is("one", "two"), 1_000);
  const crashedMs = simulation.nowMs;
  simulation.crash("server", { isSilent: true });
  await until(seen.is("two"), 2_000);
  const tookMs = simulation.nowMs - crashedMs;
  assert.ok(tookMs > 600 && tookMs < 1_050, `${tookMs} ms`);
  assert.equal(events.filter(({ name }) => name === "registry.expired").length, 1);
});

test("renewed entries stay for as long as their process lives", async () => {
  const { host, connect, enter, pass } = world(4);
  await host();
  const seen = record(connect("client"), "a");
  await enter(connect("server", { ttlMs: 500 }), "a", at("one"), at("two"));
  await pass(60_000);
  assert.deepEqual(seen.now(), ["one", "two"]);
  assert.ok(seen.told.length <= 3, `${seen.told.length} snapshots`);
});

test("no watcher loses an endpoint when the registry is killed and comes back empty", async () => {
  for (const outageMs of [20, 500, 5_000, 60_000]) {
    const { simulation, host, restart, connect, enter, until, pass, events } = world(outageMs);
    await host();
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) {
      ids.push(`s${i}`);
      await enter(connect(`server${i}`), "a", at(`s${i}`));
    }
    const all = [...ids].sort();
    const watchers = [0, 1, 2].map((i) => record(connect(`client${i}`), "a"));
    await until(() => watchers.every((one) => String(one.now()) === String(all)), 1_000);
    for (const one of watchers) one.told.length = 0;
    simulation.crash("registry");
    await pass(outageMs);
    for (const { failures } of watchers) assert.equal(failures.length, 1, "failed once");
    const { registry } = await restart();
    await until(() => registry.endpoints === 20, 2_500);
    await pass(20_000);
    for (const { told, failures } of watchers) {
      assert.ok(told.length >= 1, "the recovery is told");
      for (const snapshot of told) assert.deepEqual(snapshot.map(({ id }) => id).sort(), all);
      assert.equal(failures.length, 1);
    }
    assert.ok(events.some(({ name }) => name === "registry.found"));
  }
});

test("whatever becomes of the registry, no watcher loses who lives, and none keeps who died", async () => {
  for (let seed = 1_000; seed < 1_000 + runs; seed++) {
    const { simulation, host, restart, connect, enter, until, pass } = world(seed);
    const { random } = simulation;
    await host();
    const ids = ["s0", "s1", "s2", "s3", "s4"];
    for (const id of ids) {
      await enter(connect(id, { ttlMs: 500 + Math.round(10_000 * random.next() ** 2) }), "a", at(id));
    }
    const watchers = ["c0", "c1", "c2"].map((name) => record(connect(name), "a"));
    await until(() => watchers.every((one) => one.is(...ids)()), 1_000);
    for (const one of watchers) one.told.length = 0;
    for (let i = 0; i < 6; i++) {
      simulation.crash("registry", { isSilent: random.next() < 0.5 });
      await pass(8_000 * random.next() ** 2);
      await restart();
      await pass(8_000 * random.next() ** 2);
    }
    await pass(10_000);
    for (const { told } of watchers) {
      for (const snapshot of told) assert.equal(snapshot.length, ids.length, `seed ${seed}`);
    }
    simulation.crash("registry");
    simulation.crash("s0", { isSilent: true });
    await restart();
    simulation.crash("s1", { isSilent: true });
    await until(() => watchers.every((one) => one.is("s2", "s3", "s4")()), 20_000);
  }
});

test("what died while the registry was away goes once the new one has settled, and not before", async () => {
  const { simulation, host, restart, connect, enter, until } = world(5);
  await host();
  await enter(connect("server"), "a", at("one"));
  await enter(connect("other"), "a", at("two"));
  const seen = record(connect("client"), "a");
  await until(seen.is("one", "two"), 1_000);
  simulation.crash("registry");
  simulation.crash("server");
  await restart({ settleMs: 3_000 });
  const restartedMs = simulation.nowMs;
  await until(seen.is("two"), 10_000);
  const tookMs = simulation.nowMs - restartedMs;
  assert.ok(tookMs >= 2_900 && tookMs < 3_200, `${tookMs} ms`);
});

test("a new registry is believed when it takes out what it has listed itself", async () => {
  const { simulation, host, restart, connect, until, pass } = world(6);
  await host();
  const server = connect("server");
  const seen = record(connect("client"), "a");
  const registration = server.register("a", at("one"));
  server.register("a", at("two"));
  await until(seen.is("one", "two"), 1_000);
  simulation.crash("registry");
  const { registry } = await restart({ settleMs: 60_000 });
  await until(() => registry.endpoints === 2, 3_000);
  await pass(1_000);
  void registration.close();
  await until(seen.is("two"), 1_000);
});

test("nobody is told \"nobody\" by a registry that has only just begun to listen", async () => {
  const { host, connect, enter, pass } = world(7);
  await host({ settleMs: 3_000 });
  const client = connect("client");
  const [seen, unknown] = [record(client, "a"), record(client, "b")];
  await pass(500);
  assert.deepEqual(seen.told, []);
  await enter(connect("server"), "a", at("one"));
  await pass(100);
  assert.deepEqual(seen.now(), ["one"]);
  await pass(3_000);
  assert.deepEqual(unknown.now(), []);
});

test("a server cut off from the registry expires, and is back soon after the cut heals", async () => {
  const { simulation, host, connect, enter, until, pass } = world(8);
  await host();
  await enter(connect("server"), "a", at("one"));
  const seen = record(connect("client"), "a");
  await until(seen.is("one"), 1_000);
  simulation.partition("server", "registry");
  await until(seen.is(), 3_100);
  await pass(20_000);
  simulation.heal();
  await until(seen.is("one"), 3_000);
});

test("a watcher cut off from the registry keeps what it knows and catches up", async () => {
  const { simulation, host, connect, enter, until, pass } = world(9);
  await host();
  const server = connect("server");
  await enter(server, "a", at("one"));
  const seen = record(connect("client"), "a");
  await until(seen.is("one"), 1_000);
  simulation.partition("client", "registry");
  await pass(10_000);
  await enter(server, "a", at("two"));
  assert.equal(seen.failures.length, 1);
  assert.deepEqual(seen.now(), ["one"]);
  simulation.heal();
  await until(seen.is("one", "two"), 3_000);
});

test("a registry that stood still expires nobody who went on renewing", async () => {
  const { simulation, host, connect, enter, until, pass } = world(10);
  await host();
  await enter(connect("server"), "a", at("one"));
  const seen = record(connect("client"), "a");
  await until(seen.is("one"), 1_000);
  simulation.silence("registry");
  await pass(20_000);
  simulation.wake("registry");
  await pass(20_000);
  assert.ok(seen.told.every((snapshot) => snapshot.length === 1), "never empty");
});

test("a registry that stumbled gives everybody one more heartbeat, and no more", () => {
  const clock = handClock();
  const registry = createRegistry({ clock, random: seededRandom(1) }, { settleMs: 0 });
  const { handlers } = registry;
  const counted = () => (handlers.list({}, undefined as never) as { names: readonly unknown[] }).names.length;
  const endpoint = { ...endpointAddress(at("one")), attributes: {} };
  void handlers.register({ name: "a", endpoint, ttlMs: 900, registrant: "" }, undefined as never);
  clock.advance(700);
  clock.stall(180);
  clock.advance(310);
  assert.equal(counted(), 1, "not at 900 ms, since nothing was read for 180 of them");
  clock.advance(100);
  assert.equal(counted(), 0, "but at 1,200 ms");
  registry.close();
});

test("a thousand endpoints arrive whole, in few snapshots", async () => {
  const { host, connect, enter, until } = world(11);
  await host();
  const seen = record(connect("client"), "a");
  const endpoints = Array.from({ length: 1_000 }, (_, i) => (
    { ...at(`server-${i}`), region: "eu-west", zone: "a", attributes: { version: "1", shard: `${i}` } }));
  await enter(connect("server"), "a", ...endpoints);
  await until(() => seen.now()?.length === 1_000, 2_000);
  assert.ok(seen.told.length < 20, `${seen.told.length} snapshots`);
  const sizes = seen.told.map(({ length }) => length);
  assert.deepEqual(sizes, [...sizes].sort((a, b) => a - b), "snapshots come in order");
});

test("of two who register under one id the later is listed, and the earlier again when that one ends", async () => {
  const { host, connect, until, pass } = world(12);
  await host();
  const seen = record(connect("client"), "a");
  const weight = (): number | undefined => seen.told.at(-1)?.[0]?.weight;
  const old = connect("server").register("a", { ...at("one"), weight: 1 });
  await until(() => weight() === 1, 1_000);
  const renewed = connect("other").register("a", { ...at("one"), weight: 2 });
  await until(() => weight() === 2, 1_000);
  await pass(20_000);
  assert.deepEqual(seen.told.slice(1).map((snapshot) => snapshot.map((one) => one.weight)), [[1], [2]]);
  void renewed.close();
  await until(() => weight() === 1, 1_000);
  void old.close();
  await until(seen.is(), 1_000);
});

test("a registration made twice is one lease", async () => {
  const { simulation, host } = world(19);
  const { registry } = await host();
  const client = createClientOn(simulation.host("client"), RegistryContract, { address });
  const entry = { name: "a", endpoint: endpointAddress(at("one")), ttlMs: 3_000, registrant: "me" };
  const request = { ...entry, endpoint: { ...entry.endpoint, attributes: {} } };
  const both = Promise.all([client.register(request), client.register(request)]);
  const [first, second] = await simulation.runUntil(both, 1_000);
  assert.equal(first.leaseId, second.leaseId);
  assert.equal(registry.endpoints, 1);
});

test("closing withdraws everything of a process", async () => {
  const { simulation, host, connect, enter, until } = world(13);
  const { registry } = await host();
  const server = connect("server");
  await enter(server, "a", at("one"), at("two"));
  await enter(server, "b", at("one"));
  record(server, "a");
  await until(() => registry.watches === 1, 100);
  await simulation.runUntil(server.close(), simulation.nowMs + 1_000);
  await until(() => registry.watches === 0 && registry.endpoints === 0, 100);
  assert.throws(() => server.watch("a", { snapshot: () => undefined }), /connection to the registry is closed/);
});

test("a registry closed in good order ends its watches and is looked for again", async () => {
  const { simulation, host, connect, enter, until } = world(14);
  const hosted = await host();
  const seen = record(connect("client"), "a");
  await enter(connect("server"), "a", at("one"));
  await until(seen.is("one"), 1_000);
  await simulation.runUntil(hosted.close(), simulation.nowMs + 2_000);
  await until(() => seen.failures.length === 1, 100);
  await host({ settleMs: undefined });
  await until(() => seen.told.length > 1, 2_000);
  assert.deepEqual(seen.now(), ["one"]);
});

test("a server registers by itself, and is called by its name", async () => {
  const { simulation, host, connect } = world(15);
  const Echo = service("test.v1.Echo", {
    say: rpc({ input: z.object({ text: z.string() }), output: z.object({ text: z.string() }) }),
  });
  await host();
  const server = createServerOn(simulation.host("server"), { region: "eu-west", registry: connect("server") });
  server.implement(Echo, { say: (request) => request });
  const client = createClientOn(simulation.host("client"), Echo, { region: "eu-west", discovery: connect("client") });
  const called = (async () => {
    await server.listen({ host: "server", port: 7001 });
    return client.say({ text: "hello" });
  })();
  assert.deepEqual(await simulation.runUntil(called, 5_000), { text: "hello" });
});

test("what the registry does not take is refused with the reason", async () => {
  const { connect } = world(16);
  const client = connect("client");
  const refused = (run: () => unknown, message: RegExp) => assert.throws(run, (error) => {
    assert.ok(RpcError.is(error) && error.code === "invalid_argument");
    assert.match(error.message, message);
    return true;
  });
  for (const name of ["", " a", "a b", "a\n", "x".repeat(256), "__proto__", "constructor"]) {
    refused(() => client.register(name, at("one")), /the name ".*" *; expected/s);
    refused(() => client.watch(name, { snapshot: () => undefined }), /the name/);
  }
  const enter = (fields: object) => () => client.register("a", { address: "one:7001", ...fields });
  refused(enter({ address: "one" }), /address "one"; expected host:port/);
  refused(enter({ address: "one:70000" }), /host:port/);
  refused(enter({ address: "0.0.0.0:7001" }), /option `advertise`/);
  refused(enter({ id: "" }), /an id, by default the address/);
  refused(enter({ region: "x".repeat(65) }), /region .* at most 64 printable/);
  refused(enter({ zone: "a\u0000" }), /zone/);
  refused(enter({ weight: -1 }), /weight -1; expected a number from 0/);
  refused(enter({ weight: Number.NaN }), /weight NaN/);
  refused(enter({ priority: 1.5 }), /priority 1.5; expected an integer/);
  refused(enter({ attributes: { "": "x" } }), /attribute ""/);
  refused(enter({ attributes: JSON.parse('{"__proto__":"x"}') as object }), /attribute "__proto__"/);
  refused(enter({ attributes: { constructor: "x" } }), /attribute "constructor"/);
  refused(enter({ attributes: { a: 1 } }), /attribute "a", a number/);
  refused(enter({ attributes: { a: "x".repeat(5_000) } }), /5001 characters; expected at most 4096/);
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`a${i}`, ""]));
  refused(enter({ attributes: many }), /65 attributes/);
  for (const ttlMs of [0, 499, 1.5, 3_600_001, Number.NaN]) {
    refused(() => connect("client", { ttlMs }), /ttlMs .*; expected whole milliseconds from 500 to 3600000/);
  }
  refused(() => connect("client", { keepaliveMs: 1 }), /keepaliveMs is 1/);
});

test("a full registry says so, and the server that is refused hears it", async () => {
  const { simulation, host, connect, enter } = world(17);
  await host({ maxEndpoints: 2, maxNames: 2 });
  const server = connect("server");
  await enter(server, "a", at("one"), at("two"));
  const refused = async (name: string, id: string): Promise<void> => {
    const { registered } = server.register(name, at(id));
    await simulation.runUntil(assert.rejects(registered, /the registry is full: 2 (?:endpoints|names)/), 5_000);
  };
  await refused("a", "three");
  record(connect("client"), "b");
  await simulation.run(simulation.nowMs + 100);
  const seen = record(connect("client"), "c");
  await simulation.run(simulation.nowMs + 100);
  assert.match(seen.failures[0]?.message ?? "", /the registry is full: 2 names/);
});

test("an endpoint of another machine is remarked upon once", async () => {
  const { host, connect, enter, events } = world(18);
  await host();
  const server = connect("server");
  const remarks = () => events.filter(({ name }) => name === "registry.second.machine");
  await enter(server, "a", { address: "127.0.0.1:1" }, { address: "localhost:2" }, { address: "[::1]:3" },
    { address: "unix:/run/a" });
  assert.equal(remarks().length, 0);
  await enter(server, "a", { address: "10.0.0.7:1" }, { address: "10.0.0.8:1" });
  assert.equal(remarks().length, 1);
  assert.match(String(remarks()[0]?.fields["text"]), /etcd, Consul, ZooKeeper.*Kubernetes/);
});
