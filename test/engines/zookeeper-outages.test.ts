// What a driver of ZooKeeper lives through: deaths, stalls, lost data and sessions, refused credentials, bad entries.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ZooKeeperDiscoveryOptions, zookeeperDiscovery } from "../../src/discovery/zookeeper/index.ts";
import { type Link, openLink } from "../../src/discovery/zookeeper/link.ts";
import { create, readStatOf, remove, setData } from "../../src/discovery/zookeeper/nodes.ts";
import type { EngineDiscovery } from "../../src/discovery/engine.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import type { EngineServer } from "./harness.ts";
import { zookeeper } from "./zookeeper.ts";
import { ids, record, recordEvents, until } from "./recorder.ts";
import { type Relay, relayTo } from "./relay.ts";

const timeout = 120_000;
const name = "geo.v1.Cities";
const a = { address: "127.0.0.1:7001" };
const b = { address: "127.0.0.1:7002" };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const acl = [{ permissions: 31, scheme: "world", id: "anyone" }];

describe("ZooKeeper's driver", { skip: zookeeper.missing ?? false }, () => {
  let server: EngineServer;
  const opened: (EngineDiscovery | Relay)[] = [];
  before(async () => {
    server = await zookeeper.start();
  });
  after(async () => {
    await Promise.all(opened.map((one) => one.close()));
    await server?.stop();
  });

  function driver(options: ZooKeeperDiscoveryOptions = {}): EngineDiscovery {
    const discovery = zookeeperDiscovery({ address: server.address, ...options });
    opened.push(discovery);
    return discovery;
  }

  async function relay(): Promise<Relay> {
    const one = await relayTo(server.address);
    opened.push(one);
    return one;
  }

  /** A connection as an operator's, that knows nothing of drivers. */
  function operator(): Promise<Link> {
    return openLink(nodeRuntime, server.address, { timeoutMs: 10_000, sessionId: 0n, password: new Uint8Array(16) }, {
      security: undefined, credentials: undefined, connectTimeoutMs: 10_000, silentMs: 5_000, maxFrameBytes: 1 << 20,
      closing: new AbortController().signal,
    });
  }

  test("a killed server's entry is gone once its session has expired", { timeout }, async () => {
    const prefix = "/meridian";
    const seen = record(driver({ prefix }), "killed");
    const program = fileURLToPath(new URL("zookeeper-registrant.ts", import.meta.url));
    const child = spawn(process.execPath, [program, server.address, "killed", a.address],
      { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    await until(() => ids(seen) === a.address);
    child.kill("SIGKILL");
    await until(() => ids(seen) === "");
  });

  test("a cut connection takes out nobody, and its session is taken up again", { timeout }, async () => {
    const prefix = "/cut";
    const between = await relay();
    const events = recordEvents();
    const writer = driver({ prefix, address: between.address, observer: events, ttlMs: 10_000 });
    const registration = writer.register(name, a);
    await registration.registered;
    const seen = record(driver({ prefix }), name);
    const near = record(writer, name);
    await until(() => ids(seen) === a.address && ids(near) === a.address);
    between.cut();
    await until(() => near.failures.length > 0);
    between.mend();
    await until(() => events.count("discovery.found") === 1);
    assert.deepEqual(seen.told, [[a.address]]);
    assert.equal(events.count("discovery.register.lost"), 0);
    await registration.close();
    await until(() => ids(seen) === "");
  });

  test("what is withdrawn while the connection is cut goes as soon as it is back", { timeout }, async () => {
    const prefix = "/withdrawn";
    const between = await relay();
    const writer = driver({ prefix, address: between.address, ttlMs: 10_000 });
    const [first, second] = [writer.register(name, a), writer.register(name, b)];
    await Promise.all([first.registered, second.registered]);
    const seen = record(driver({ prefix }), name);
    await until(() => seen.last?.length === 2);
    between.cut();
    await sleep(50);
    const closing = first.close();
    between.mend();
    await closing;
    await until(() => ids(seen) === b.address);
  });

  test("whose session expired is entered again by another", { timeout }, async () => {
    const prefix = "/expired";
    const between = await relay();
    const events = recordEvents();
    const writer = driver({ prefix, address: between.address, ttlMs: 1_000, observer: events });
    await writer.register(name, a).registered;
    const seen = record(driver({ prefix }), name);
    await until(() => ids(seen) === a.address);
    between.cut();
    await until(() => ids(seen) === "");
    await until(() => events.count("discovery.register.lost") === 1);
    between.mend();
    await until(() => ids(seen) === a.address);
    await until(() => events.count("discovery.registered") === 1);
  });

  test("who lost all data is told again by everybody", { timeout }, async () => {
    const prefix = "/wiped";
    const writer = driver({ prefix });
    await Promise.all([writer.register(name, a).registered, writer.register(name, b).registered]);
    const seen = record(driver({ prefix }), name);
    await until(() => seen.last?.length === 2);
    await server.restartEmpty();
    await until(() => seen.failures.length > 0);
    // From an emptied server the empty set may be heard first.
    await until(() => seen.last?.length === 2);
    const late = record(driver({ prefix }), name);
    await until(() => late.last?.length === 2);
  });

  test("a restart takes out nobody, and watches go on", { timeout }, async () => {
    const prefix = "/restart";
    const writer = driver({ prefix, ttlMs: 20_000 });
    await writer.register(name, a).registered;
    const seen = record(driver({ prefix, ttlMs: 20_000 }), name);
    await until(() => ids(seen) === a.address);
    await server.restart();
    await until(() => seen.failures.length > 0);
    await writer.register(name, b).registered;
    await until(() => ids(seen) === `${a.address} ${b.address}`);
    assert.deepEqual(seen.told, [[a.address], [a.address, b.address]]);
  });

  test("a stalled server is noticed within seconds, and found again", { timeout }, async () => {
    const prefix = "/stall";
    const writer = driver({ prefix, ttlMs: 5_000 });
    await writer.register(name, a).registered;
    const seen = record(driver({ prefix, ttlMs: 5_000 }), name);
    await until(() => ids(seen) === a.address);
    server.stall();
    const atMs = performance.now();
    try {
      await until(() => seen.failures.length > 0);
      const noticedMs = performance.now() - atMs;
      assert.ok(noticedMs < 4_000, `noticed after ${noticedMs} ms`);
      assert.match(seen.failures[0] ?? "", /said nothing for 2000 ms/);
    } finally {
      server.resume();
    }
    await writer.register(name, b).registered;
    await until(() => ids(seen) === `${a.address} ${b.address}`);
    assert.ok(seen.told.every((set) => set.length > 0));
  });

  test("moves to the next server with its session", { timeout }, async () => {
    const prefix = "/failover";
    const [one, other] = [await relay(), await relay()];
    const address = [one.address, other.address];
    const writer = driver({ prefix, address, ttlMs: 10_000 });
    await writer.register(name, a).registered;
    const seen = record(driver({ prefix }), name);
    await until(() => ids(seen) === a.address);
    const [used, unused] = one.count > 0 ? [one, other] : [other, one];
    used.cut();
    await until(() => unused.count > 0);
    await writer.register(name, b).registered;
    await until(() => ids(seen) === `${a.address} ${b.address}`);
    assert.deepEqual(seen.told, [[a.address], [a.address, b.address]]);
    used.mend();
  });

  test("the later of two processes has an id, and the earlier again after it", { timeout }, async () => {
    const prefix = "/twice";
    const [earlier, later] = [driver({ prefix }), driver({ prefix })];
    const seen = record(driver({ prefix }), name);
    const weights = (): string | undefined => seen.last?.map(({ weight }) => weight).join(" ");
    await earlier.register(name, { ...a, weight: 2 }).registered;
    await until(() => weights() === "2");
    const second = later.register(name, { ...a, weight: 3 });
    await second.registered;
    await until(() => weights() === "3");
    await sleep(200);
    assert.equal(weights(), "3");
    await second.close();
    await until(() => weights() === "2");
  });

  test("shows what others change, and leaves out what is no entry", { timeout }, async () => {
    const prefix = "/bad";
    const events = recordEvents();
    const seen = record(driver({ prefix, observer: events }), name);
    await driver({ prefix }).register(name, a).registered;
    await until(() => ids(seen) === a.address);
    const hand = await operator();
    const enter = (id: string, data: string | Uint8Array): Promise<void> => create(hand, {
      path: `${prefix}/${name}/${id}`, data: typeof data === "string" ? bytes(data) : data, acl, isEphemeral: true,
    });
    await enter("broken", "{");
    await enter("list", "[1]");
    await enter("nothing", "");
    await enter("bytes", Uint8Array.of(0xff, 0xfe));
    await enter("huge", `{"address":"${"x".repeat(500_000)}:1"}`);
    await enter("nowhere", '{"address":"nowhere"}');
    await enter("twice", `{"address":"127.0.0.1:9","id":"${a.address}"}`);
    await enter("good", '{"address":"127.0.0.1:7003","weight":5,"later":true}');
    await until(() => ids(seen) === `${a.address} 127.0.0.1:7003`);
    const skipped = new Set(events.all.flatMap((one) =>
      (one.name === "discovery.skipped" ? [one.fields["entry"]] : [])));
    for (const id of ["broken", "list", "nothing", "bytes", "huge", "nowhere", a.address]) {
      assert.ok(skipped.has(id), `${id} was passed over in silence`);
    }
    await setData(hand, `${prefix}/${name}/good`, bytes('{"address":"127.0.0.1:7003","weight":6}'));
    await until(() => seen.last?.[1]?.weight === 6);
    await setData(hand, `${prefix}/${name}/broken`, bytes('{"address":"127.0.0.1:7004"}'));
    await until(() => seen.last?.length === 3);
    await hand.close(true);
    await until(() => ids(seen) === a.address);
  });

  test("misses no change among many", { timeout }, async () => {
    const prefix = "/many";
    const seen = record(driver({ prefix }), name);
    const hands = await Promise.all([operator(), operator()]);
    await driver({ prefix }).register(name, a).registered;
    const weightOf = new Map<string, number>([[a.address, 1]]);
    for (let i = 1; i <= 600; i++) {
      const [hand, id] = [hands[i % 2] as Link, `127.0.0.1:${8_000 + i * i % 13}`];
      const path = `${prefix}/${name}/${id}`;
      const data = bytes(JSON.stringify({ address: id, weight: i }));
      if (!weightOf.has(id)) await create(hand, { path, data, acl, isEphemeral: true });
      else if (i % 5 === 0) await remove(hand, path, -1);
      else await setData(hand, path, data);
      if (weightOf.has(id) && i % 5 === 0) weightOf.delete(id);
      else weightOf.set(id, i);
    }
    const wanted = JSON.stringify([...weightOf].sort(([one], [other]) => (one < other ? -1 : 1)));
    await until(() => JSON.stringify(seen.last?.map(({ id, weight }) => [id, weight])) === wanted);
    await Promise.all(hands.map((hand) => hand.close(true)));
  });

  test("enters again what somebody took out", { timeout }, async () => {
    const prefix = "/taken";
    const events = recordEvents();
    await driver({ prefix, observer: events }).register(name, a).registered;
    const seen = record(driver({ prefix }), name);
    await until(() => ids(seen) === a.address);
    const hand = await operator();
    await remove(hand, `${prefix}/${name}/${a.address}`, -1);
    await until(() => events.count("discovery.registered") === 1);
    await until(() => ids(seen) === a.address);
    assert.notEqual(await readStatOf(hand, `${prefix}/${name}/${a.address}`, false), undefined);
    await hand.close(true);
  });

  test("shows entries to who has the credentials, and says what is wrong to others", { timeout }, async () => {
    const prefix = "/secret";
    const auth = { scheme: "digest", auth: "meridian:right" };
    await driver({ prefix, auth }).register(name, a).registered;
    const seen = record(driver({ prefix, auth }), name);
    await until(() => ids(seen) === a.address);
    for (const wrong of [undefined, { scheme: "digest", auth: "meridian:wrong" }]) {
      const other = driver({ prefix, auth: wrong });
      const refused = record(other, name);
      await until(() => refused.failures.length > 0);
      assert.match(refused.failures[0] ?? "", /refused getChildren2 of \/secret\/geo.v1.Cities: its ACL/);
      await assert.rejects(other.register(name, b).registered, { code: "permission_denied", message: /ACL/ });
    }
    const unknown = driver({ prefix, auth: { scheme: "no-such", auth: "secret" } });
    await assert.rejects(unknown.register(name, b).registered,
      { code: "unauthenticated", message: /scheme "no-such"/ });
    const readable = driver({ prefix: "/readable", auth, acl: "readable" });
    await readable.register(name, a).registered;
    const open = record(driver({ prefix: "/readable" }), name);
    await until(() => ids(open) === a.address);
  });
});
