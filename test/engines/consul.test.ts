// The compliance suite over a real Consul, and what only this engine has: checks, ACLs, entries made by curl.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Discovery } from "../../src/core/discovery.ts";
import { type EndpointAddress, endpointAddress, type EndpointFields } from "../../src/core/endpoint.ts";
import { discoveryCases, type ServiceFields } from "../../src/testing/discovery.ts";
import { callConsul, consul, discoveryAt, startConsul } from "./consul.ts";
import type { EngineProcess } from "./engine-process.ts";

const skip = consul.missing ?? false;
const timeout = 120_000;
let server: EngineProcess;
before(async () => {
  if (skip === false) server = await startConsul();
});
after(() => server?.stop());

class Heard {
  readonly snapshots: (readonly EndpointAddress[])[] = [];
  readonly failures: string[] = [];

  constructor(discovery: Discovery, name: string) {
    discovery.watch(name, {
      snapshot: (endpoints) => void this.snapshots.push(endpoints),
      failed: (error) => void this.failures.push(error.message),
    });
  }

  get last(): readonly EndpointAddress[] {
    return this.snapshots.at(-1) ?? [];
  }

  get ids(): string {
    return this.last.map(({ id }) => id).join();
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(5);
}

/** Enters endpoints as somebody does who never heard of us, but for the key of the id. */
function plainService(name: string, fields: EndpointFields): Record<string, unknown> {
  const { id, address, region, zone, weight, backup, priority, attributes } = endpointAddress(fields);
  const [host, port] = [address.slice(0, address.lastIndexOf(":")), address.slice(address.lastIndexOf(":") + 1)];
  return {
    ID: `${name}/${id}`, Name: name, Address: host.replaceAll(/[[\]]/g, ""), Port: Number(port),
    Meta: {
      region, zone, backup: String(backup), priority: String(priority), "meridian-id": id, ...attributes,
      ...(Number.isInteger(weight) ? {} : { weight: String(weight) }),
    },
    ...(Number.isInteger(weight) ? { Weights: { Passing: weight, Warning: 1 } } : {}),
  };
}

async function register(body: Record<string, unknown>): Promise<void> {
  await callConsul(server, "PUT", "/v1/agent/service/register", { body });
}

async function deregister(id: string): Promise<void> {
  await callConsul(server, "PUT", `/v1/agent/service/deregister/${encodeURIComponent(id)}`);
}

async function replaceAll(services: ServiceFields): Promise<void> {
  const wanted = Object.entries(services).flatMap(([name, list]) => list.map((one) => plainService(name, one)));
  const { value } = await callConsul(server, "GET", "/v1/agent/services");
  for (const id of Object.keys(value as object)) {
    if (!wanted.some(({ ID }) => ID === id)) await deregister(id);
  }
  for (const one of wanted) await register(one);
}

describe("Consul passes the suite of discoveries", { skip }, () => {
  const suite = discoveryCases(async (services) => {
    const discovery = discoveryAt(server.address, { settleMs: 200 });
    const set = async (wanted: ServiceFields): Promise<void> => {
      server.resume();
      await replaceAll(wanted);
    };
    await set(services);
    return {
      discovery, registrar: discovery, set, breakSource: () => server.stall(),
      async close() {
        server.resume();
        await discovery.close();
        await replaceAll({});
      },
    };
  }, { changes: true, failures: true, registrar: true });
  for (const { name, run } of suite) test(name, { timeout }, run);
});

describe("Consul", { skip }, () => {
  test("all fields travel, within Consul's limits and beyond them", { timeout }, async () => {
    await using known = discoveryAt(server.address);
    const heard = new Heard(known, "fields.v1.All");
    const all = [
      endpointAddress({
        address: "10.0.0.1:7001", region: "eu", weight: 7, attributes: { version: "1.2", "a.b/c:d": "x" },
      }),
      endpointAddress({ address: "[fd00::1]:7002", region: "eu", zone: "ä", weight: 0, backup: true, priority: 3 }),
      endpointAddress({ address: "unix:/run/x.sock", id: "größe/1 ?#", region: "eu", weight: 0.25 }),
      endpointAddress({
        address: "10.0.0.4:7001", region: "eu", weight: 1_000_000,
        attributes: { region: "no place", long: "é".repeat(1_000), "consul-x": "1" },
      }),
      endpointAddress({
        address: "10.0.0.5:7001", region: "eu",
        attributes: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`name-${i}`, `${i}`])),
      }),
    ];
    await Promise.all(all.map((one) => known.register("fields.v1.All", one).registered));
    await until(() => heard.last.length === all.length);
    const byId = (a: EndpointAddress, b: EndpointAddress): number => (a.id < b.id ? -1 : 1);
    assert.deepEqual([...heard.last].sort(byId), all.sort(byId));
    const { value } = await callConsul(server, "GET", "/v1/health/service/fields.v1.All");
    const weights = (value as readonly { Service: { Weights: { Passing: number } } }[])
      .map(({ Service }) => Service.Weights.Passing);
    assert.deepEqual(weights.sort((a, b) => a - b), [1, 1, 1, 1, 7]);
  });

  test("names are Consul's own, whatever is in them, and Geo is not geo", { timeout }, async () => {
    await using known = discoveryAt(server.address);
    for (const name of ["geo.v1.Names", "Geo.v1.names", "_a/b:c-d", `n${"x".repeat(250)}`]) {
      const heard = new Heard(known, name);
      await known.register(name, { address: "10.0.0.1:7001", id: name }).registered;
      await until(() => heard.ids === name);
    }
    assert.equal(new Set(Object.keys((await callConsul(server, "GET", "/v1/catalog/services")).value as object))
      .has("_a/b:c-d"), true);
  });

  test("names mapped to one service are told apart", { timeout }, async () => {
    await using known = discoveryAt(server.address, { serviceName: (name) => name.replaceAll(/[^a-z]/gi, "-") });
    const [dots, slashes] = [new Heard(known, "map.v.Names"), new Heard(known, "map/v/Names")];
    await known.register("map.v.Names", { address: "10.0.0.1:7001" }).registered;
    await known.register("map/v/Names", { address: "10.0.0.2:7001" }).registered;
    await until(() => dots.ids !== "" && slashes.ids !== "");
    assert.deepEqual([dots.ids, slashes.ids], ["10.0.0.1:7001", "10.0.0.2:7001"]);
  });

  test("what curl registers serves: region by datacenter, address by node, by checks", { timeout }, async () => {
    await using known = discoveryAt(server.address);
    await using warned = discoveryAt(server.address, { includeWarning: true });
    await using tagged = discoveryAt(server.address, { tags: ["v2"] });
    const name = "curl.v1.Web";
    const [heard, more, some] = [new Heard(known, name), new Heard(warned, name), new Heard(tagged, name)];
    await register({ ID: "w1", Name: name, Port: 80 });
    await register({ ID: "w2", Name: name, Address: "web.local", Port: 80, Tags: ["v2", "eu"] });
    await register({
      ID: "w3", Name: name, Address: "10.0.0.3", Port: 80, Weights: { Passing: 5, Warning: 2 },
      Check: { CheckID: "w3", TTL: "60s", Status: "warning" },
    });
    await register({ ID: "w4", Name: name, Address: "10.0.0.4", Port: 80, Check: { TTL: "60s", Status: "critical" } });
    await until(() => heard.last.length === 2 && more.last.length === 3 && some.last.length === 1);
    assert.deepEqual(heard.last, [
      endpointAddress({ address: "127.0.0.1:80", region: "dc1" }),
      endpointAddress({ address: "web.local:80", region: "dc1", attributes: { tags: "v2,eu" } }),
    ]);
    assert.equal(more.last.find(({ id }) => id === "10.0.0.3:80")?.weight, 2);
    assert.equal(some.ids, "web.local:80");
    await callConsul(server, "PUT", "/v1/agent/check/pass/w3");
    await until(() => heard.last.length === 3);
    assert.equal(heard.last.find(({ id }) => id === "10.0.0.3:80")?.weight, 5);
    await replaceAll({});
  });

  test("what cannot be read is left out by its id, and the rest serves", { timeout }, async () => {
    const skipped: string[] = [];
    await using known = discoveryAt(server.address, { observer: {
      event: (event, { entry, why }) =>
        void (event === "discovery.skipped" && skipped.push(`${String(entry)}: ${String(why)}`)),
    } });
    const heard = new Heard(known, "bad.v1.Web");
    await register({ ID: "b0", Name: "bad.v1.Web", Address: "10.0.0.1", Port: 80 });
    await register({ ID: "b1", Name: "bad.v1.Web", Address: "10.0.0.1" });
    await register({ ID: "b2", Name: "bad.v1.Web", Address: "10.0.0.2", Port: 80, Meta: { weight: "heavy" } });
    await register({ ID: "b3", Name: "bad.v1.Web", Address: "10.0.0.1", Port: 80 });
    await register({ ID: "b4", Name: "bad.v1.Web", Address: "a b", Port: 80 });
    await until(() => skipped.length >= 4);
    assert.equal(heard.ids, "10.0.0.1:80");
    const all = skipped.join("\n");
    assert.match(all, /b1: it has no port/);
    assert.match(all, /b2: weight: expected a number of 0 or more, found "heavy"/);
    assert.match(all, /10\.0\.0\.1:80: listed twice/);
    assert.match(all, /b4: address: expected "host:port"/);
    await replaceAll({});
  });

  test("an entry goes with the process that was killed, once its check has run out", { timeout }, async () => {
    await using known = discoveryAt(server.address);
    const heard = new Heard(known, "killed.v1.Web");
    const child = spawnRegistrar("killed.v1.Web", "10.0.0.1:7001");
    try {
      await until(() => heard.ids === "10.0.0.1:7001");
      child.kill("SIGKILL");
      await until(() => heard.snapshots.length > 1 && heard.ids === "");
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("an entry that somebody deleted is put back; one taken over is not fought for", { timeout }, async () => {
    await using known = discoveryAt(server.address, { ttlMs: 1_000 });
    await using other = discoveryAt(server.address, { ttlMs: 1_000 });
    const heard = new Heard(known, "back.v1.Web");
    await known.register("back.v1.Web", { address: "10.0.0.1:7001", weight: 1 }).registered;
    await until(() => heard.ids === "10.0.0.1:7001");
    await deregister("back.v1.Web:10.0.0.1:7001");
    await until(() => heard.snapshots.length > 1 && heard.ids === "10.0.0.1:7001");
    const later = other.register("back.v1.Web", { address: "10.0.0.1:7001", weight: 2 });
    await later.registered;
    await until(() => heard.last[0]?.weight === 2);
    const told = heard.snapshots.length;
    await sleep(2_000);
    assert.equal(heard.snapshots.length, told);
    await later.close();
    await until(() => heard.last[0]?.weight === 1);
  });

  test("the agent itself looks at a server, where it is told to", { timeout }, async () => {
    const listener = createServer((socket) => socket.end());
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as { port: number };
    await using known = discoveryAt(server.address, { check: { kind: "tcp", intervalMs: 200, timeoutMs: 200 } });
    const heard = new Heard(known, "tcp.v1.Web");
    await known.register("tcp.v1.Web", { address: `127.0.0.1:${port}` }).registered;
    await until(() => heard.last.length === 1);
    await new Promise((resolve) => listener.close(resolve));
    await until(() => heard.last.length === 0);
  });

  test("a thousand endpoints of one name are told, and one that leaves them", { timeout }, async () => {
    await using known = discoveryAt(server.address);
    const heard = new Heard(known, "many.v1.Web");
    for (let i = 0; i < 1_000; i += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, j) => register({
        ID: `many-${i + j}`, Name: "many.v1.Web", Address: `10.0.${(i + j) >> 8}.${(i + j) & 255}`, Port: 7_001,
      })));
    }
    await until(() => heard.last.length === 1_000);
    await deregister("many-500");
    await until(() => heard.last.length === 999);
    assert.equal(heard.last.some(({ id }) => id === "10.0.1.244:7001"), false);
  });

  test("more names than may be asked for by long polls are told as well", { timeout }, async () => {
    await using known = discoveryAt(server.address, { maxLongPolls: 2 });
    const heard = Array.from({ length: 6 }, (_, i) => new Heard(known, `beyond.v1.N${i}`));
    await until(() => heard.every(({ snapshots }) => snapshots.length === 1));
    for (let i = 0; i < 6; i++) await register({ ID: `beyond-${i}`, Name: `beyond.v1.N${i}`, Port: 80 });
    await until(() => heard.every(({ last }) => last.length === 1));
    await replaceAll({});
    await until(() => heard.every(({ last }) => last.length === 0));
  });
});

describe("Consul that fails", { skip }, () => {
  test("a stalled agent is noticed while the last set stays; it goes on when the agent does", { timeout }, async () => {
    const own = await startConsul();
    try {
      await using known = discoveryAt(own.address, { settleMs: 0 });
      const heard = new Heard(known, "stall.v1.Web");
      const registration = known.register("stall.v1.Web", { address: "10.0.0.1:7001" });
      await registration.registered;
      await until(() => heard.ids === "10.0.0.1:7001");
      own.stall();
      await until(() => heard.failures.length > 0);
      assert.equal(heard.ids, "10.0.0.1:7001");
      own.resume();
      await registration.close();
      await until(() => heard.ids === "");
    } finally {
      await own.stop();
    }
  });

  test("entries come back after a restart, and after a loss of all data, without a gap", { timeout }, async () => {
    const own = await startConsul();
    try {
      await using known = discoveryAt(own.address, { settleMs: 60_000, ttlMs: 1_000 });
      await using fresh = discoveryAt(own.address, { settleMs: 0 });
      const heard = new Heard(known, "wiped.v1.Web");
      await known.register("wiped.v1.Web", { address: "10.0.0.1:7001" }).registered;
      await until(() => heard.ids === "10.0.0.1:7001");
      for (const begin of [own.restart, own.restartEmpty]) {
        await begin();
        const later = new Heard(fresh, "wiped.v1.Web");
        await until(() => later.ids === "10.0.0.1:7001");
      }
      assert.ok(heard.snapshots.slice(1).every((one) => one.length === 1), "nobody was taken out meanwhile");
      assert.ok(heard.failures.length > 0);
    } finally {
      await own.stop();
    }
  });

  test("without leave to read or write it says what is missing; with a token it serves", { timeout }, async () => {
    const master = "11111111-2222-3333-4444-555555555555";
    const names = ["master", "agent"].map((name) => `${name} = "${master}"`).join(" ");
    const own = await startConsul({
      token: master,
      args: [`-hcl=acl { enabled = true default_policy = "deny" tokens { ${names} } }`],
    });
    try {
      const call = (way: string, body: unknown) => callConsul(own, "PUT", way, { body, token: master });
      await call("/v1/acl/policy", {
        Name: "web", Rules: 'service_prefix "acl" { policy = "write" } node_prefix "" { policy = "read" }',
      });
      const { value } = await call("/v1/acl/token", { Policies: [{ Name: "web" }] });
      const { SecretID: secret, AccessorID: accessor } = value as Record<string, string>;
      await using known = discoveryAt(own.address, { token: () => secret as string, ttlMs: 1_000 });
      const heard = new Heard(known, "acl.v1.Web");
      await known.register("acl.v1.Web", { address: "10.0.0.1:7001" }).registered;
      await until(() => heard.ids === "10.0.0.1:7001");
      await assert.rejects(known.register("other.v1.Web", { address: "10.0.0.1:7001" }).registered,
        { code: "permission_denied", message: /the token's policies must allow service:write/ });
      await using nobody = discoveryAt(own.address);
      await assert.rejects(nobody.register("acl.v1.Web", { address: "10.0.0.2:7001" }).registered,
        { code: "permission_denied", message: /give the option `token`/ });
      await using stranger = discoveryAt(own.address, { token: "99999999-2222-3333-4444-555555555555" });
      const refused = new Heard(stranger, "acl.v1.Web");
      await until(() => refused.failures.length > 0);
      assert.match(refused.failures[0] as string, /the token is unknown there/);
      assert.equal(refused.snapshots.length, 0);
      // A token that expires, or is taken away, takes nobody out: what was told last stays.
      await callConsul(own, "DELETE", `/v1/acl/token/${accessor}`, { token: master });
      await until(() => heard.failures.length > 0);
      assert.equal(heard.ids, "10.0.0.1:7001");
      assert.ok(![...heard.failures, ...refused.failures].some((one) => one.includes(secret as string)));
    } finally {
      await own.stop();
    }
  });
});

/** A process that registers and stays. */
function spawnRegistrar(name: string, address: string): ChildProcess {
  const module = fileURLToPath(new URL("../../src/discovery/consul/index.ts", import.meta.url));
  const program = `import { consulDiscovery } from ${JSON.stringify(module)};
    const known = consulDiscovery(${JSON.stringify({ address: server.address, ttlMs: 1_000 })});
    known.register(${JSON.stringify(name)}, { address: ${JSON.stringify(address)} });`;
  return spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: "inherit" });
}
