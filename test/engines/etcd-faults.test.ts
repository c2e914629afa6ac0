// What may go wrong between us and a real etcd: silence, wiping, compaction, a member that dies, users, TLS.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { tls } from "../../src/runtime/node/index.ts";
import { onMachine } from "../machine/stalls.ts";
import { discoveryAt, etcd, startEtcd } from "./etcd.ts";
import { startCluster } from "./etcd-cluster.ts";
import { Ctl, listen, until } from "./etcd-ctl.ts";
import { startValve } from "./valve.ts";

const skip = etcd.missing ?? false;
const openssl = (folder: string, ...args: string[]): void =>
  void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });

describe("etcd in trouble", { skip }, () => {
  test("a stalled etcd is reported within 2 s, and costs nobody; who could not renew his lease is back at once",
    { timeout: 400_000 }, () => onMachine(async () => {
      await using things = new AsyncDisposableStack();
      const server = await startEtcd();
      things.defer(() => server.stop());
      const server1 = things.use(discoveryAt(server.address, { ttlMs: 2_000 }));
      await server1.register("geo", { address: "10.0.0.1:7001" }).registered;
      const heard = listen(things.use(discoveryAt(server.address)), "geo");
      await until("it is there", () => heard.ids() === "10.0.0.1:7001");
      const told = heard.snapshots.length;
      const ctl = new Ctl(server.address);
      server.stall();
      const stalledMs = performance.now();
      await until("it is reported", () => heard.failures.length > 0);
      assert.match(heard.failures[0] ?? "", /has said nothing for 1600 ms/);
      // The promise is 2 s; a machine that is busy with other things is given as much again.
      assert.ok(performance.now() - stalledMs < 4_000, `reported after ${performance.now() - stalledMs} ms`);
      await sleep(2_500);
      server.resume();
      await until("it is in etcd, under a lease that lives", () => ctl.has("meridian/geo/10.0.0.1:7001"));
      await sleep(6_000);
      assert.ok(await ctl.has("meridian/geo/10.0.0.1:7001"));
      assert.equal(heard.ids(), "10.0.0.1:7001");
      assert.equal(heard.snapshots.length, told, "the set never changed");
    }));

  test("a wiped etcd takes nobody out; whoever does not come back goes after a while", { timeout: 120_000 },
    async () => {
      await using things = new AsyncDisposableStack();
      const server = await startEtcd();
      things.defer(() => server.stop());
      const ctl = new Ctl(server.address);
      const one = things.use(discoveryAt(server.address, { ttlMs: 2_000 }));
      await one.register("geo", { address: "10.0.0.1:7001" }).registered;
      await ctl.put("meridian/geo/by-hand", '{"address":"10.0.0.2:7001"}');
      const heard = listen(things.use(discoveryAt(server.address, { settleMs: 6_000 })), "geo");
      await until("both are there", () => heard.ids() === "10.0.0.1:7001,10.0.0.2:7001");
      await server.restartEmpty();
      await until("it registers again", () => ctl.has("meridian/geo/10.0.0.1:7001"));
      await until("the other goes", () => heard.ids() === "10.0.0.1:7001");
      const complete = heard.snapshots.findIndex((set) => set.length === 2);
      assert.ok(heard.snapshots.slice(complete).every((set) => set.some(({ id }) => id === "10.0.0.1:7001")));
    });

  test("changes and a compaction while we are cut off, and a restart, leave us with what is true", { timeout: 120_000 },
    async () => {
      await using things = new AsyncDisposableStack();
      const server = await startEtcd();
      things.defer(() => server.stop());
      const valve = await startValve(server.port);
      things.defer(() => valve.close());
      const ctl = new Ctl(server.address);
      await ctl.replace("meridian/", { "meridian/geo/a": '{"address":"10.0.0.1:7001"}' });
      const heard = listen(things.use(discoveryAt(valve.address, { settleMs: 500 })), "geo");
      await until("a is there", () => heard.ids() === "10.0.0.1:7001");
      for (const cut of [300, 4_000]) {
        valve.stop();
        for (let i = 0; i < 50; i++) await ctl.put("meridian/geo/b", `{"address":"10.0.0.2:7001","weight":${cut + i}}`);
        await ctl.compact();
        await sleep(cut);
        valve.go();
        await until(`b is there after ${cut} ms`, () => heard.last.some(({ weight }) => weight === cut + 49));
      }
      await server.restart();
      await ctl.replace("meridian/", { "meridian/geo/c": '{"address":"10.0.0.3:7001"}' });
      await until("c alone is there", () => heard.ids() === "10.0.0.3:7001");
    });

  test("of several members one is enough, and a lease outlives the member it was kept alive by", { timeout: 180_000 },
    async () => {
      await using things = new AsyncDisposableStack();
      const cluster = await startCluster(3);
      things.defer(() => cluster.stop());
      const lost: string[] = [];
      const registrar = things.use(discoveryAt(cluster.addresses, { ttlMs: 5_000, observer: {
        event: (name, fields) => void (/lost|failed/.test(name) && lost.push(`${name} ${String(fields["member"])}`)),
      } }));
      await registrar.register("geo", { address: "10.0.0.1:7001" }).registered;
      const heard = listen(things.use(discoveryAt(cluster.addresses)), "geo");
      await until("it is there", () => heard.ids() === "10.0.0.1:7001");
      for (const address of cluster.addresses.slice(0, 1)) await cluster.kill(address);
      await sleep(8_000);
      assert.equal(heard.ids(), "10.0.0.1:7001");
      await registrar.register("geo", { address: "10.0.0.2:7001" }).registered;
      await until("the newcomer is there", () => heard.ids() === "10.0.0.1:7001,10.0.0.2:7001");
      // Of one of three nobody can say any more what is true.
      await cluster.kill(cluster.addresses[1] as string);
      await until("it is reported", () => heard.failures.length > 0, 60_000);
      assert.equal(heard.ids(), "10.0.0.1:7001,10.0.0.2:7001");
    });

  test("users: a token that ran out is fetched anew, and refusals say what to do", { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "meridian-etcd-jwt-"));
    openssl(folder, "genrsa", "-out", "jwt.key", "2048");
    openssl(folder, "rsa", "-in", "jwt.key", "-pubout", "-out", "jwt.pub");
    await using things = new AsyncDisposableStack();
    things.defer(() => rmSync(folder, { recursive: true, force: true }));
    const server = await startEtcd({ args: ["--auth-token",
      `jwt,pub-key=${join(folder, "jwt.pub")},priv-key=${join(folder, "jwt.key")},sign-method=RS256,ttl=3s`] });
    things.defer(() => server.stop());
    await enableUsers(new Ctl(server.address));
    const heard: string[] = [];
    const trusted = things.use(discoveryAt(server.address, { user: "orders", password: "swordfish", ttlMs: 2_000,
      observer: { event: (name) => void heard.push(name) } }));
    const seen = listen(trusted, "geo");
    await trusted.register("geo", { address: "10.0.0.1:7001" }).registered;
    await until("it is there", () => seen.ids() === "10.0.0.1:7001");
    // Several lives of a token later.
    await sleep(7_500);
    assert.equal(seen.ids(), "10.0.0.1:7001");
    await trusted.register("maps", { address: "10.0.0.2:7001" }).registered;
    const maps = listen(trusted, "maps");
    await until("a name asked for later is there", () => maps.ids() === "10.0.0.2:7001");
    await trusted.register("maps", { address: "10.0.0.3:7001" }).registered;
    await until("its changes too", () => maps.ids() === "10.0.0.2:7001,10.0.0.3:7001");
    assert.deepEqual(heard.filter((name) => /lost/.test(name)), []);

    const wrong = things.use(discoveryAt(server.address, { user: "orders", password: "guess-4711" }));
    await assert.rejects(wrong.register("geo", { address: "10.0.0.4:7001" }).registered, (error: Error) => {
      assert.match(error.message, /refuses the user "orders": the name or the password is wrong/);
      assert.doesNotMatch(JSON.stringify(error), /4711/);
      return true;
    });
    const nobody = things.use(discoveryAt(server.address));
    const unheard = listen(nobody, "geo");
    await until("it is reported", () => unheard.failures.length > 0);
    assert.match(unheard.failures[0] ?? "", /give the options `user` and `password`/);
    const elsewhere = things.use(discoveryAt(server.address, { user: "orders", password: "swordfish", prefix: "x/" }));
    await assert.rejects(elsewhere.register("geo", { address: "10.0.0.4:7001" }).registered,
      /does not permit this to the user "orders": .*--prefix=true readwrite x\//);
  });

  test("users: a token that etcd forgot by a restart is fetched anew", { timeout: 120_000 }, async () => {
    await using things = new AsyncDisposableStack();
    const server = await startEtcd();
    things.defer(() => server.stop());
    await enableUsers(new Ctl(server.address));
    const known = things.use(discoveryAt(server.address, { user: "orders", password: "swordfish", ttlMs: 2_000 }));
    await known.register("geo", { address: "10.0.0.1:7001" }).registered;
    const seen = listen(known, "geo");
    await until("it is there", () => seen.ids() === "10.0.0.1:7001");
    await server.restart();
    await known.register("geo", { address: "10.0.0.2:7001" }).registered;
    await until("the newcomer too", () => seen.ids() === "10.0.0.1:7001,10.0.0.2:7001");
  });

  test("TLS: who is trusted is spoken to; a wrong authority or host, or no TLS, is said as what it is",
    { timeout: 120_000 }, async () => {
      const folder = mkdtempSync(join(tmpdir(), "meridian-etcd-tls-"));
      await using things = new AsyncDisposableStack();
      things.defer(() => rmSync(folder, { recursive: true, force: true }));
      certify(folder);
      const file = (name: string) => ({ file: join(folder, name) });
      const server = await startEtcd({
        secure: true, args: ["--cert-file", join(folder, "one.crt"), "--key-file", join(folder, "one.key")],
        answers: (port) => isSecureServer(port),
      });
      things.defer(() => server.stop());
      const trusted = things.use(discoveryAt(server.address, { tls: tls({ ca: file("ca.crt") }) }));
      await trusted.register("geo", { address: "10.0.0.1:7001" }).registered;
      const seen = listen(trusted, "geo");
      await until("it is there", () => seen.ids() === "10.0.0.1:7001");
      const failure = async (options: Parameters<typeof discoveryAt>[1]): Promise<string> => {
        const heard = listen(things.use(discoveryAt(server.address, options)), "geo");
        await until("it is reported", () => heard.failures.length > 0);
        return heard.failures[0] ?? "";
      };
      assert.match(await failure({ tls: tls({ ca: file("stranger.crt") }) }), /certificate/);
      const elsewhere = tls({ ca: file("ca.crt"), serverName: "elsewhere.test" });
      assert.match(await failure({ tls: elsewhere }), /elsewhere\.test/);
      assert.match(await failure({}), /`tls`/);
    });
});

async function enableUsers(ctl: Ctl): Promise<void> {
  await ctl.call("auth/user/add", { name: "root", password: "root" });
  await ctl.call("auth/user/grant", { user: "root", role: "root" });
  await ctl.call("auth/user/add", { name: "orders", password: "swordfish" });
  await ctl.call("auth/role/add", { name: "meridian" });
  await ctl.call("auth/role/grant", { name: "meridian", perm: {
    permType: "READWRITE", key: Buffer.from("meridian/").toString("base64"),
    range_end: Buffer.from("meridian0").toString("base64"),
  } });
  await ctl.call("auth/user/grant", { user: "orders", role: "meridian" });
  await ctl.call("auth/enable", {});
}

function certify(folder: string): void {
  for (const name of ["ca", "stranger"]) {
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
      "-keyout", `${name}.key`, "-out", `${name}.crt`, "-subj", `/CN=${name}`);
  }
  openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "one.key",
    "-out", "one.csr", "-subj", "/CN=one");
  writeFileSync(join(folder, "names"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
  openssl(folder, "x509", "-req", "-in", "one.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
    "-days", "2", "-out", "one.crt", "-extfile", "names");
}

async function isSecureServer(port: number): Promise<boolean> {
  const { connect } = await import("node:tls");
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      socket.destroy();
      resolve(true);
    }).on("error", () => resolve(false));
  });
}
