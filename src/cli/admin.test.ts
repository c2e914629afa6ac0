// `meridian top`, `why`, `drain`, `split` and `mirror` as people call them, over a gateway with an admin service.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import * as z from "zod";
import { createAdmin, type Decision, serveAdmin, type Snapshot } from "../admin/index.ts";
import { createClient, createServer, rpc, RpcError, service } from "../index.ts";
import { memoryDiscovery } from "../discovery/index.ts";
import { createGateway, gatewayServiceName } from "../gateway/index.ts";
import { screenLines } from "./top.ts";
import { recordText } from "./why.ts";

const program = join(import.meta.dirname, "meridian.ts");
const folder = mkdtempSync(join(tmpdir(), "meridian-cli-admin-"));
const tokenFile = join(folder, "token");
const Clock = service("cli.v1.Clock", {
  tell: rpc({ input: z.object({ fail: z.boolean().optional() }), output: z.object({}), idempotent: true, safe: true }),
});
const known = memoryDiscovery();
const server = createServer({ region: "eu", registry: known, metrics: false }).implement(Clock, {
  tell: ({ fail }) => {
    if (fail === true) throw new RpcError("internal", "the spring is broken");
    return {};
  },
});
const serverAddress = await server.listen();
const admin = createAdmin({ region: "eu", name: "eu/gateway", intervalMs: 250 });
const gateway = admin.add(createGateway(admin.forGateway({ region: "eu", discovery: known, registry: known })));
await gateway.listen();
const served = await serveAdmin(admin, { port: 0, token: { file: tokenFile } });
const clock = createClient(Clock, { discovery: known, name: gatewayServiceName, metrics: false });
after(async () => {
  clock.$.close(0);
  admin.close();
  await Promise.all([server.close(0), gateway.close(0), served.close()]);
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HOME: folder, NO_COLOR: "1" },
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout as never), text(child.stderr as never), once(child, "exit") as Promise<[number]>,
  ]);
  return { code, out, err };
}

const at = ["--admin", served.address];
const may = [...at, "--token-file", tokenFile];

test("top shows regions, services and what happens; why tells of a call, or lists what is kept", async () => {
  await clock.tell({});
  await assert.rejects(clock.tell({ fail: true }));
  const top = await run("top", "--once", ...at);
  assert.equal(top.code, 0, top.err);
  assert.match(top.out, /^meridian top {2}\d\d:\d\d:\d\d/);
  assert.match(top.out, /^eu +1\/1 +100 %/m);
  assert.match(top.out, /^cli\.v1\.Clock +1\/1/m);
  const snapshot = JSON.parse((await run("top", "--once", "--json", ...at)).out) as Snapshot;
  assert.deepEqual(snapshot.regions.map(({ name, ready }) => [name, ready]), [["eu", 1]]);
  const list = await run("why", "--code", "internal", "--json", ...at);
  const record = JSON.parse(list.out) as Decision;
  assert.equal(record.message, "the spring is broken");
  const one = await run("why", record.id, ...at);
  assert.equal(one.code, 0, one.err);
  assert.match(one.out, /^cli\.v1\.Clock\/tell {2}internal: the spring is broken$/m);
  assert.match(one.out, new RegExp(`^attempt 1 \\(first\\) to ${serverAddress} in eu: internal after`, "m"));
  assert.match(one.out, new RegExp(`^ +> +${serverAddress} +eu +ready`, "m"));
  const unknown = await run("why", "nobody", ...at);
  assert.deepEqual([unknown.code, unknown.out], [3, ""]);
  assert.match(unknown.err, /no record of "nobody"/);
});

test("drain, split and mirror need the token, say what they did, and stand in the audit", async () => {
  const nobody = await run("drain", "eu", ...at);
  assert.equal(nobody.code, 1);
  assert.match(nobody.err, /refused: .*Changes need its token: --token-file, or MERIDIAN_ADMIN_TOKEN/);
  assert.equal(admin.control.isDrained("eu"), false);
  const drained = await run("drain", "eu", "--reason", "new racks", ...may);
  assert.deepEqual([drained.code, drained.out], [0, "region eu gets no new calls; those in flight end\n"], drained.err);
  assert.match((await run("top", "--once", ...at)).out, /drained: new racks/);
  assert.equal((await run("undrain", "eu", ...may)).code, 0);
  assert.equal(admin.control.isDrained("eu"), false);
  const endpoint = await run("drain", serverAddress, ...may);
  assert.match(endpoint.out, new RegExp(`endpoint ${serverAddress} gets no new calls`));
  assert.equal((await run("undrain", serverAddress, ...may)).code, 0);
  const split = await run("split", "cli.v1.Clock/tell", "--percent", "10", "--to-attribute", "version=2", ...may);
  assert.equal(split.out, "10 % of cli.v1.Clock/tell goes to version=2\n", split.err);
  assert.deepEqual(admin.rules.current.map(({ name }) => name), ["split:cli.v1.Clock/tell"]);
  assert.equal((await run("split", "cli.v1.Clock/tell", "--percent", "0", ...may)).code, 0);
  const mirror = await run("mirror", "cli.v1.Clock", "--percent", "5", "--to-service", "cli.v2.Clock", ...may);
  assert.equal(mirror.out, "5 % of cli.v1.Clock is copied to cli.v2.Clock\n", mirror.err);
  assert.deepEqual(admin.audit.list().filter(({ allowed }) => allowed).map(({ action }) => action),
    ["mirror", "split", "split", "undrain", "drain", "undrain", "drain"]);
});

test("what is written wrongly, or asked of nobody, is told with the next step", async () => {
  const percent = await run("split", "x", "--percent", "101", ...may);
  assert.equal(percent.code, 2);
  assert.match(percent.err, /Write a number from 0 to 100/);
  const nowhere = await run("split", "x", "--percent", "10", ...may);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.err, /say where to: attributes \(version=2\), toService, or regions/);
  const nobody = await run("top", "--once", "--admin", "127.0.0.1:1");
  assert.equal(nobody.code, 3);
  assert.match(nobody.err, /no admin service answers at 127\.0\.0\.1:1: .*--admin host:port/);
});

test("a record's text has its attempts, candidates and waterfall; a screen keeps to its size", () => {
  const record: Decision = {
    id: "r", traceId: "", atMs: 0, service: "s.v1.S", method: "m", routeKey: "k", from: "eu", durationMs: 100,
    deadlineMs: 200, code: "ok", message: "", kept: "repeated", attempts: [{
      number: 0, kind: "first", because: "", route: "eu 100 %", rule: "r1", seen: "pick", endpoint: "a:1", region: "eu",
      startedMs: 10, endedMs: 60, code: "unavailable", message: "gone", candidatesOmitted: 3, candidates: [
        { endpoint: "a:1", region: "eu", zone: "z", status: "ready", score: 0.5, chosen: true, rejected: "" },
        { endpoint: "b:1", region: "us", zone: "", status: "ejected", chosen: false, rejected: "ejected: outlier" },
      ],
    }],
    phases: [{ name: "pick", startMs: 0, endMs: 10, attempt: 0 },
      { name: "network and server", startMs: 10, endMs: 60, attempt: 0 }],
  };
  const lines = recordText(record, 80).split("\n");
  assert.ok(lines.every((line) => line.length <= 80), lines.join("\n"));
  for (const part of ["by the rule: r1", "regions: eu 100 %", "and 3 more", "route key k", "ejected: outlier"]) {
    assert.ok(lines.some((line) => line.includes(part)), part);
  }
  assert.ok(lines.some((line) => /^ {2}pick +\|█+ +\| 10\.0 ms$/.test(line)), lines.join("\n"));
  const snapshot = { ...admin.snapshot(), missing: [{ name: "us", why: "x".repeat(300) }] };
  const screen = screenLines(snapshot, 80, 10);
  assert.ok(screen.length <= 10);
});
