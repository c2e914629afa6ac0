// What a driver of Redis lives through: deaths, stalls, lost data, refused credentials, bad entries.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "@redis/client";
import type { RpcError } from "../../src/core/error.ts";
import type { EngineDiscovery } from "../../src/discovery/engine.ts";
import { redisDiscovery, type RedisDiscoveryOptions } from "../../src/discovery/redis/index.ts";
import type { EngineServer } from "./harness.ts";
import { redis, startRedis } from "./redis.ts";
import { ids, record, recordEvents, until } from "./recorder.ts";
import { type Relay, relayTo } from "./relay.ts";

const timeout = 120_000;
const name = "geo.v1.Cities";
const a = { address: "127.0.0.1:7001" };
const b = { address: "127.0.0.1:7002" };

describe("Redis' driver", { skip: redis.missing ?? false }, () => {
  let server: EngineServer;
  const opened: { close(): Promise<unknown> }[] = [];
  before(async () => {
    server = await redis.start();
  });
  after(async () => {
    await Promise.all(opened.map((one) => one.close()));
    await server?.stop();
  });

  const url = (): string => `redis://${server.address}`;

  function driver(options: RedisDiscoveryOptions = {}): EngineDiscovery {
    const where = options.client === undefined && options.connect === undefined ? { url: url() } : undefined;
    const discovery = redisDiscovery({ ...where, ...options });
    opened.push(discovery);
    return discovery;
  }

  async function relay(): Promise<Relay> {
    const one = await relayTo(server.address);
    opened.push(one);
    return one;
  }

  /** An operator's commands. */
  async function operator(address = url(), socket = {}): Promise<(...args: string[]) => Promise<unknown>> {
    const client = createClient({ url: address, socket });
    client.on("error", () => undefined);
    await client.connect();
    opened.push(client);
    return (...args) => client.sendCommand(args);
  }

  test("a killed server's entry is gone with its time to live", { timeout }, async () => {
    const seen = record(driver({ rereadMs: 60_000 }), "killed");
    const program = fileURLToPath(new URL("redis-registrant.ts", import.meta.url));
    const child = spawn(process.execPath, [program, url(), "killed", a.address],
      { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    await until(() => ids(seen) === a.address);
    child.kill("SIGKILL");
    const killedMs = performance.now();
    await until(() => ids(seen) === "");
    const tookMs = performance.now() - killedMs;
    assert.ok(tookMs < 6_500, `took ${tookMs} ms, with a time to live of 5,000`);
  });

  test("a cut connection takes out nobody", { timeout }, async () => {
    const prefix = "cut:";
    const between = await relay();
    const events = recordEvents();
    const writer = driver({ prefix, url: `redis://${between.address}`, observer: events, ttlMs: 10_000 });
    const registration = writer.register(name, a);
    await registration.registered;
    const [seen, near] = [record(driver({ prefix }), name), record(writer, name)];
    await until(() => ids(seen) === a.address && ids(near) === a.address);
    between.cut();
    await until(() => near.failures.length > 0);
    between.mend();
    await until(() => events.count("discovery.found") === 1);
    assert.deepEqual(seen.told, [[a.address]]);
    assert.equal(events.count("discovery.register.lost"), 0);
    between.cut();
    const closing = registration.close();
    between.mend();
    await closing;
    await until(() => ids(seen) === "");
  });

  test("who was away for longer than the entry lived enters it again", { timeout }, async () => {
    const prefix = "away:";
    const between = await relay();
    const events = recordEvents();
    const writer = driver({ prefix, url: `redis://${between.address}`, observer: events, ttlMs: 500 });
    await writer.register(name, a).registered;
    const seen = record(driver({ prefix }), name);
    await until(() => ids(seen) === a.address);
    between.cut();
    await until(() => ids(seen) === "");
    await until(() => events.count("discovery.register.lost") === 1);
    between.mend();
    await until(() => ids(seen) === a.address && events.count("discovery.registered") === 1);
  });

  test("a restart, with the data and without, takes out nobody", { timeout }, async () => {
    const prefix = "restart:";
    const writer = driver({ prefix });
    await writer.register(name, a).registered;
    const events = recordEvents();
    const seen = record(driver({ prefix, observer: events }), name);
    await until(() => ids(seen) === a.address);
    for (const [i, restart] of (["restart", "restartEmpty"] as const).entries()) {
      await server[restart]();
      await until(() => events.count("discovery.found") === i + 1);
      const late = record(driver({ prefix }), name);
      await until(() => ids(late) === a.address);
      late.stop();
    }
    await writer.register(name, b).registered;
    await until(() => ids(seen) === `${a.address} ${b.address}`);
    assert.deepEqual(seen.told, [[a.address], [a.address, b.address]]);
  });

  test("deleted data take out nobody, and are entered again by who renews", { timeout }, async () => {
    const prefix = "flushed:";
    const writer = driver({ prefix });
    await Promise.all([writer.register(name, a).registered, writer.register(name, b).registered]);
    const seen = record(driver({ prefix, rereadMs: 50 }), name);
    await until(() => seen.last?.length === 2);
    const send = await operator();
    await send("FLUSHALL");
    await until(() => seen.failures.length > 0);
    assert.match(seen.failures[0] ?? "", /forgotten flushed:\{geo.v1.Cities\}/);
    const late = record(driver({ prefix }), name);
    await until(() => late.last?.length === 2);
    assert.deepEqual(seen.told, [[a.address, b.address]]);
  });

  test("a stalled Redis is noticed within seconds, and found again", { timeout }, async () => {
    const prefix = "stall:";
    const writer = driver({ prefix });
    await writer.register(name, a).registered;
    const seen = record(driver({ prefix }), name);
    await until(() => ids(seen) === a.address);
    server.stall();
    const atMs = performance.now();
    try {
      await until(() => seen.failures.length > 0);
      const noticedMs = performance.now() - atMs;
      assert.ok(noticedMs < 4_000, `noticed after ${noticedMs} ms`);
      assert.match(seen.failures[0] ?? "", /answered no ping for 1500 ms/);
    } finally {
      server.resume();
    }
    await writer.register(name, b).registered;
    await until(() => ids(seen) === `${a.address} ${b.address}`);
    assert.deepEqual(seen.told, [[a.address], [a.address, b.address]]);
  });

  test("the later of two processes has an id, and the earlier again after it", { timeout }, async () => {
    const prefix = "twice:";
    const [earlier, later] = [driver({ prefix, ttlMs: 1_000 }), driver({ prefix, ttlMs: 1_000 })];
    const seen = record(driver({ prefix }), name);
    const weights = (): string | undefined => seen.last?.map(({ weight }) => weight).join(" ");
    const first = earlier.register(name, { ...a, weight: 2 });
    await first.registered;
    await until(() => weights() === "2");
    const second = later.register(name, { ...a, weight: 3 });
    await second.registered;
    await until(() => weights() === "3");
    await sleep(1_000);
    assert.equal(weights(), "3");
    await second.close();
    await until(() => weights() === "2");
    const third = later.register(name, { ...a, weight: 4 });
    await third.registered;
    await first.close();
    await sleep(200);
    await until(() => weights() === "4");
  });

  test("leaves out what is no entry, and shows what was written by hand", { timeout }, async () => {
    const prefix = "bad:";
    const index = `${prefix}{${name}}`;
    const events = recordEvents();
    const seen = record(driver({ prefix, observer: events, rereadMs: 50 }), name);
    await driver({ prefix }).register(name, a).registered;
    await until(() => ids(seen) === a.address);
    const send = await operator();
    const bad = {
      broken: "{", list: "[1]", nothing: "", nowhere: '{"address":"nowhere"}', huge: "x".repeat(1 << 20),
      long: `{"address":"${"x".repeat(20_000)}:1"}`, twice: `{"address":"127.0.0.1:9","id":"${a.address}"}`,
    };
    for (const [id, value] of Object.entries(bad)) {
      await send("SET", `${index}:${id}`, value);
      await send("ZADD", index, "+inf", id);
    }
    await send("RPUSH", `${index}:rows`, "1");
    await send("HSET", `${index}:table`, "address", "127.0.0.1:1");
    await send("ZADD", index, "+inf", "rows", "+inf", "table", "+inf", "gone");
    await send("SET", `${index}:good`, '{"address":"127.0.0.1:7003","weight":5,"later":true}');
    await send("ZADD", index, "+inf", "good");
    await until(() => ids(seen) === `${a.address} 127.0.0.1:7003`);
    const skipped = (): Map<unknown, unknown> => new Map(events.all.flatMap((one) =>
      (one.name === "discovery.skipped" ? [[one.fields["entry"], one.fields["why"]] as const] : [])));
    await until(() => skipped().size === 9);
    assert.deepEqual(new Set(skipped().keys()),
      new Set(["broken", a.address, "huge", "list", "long", "nothing", "nowhere", "rows", "table"]));
    assert.match(String(skipped().get("rows")), /holds a list, expected text/);
    assert.match(String(skipped().get("huge")), /1048576 bytes/);
    await send("SET", `${index}:good`, '{"address":"127.0.0.1:7003","weight":6}');
    await until(() => seen.last?.[1]?.weight === 6);
  });

  test("says which key holds something else", { timeout }, async () => {
    const send = await operator();
    await send("HSET", `typed:{${name}}`, "a", "1");
    const events = recordEvents();
    const other = driver({ prefix: "typed:", observer: events });
    const seen = record(other, name);
    other.register(name, a);
    await until(() => seen.failures.length > 0 && events.count("discovery.register.failed") > 0);
    assert.match(seen.failures[0] ?? "", /concerns typed:\{geo.v1.Cities\}: a key of ours holds something else/);
    await send("DEL", `typed:{${name}}`);
    await until(() => ids(seen) === a.address);
    await send("RPUSH", `typed:{${name}}:${b.address}`, "1");
    await other.register(name, b).registered;
    await until(() => seen.last?.length === 2);
  });

  test("hears of keys that others delete where Redis tells of them", { timeout }, async () => {
    const send = await operator();
    await send("CONFIG", "SET", "notify-keyspace-events", "KA");
    const prefix = "told:";
    const seen = record(driver({ prefix, rereadMs: 600_000 }), name);
    const writer = driver({ prefix, ttlMs: 60_000 });
    await Promise.all([writer.register(name, a).registered, writer.register(name, b).registered]);
    await until(() => seen.last?.length === 2);
    await send("DEL", `${prefix}{${name}}:${a.address}`);
    await until(() => ids(seen) === b.address);
    await send("CONFIG", "SET", "notify-keyspace-events", "");
  });

  test("takes a client of its user's, or any other", { timeout }, async () => {
    const prefix = "own:";
    const client = createClient({ url: url() });
    const own = driver({ prefix, client });
    await own.register(name, a).registered;
    const other = driver({
      prefix,
      async connect(lost) {
        const mine = createClient({ url: url(), RESP: 3, socket: { reconnectStrategy: false } });
        mine.on("error", lost);
        await mine.connect();
        return {
          send: (args) => mine.sendCommand(args),
          async subscribe(channel, heard) {
            await mine.subscribe(channel, heard);
            return () => mine.unsubscribe(channel, heard);
          },
          close: () => mine.destroy(),
        };
      },
    });
    const seen = record(other, name);
    await until(() => ids(seen) === a.address);
    await own.register(name, b).registered;
    await until(() => seen.last?.length === 2);
    assert.equal(client.isOpen, false);
  });

  test("says that a password is wrong, missing, or its user may not", { timeout }, async () => {
    const guarded = await startRedis("--requirepass", "open-sesame");
    try {
      const at = `redis://${guarded.address}`;
      const right = driver({ url: at, password: "open-sesame" });
      await right.register(name, a).registered;
      const seen = record(right, name);
      await until(() => ids(seen) === a.address);
      const cases: [RedisDiscoveryOptions, string, RegExp][] = [
        [{ url: at }, "unauthenticated", /asks for a password, and none was given/],
        [{ url: at, password: "hunter2" }, "unauthenticated", /the user or password is wrong/],
        [{ url: `redis://nobody:hunter2@${guarded.address}` }, "unauthenticated", /the user or password is wrong/],
        [{ url: at, username: "reader", password: "hunter2" }, "permission_denied", /does not allow that to this user/],
      ];
      const send = await operator(`redis://:open-sesame@${guarded.address}`);
      await send("ACL", "SETUSER", "reader", "on", ">hunter2", "~meridian:*", "&meridian:*", "+@connection", "+@read",
        "+eval", "+time", "+subscribe", "+unsubscribe");
      for (const [options, code, message] of cases) {
        await assert.rejects(driver(options).register(name, b).registered, (error: RpcError) => {
          assert.equal(error.code, code);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /hunter2/);
          return true;
        });
      }
      const reader = record(driver({ url: at, username: "reader", password: "hunter2" }), name);
      await until(() => ids(reader) === a.address);
      const unknown = record(driver({ url: at, password: "hunter2" }), name);
      await until(() => unknown.failures.length > 0);
      assert.match(unknown.failures[0] ?? "",
        /cannot connect to Redis at 127.0.0.1:\d+: the user or password is wrong/);
    } finally {
      await guarded.stop();
    }
  });

  test("speaks TLS, and says whose certificate it does not trust", { timeout }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "meridian-redis-tls-"));
    const file = (end: string): string => join(folder, `redis.${end}`);
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
      "-days", "2", "-keyout", file("key"), "-out", file("crt"), "-subj", "/CN=localhost",
      "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], { stdio: "pipe" });
    const certified = ["--tls-cert-file", file("crt"), "--tls-key-file", file("key"), "--tls-auth-clients", "no"];
    const plain = await startRedis(...certified);
    try {
      // The port of TLS is one of its own, found free as any.
      const send = await operator(`redis://${plain.address}`);
      const port = String(plain.port + 1_000 > 65_535 ? plain.port - 1_000 : plain.port + 1_000);
      await send("CONFIG", "SET", "tls-port", port);
      const secured = `rediss://127.0.0.1:${port}`;
      const socket = { tls: true, ca: readFileSync(file("crt"), "utf8") };
      const trusting = driver({ url: secured, clientOptions: { socket } });
      await trusting.register(name, a).registered;
      const seen = record(trusting, name);
      await until(() => ids(seen) === a.address);
      const wary = record(driver({ url: secured }), name);
      await until(() => wary.failures.length > 0);
      assert.match(wary.failures[0] ?? "", /cannot connect to Redis at 127.0.0.1:\d+: self-signed certificate/);
    } finally {
      await plain.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test("names the package that is missing", () => {
  const hook = "import { registerHooks } from 'node:module'; registerHooks({ resolve(name, context, next) { " +
    "if (name === '@redis/client') throw new Error('no such package'); return next(name, context); } });";
  const { stdout } = spawnSync(process.execPath, [
    "--import", `data:text/javascript,${encodeURIComponent(hook)}`, "--input-type=module", "-e",
    "const { redisDiscovery } = await import('./src/discovery/redis/index.ts'); const discovery = redisDiscovery();" +
    "const failed = ({ code, message }) => { console.log(code, message); process.exit(); };" +
    "discovery.watch('a', { snapshot() {}, failed });" +
    "setTimeout(() => undefined, 60_000);",
  ], { cwd: fileURLToPath(new URL("../..", import.meta.url)), encoding: "utf8" });
  assert.match(stdout, /^failed_precondition discovery by Redis needs the package @redis\/client: npm install/);
});
