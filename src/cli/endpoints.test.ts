// `meridian endpoints` as people call it, over servers of which one is there and one is not.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import * as z from "zod";
import { createServer, rpc, service } from "../index.ts";
import { columns } from "./columns.ts";

const program = join(import.meta.dirname, "meridian.ts");
const folder = mkdtempSync(join(tmpdir(), "meridian-endpoints-"));
const Clock = service("cli.v1.Clock", { tell: rpc({ input: z.object({}), output: z.object({}) }) });
const server = createServer().implement(Clock, { tell: () => ({}) });
const address = await server.listen({ host: "127.0.0.1", port: 0 });
after(async () => {
  await server.close(0);
  rmSync(folder, { recursive: true, force: true });
});

function start(...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [program, "endpoints", ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = start(...args);
  const [out, err, [code]] = await Promise.all([
    text(child.stdout as never), text(child.stderr as never), once(child, "exit") as Promise<[number]>,
  ]);
  return { code, out, err };
}

const file = join(folder, "services.yaml");
writeFileSync(file, `services:
  cli.v1.Clock:
    - { address: "${address}", region: eu-west, zone: a, weight: 10 }
    - { address: "127.0.0.1:1", region: us-east, backup: true }
`);

test("endpoints shows who serves a name, and why whom cannot be reached", async () => {
  const { code, out } = await run("cli.v1.Clock", "--from", `file:${file}`, "--wait", "500");
  assert.equal(code, 0);
  const [summary, titles, ready, gone] = out.split("\n");
  assert.equal(summary, "cli.v1.Clock: 1 of 2 ready");
  assert.match(titles ?? "", /^ENDPOINT +REGION +ZONE +WEIGHT +ROLE +STATUS +PING +.*WHY$/);
  assert.match(ready ?? "", new RegExp(`^${address} +eu-west +a +10 +primary +ready +[\\d.]+ ms`));
  assert.match(gone ?? "", /^127\.0\.0\.1:1 +us-east +1 +backup +connecting +.*nobody listens there/);
});

test("endpoints prints one JSON object a row, and exits with 3 where nobody is ready", async () => {
  const { code, out } = await run("cli.v1.Clock", "--from", `${address},127.0.0.1:1`, "--json", "--wait", "500");
  assert.equal(code, 0);
  const rows = out.trimEnd().split("\n").map((line) => JSON.parse(line) as { address: string; status: string });
  assert.deepEqual(Object.fromEntries(rows.map((row) => [row.address, row.status])),
    { "127.0.0.1:1": "connecting", [address]: "ready" });
  assert.equal((await run("cli.v1.Clock", "--from", "127.0.0.1:1", "--wait", "200")).code, 3);
});

test("endpoints names what is wrong with a source", async () => {
  const misspelt = await run("cli.v1.Clock", "--from", "etdc://127.0.0.1:2379");
  assert.deepEqual([misspelt.code, misspelt.out], [1, ""]);
  assert.match(misspelt.err, /names no source that is known; did you mean "etcd"\?; expected one of HOST:PORT/);
  const dead = await run("cli.v1.Clock", "--from", "etcd://127.0.0.1:1", "--wait", "1000");
  assert.equal(dead.code, 1);
  assert.match(dead.err, /etcd at 127\.0\.0\.1:1/);
  const unknown = await run("cli.v1.Clok", "--from", `file:${file}`, "--wait", "300");
  assert.match(unknown.err, /did you mean "cli\.v1\.Clock"\?/);
  assert.equal((await run("cli.v1.Clock", "--from", address, "--protocol", "smtp")).code, 2);
  assert.equal((await run("cli.v1.Clock", "--from", address, "--wait", "long")).code, 2);
  assert.equal((await run("cli.v1.Clock")).code, 2);
});

test("endpoints --watch shows a change when it comes, and ends by a signal", async () => {
  const child = start("cli.v1.Clock", "--from", `file:${file}`, "--watch", "--wait", "300");
  let out = "";
  child.stdout?.on("data", (chunk: Buffer) => void (out += chunk.toString()));
  const until = async (what: RegExp): Promise<void> => {
    while (!what.test(out)) await once(child.stdout as never, "data");
  };
  await until(/1 of 2 ready/);
  writeFileSync(file, `services: { cli.v1.Clock: [{ address: "${address}", region: moved }] }`);
  await until(/1 of 1 ready\n.*\n.* moved /);
  child.kill("SIGINT");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("columns leave out what is empty in every row, and are cut at the width of the screen", () => {
  const all = [
    { title: "NAME", text: (row: { name: string }) => row.name }, { title: "NONE", text: () => "" },
    { title: "N", text: () => "12", right: true },
  ];
  assert.deepEqual(columns(all, [{ name: "a" }, { name: "longer" }]), ["NAME     N", "a       12", "longer  12"]);
  assert.deepEqual(columns(all, [{ name: "longer" }], 6), ["NAME …", "longe…"]);
});
