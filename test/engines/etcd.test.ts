// The compliance suite over a real etcd, and what only this engine has: leases, revisions, keys written by hand.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { endpointAddress } from "../../src/core/endpoint.ts";
import { encodeEntry } from "../../src/discovery/entry.ts";
import { keyOf } from "../../src/discovery/etcd/keys.ts";
import { discoveryCases } from "../../src/testing/discovery.ts";
import type { EngineProcess } from "./engine-process.ts";
import { discoveryAt, etcd, startEtcd } from "./etcd.ts";
import { Ctl, listen, until } from "./etcd-ctl.ts";

const skip = etcd.missing ?? false;
let server: EngineProcess;
let ctl: Ctl;
before(async () => {
  if (skip !== false) return;
  server = await startEtcd();
  ctl = new Ctl(server.address);
});
after(() => server?.stop());

describe("etcd passes the suite of discoveries", { skip }, () => {
  let cases = 0;
  const suite = discoveryCases(async (services) => {
    // A prefix of its own for each case, in the one etcd.
    const prefix = `case-${++cases}/`;
    const discovery = discoveryAt(server.address, { prefix, settleMs: 200 });
    const set = async (wanted: typeof services): Promise<void> => {
      server.resume();
      await ctl.replace(prefix, Object.fromEntries(Object.entries(wanted).flatMap(([name, list]) =>
        list.map(endpointAddress).map((one) =>
          [Buffer.from(keyOf(prefix, name, one.id)).toString(), encodeEntry(one)]))));
    };
    await set(services);
    return {
      discovery, registrar: discovery, set, breakSource: () => server.stall(),
      async close() {
        server.resume();
        await discovery.close();
      },
    };
  }, { changes: true, failures: true, registrar: true });
  for (const { name, run } of suite) test(name, { timeout: 60_000 }, run);
});

describe("etcd", { skip }, () => {
  test("an entry goes with the process that was killed, when its lease has run out", { timeout: 60_000 }, async () => {
    await using known = discoveryAt(server.address, { prefix: "killed/" });
    const heard = listen(known, "geo");
    const child = spawnRegistrar("killed/", "geo", "10.0.0.1:7001");
    try {
      await until("it is there", () => heard.ids() === "10.0.0.1:7001");
      child.kill("SIGKILL");
      await until("it is gone", () => heard.ids() === "");
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("a thousand endpoints of one name are read in pages, at one revision", { timeout: 60_000 }, async () => {
    await using known = discoveryAt(server.address, { prefix: "many/", pageEntries: 7 });
    await ctl.replace("many/", Object.fromEntries(Array.from({ length: 1_000 }, (_, i) =>
      [`many/geo/${i}`, `{"address":"10.0.${i >> 8}.${i & 255}:7001","weight":${i}}`])));
    const heard = listen(known, "geo");
    await until("all are there", () => heard.last.length === 1_000);
    assert.equal(heard.last.find((one) => one.address === "10.0.1.0:7001")?.weight, 256);
  });

  test("keys written by hand serve; what cannot be read is left out by its key", { timeout: 60_000 }, async () => {
    const skipped: string[] = [];
    await using known = discoveryAt(server.address, { prefix: "hand/", observer: {
      event(name, { entry, why }) {
        if (name === "discovery.skipped") skipped.push(`${String(entry)}: ${String(why)}`);
      },
    } });
    const heard = listen(known, "geo");
    await ctl.replace("hand/", {
      "hand/geo/one": '{"address":"10.0.0.1:7001","region":"eu","zone":"a","weight":3,"colour":"red"}',
      "hand/geo/two": "not JSON",
      "hand/geo/three": '{"address":"10.0.0.3:7001","weight":"heavy"}',
      "hand/geo/four": "[1]",
      "hand/geo/five": "{}",
      "hand/geo/six": `{"address":"${"x".repeat(100_000)}"}`,
      "hand/geo/seven": '{"address":"10.0.0.1:7001"}',
      "hand/geo/below/one": '{"address":"10.0.0.9:7001"}',
      "hand/geography/one": '{"address":"10.0.0.9:7001"}',
      "hand/geo": '{"address":"10.0.0.9:7001"}',
    });
    await ctl.putBytes(Buffer.concat([Buffer.from("hand/geo/"), Buffer.from([0xff, 0xfe, 0])]),
      Buffer.from('{"address":"10.0.0.8:7001"}'));
    await ctl.putBytes(Buffer.from("hand/geo/eight"), Buffer.from([0x7b, 0xff, 0x7d]));
    await until("all is heard", () => skipped.length >= 8);
    assert.equal(heard.ids(), "10.0.0.1:7001");
    const all = skipped.join("\n");
    assert.match(all, /hand\/geo\/two: expected an endpoint as JSON, found "not JSON"/);
    assert.match(all, /hand\/geo\/three: weight: expected a number of 0 or more, found "heavy"/);
    assert.match(all, /hand\/geo\/six: the value has 100014 bytes/);
    assert.match(all, /10\.0\.0\.1:7001: listed twice/);
    assert.match(all, /the key is not UTF-8/);
    assert.match(all, /hand\/geo\/eight: the value is not UTF-8/);
  });

  test("changes made at once are told at once", { timeout: 60_000 }, async () => {
    await using known = discoveryAt(server.address, { prefix: "once/" });
    const heard = listen(known, "geo");
    await until("nothing is there", () => heard.snapshots.length === 1);
    await ctl.replace("once/", Object.fromEntries(Array.from({ length: 100 }, (_, i) =>
      [`once/geo/${i}`, `{"address":"10.0.0.${i}:7001"}`])));
    await until("all are there", () => heard.last.length === 100);
    assert.deepEqual(heard.snapshots.map((one) => one.length), [0, 100]);
  });

  test("an entry that somebody deleted is put back; one that another process took over is not fought for",
    { timeout: 60_000 }, async () => {
      await using known = discoveryAt(server.address, { prefix: "back/", ttlMs: 2_000 });
      await using other = discoveryAt(server.address, { prefix: "back/", ttlMs: 2_000 });
      const heard = listen(known, "geo");
      await known.register("geo", { address: "10.0.0.1:7001", weight: 1 }).registered;
      await until("it is there", () => heard.ids() === "10.0.0.1:7001");
      const before = heard.snapshots.length;
      await ctl.replace("back/", {});
      // It may be back before anybody looks.
      await until("it is gone", () => heard.snapshots.slice(before).some((set) => set.length === 0));
      await until("it is back", () => heard.ids() === "10.0.0.1:7001");
      const later = other.register("geo", { address: "10.0.0.1:7001", weight: 2 });
      await later.registered;
      await until("the later counts", () => heard.last[0]?.weight === 2);
      const told = heard.snapshots.length;
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      assert.equal(heard.snapshots.length, told);
      await later.close();
      await until("the former counts again", () => heard.last[0]?.weight === 1);
    });

  test("what was granted is said, and is at least etcd's own least", { timeout: 60_000 }, async () => {
    const granted: unknown[] = [];
    await using known = discoveryAt(server.address, {
      prefix: "least/", ttlMs: 500,
      observer: { event: (name, fields) => void (name === "etcd.lease.granted" && granted.push(fields["grantedMs"])) },
    });
    await known.register("geo", { address: "10.0.0.1:7001" }).registered;
    assert.deepEqual(granted, [2_000]);
  });
});

/** A process that registers and stays. */
function spawnRegistrar(prefix: string, name: string, address: string): ChildProcess {
  const module = fileURLToPath(new URL("../../src/discovery/etcd/index.ts", import.meta.url));
  const program = `import { etcdDiscovery } from ${JSON.stringify(module)};
    const known = etcdDiscovery(${JSON.stringify({ address: server.address, prefix, ttlMs: 2_000 })});
    known.register(${JSON.stringify(name)}, { address: ${JSON.stringify(address)} });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: "inherit" });
  void once(child, "exit");
  return child;
}
