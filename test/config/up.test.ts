// `meridian up`, for real: processes, calls, a file edited under them, one killed, and all of it drained.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { adminSource } from "../../src/admin/index.ts";
import { secret } from "../../src/runtime/node/index.ts";
import { createClient } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { RpcError } from "../../src/core/index.ts";

const root = join(import.meta.dirname, "../..");
const program = join(root, "src/cli/meridian.ts");
mkdirSync(join(root, "test/.tmp"), { recursive: true });
const folder = mkdtempSync(join(root, "test/.tmp/up-"));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const Calculator = service("calc.v1.Calculator", {
  add: rpc({
    input: z.object({ a: z.int32(), b: z.int32() }), output: z.object({ sum: z.int32(), by: z.string() }),
    idempotent: true,
  }),
});

writeFileSync(join(folder, "server.ts"), `
import * as z from "zod";
import { defineServer } from "../../../src/config/index.ts";
import { rpc, service } from "../../../src/contract/index.ts";

const Calculator = service("calc.v1.Calculator", {
  add: rpc({
    input: z.object({ a: z.int32(), b: z.int32() }), output: z.object({ sum: z.int32(), by: z.string() }),
    idempotent: true,
  }),
});

export default defineServer((server, { name }) => {
  console.log("I am", name);
  server.implement(Calculator, { add: ({ a, b }) => ({ sum: a + b, by: name }) });
});
`);

type Line = Readonly<Record<string, unknown>>;

interface Started {
  readonly child: ChildProcess;
  readonly lines: Line[];
  readonly errors: string[];
  readonly exited: Promise<number | null>;
  /** The first line that fits, now or later. */
  line(what: string, fits: (line: Line) => boolean): Promise<Line>;
}

function meridian(...args: string[]): Started {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  const lines: Line[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on("line", (text) =>
    lines.push(text.startsWith("{") ? JSON.parse(text) as Line : { text }));
  createInterface({ input: child.stderr }).on("line", (text) => errors.push(text));
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  return {
    child, lines, errors, exited,
    async line(what, fits) {
      for (let waited = 0; waited < 120_000; waited += 50) {
        const found = lines.find(fits);
        if (found !== undefined) return found;
        if (child.exitCode !== null) break;
        await sleep(50);
      }
      assert.fail(`${what} did not come: ${JSON.stringify(lines.slice(-10))} ${errors.slice(-5).join("\n")}`);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const patience = { timeout: 300_000 };

test("up runs a whole configuration, changes it under calls, restarts who dies, and drains", patience, async () => {
  const [registry, gateway] = [await freePort(), await freePort()];
  const path = join(folder, "meridian.yaml");
  const file = (weight: number, more = ""): string => `registry: { port: ${registry} }
admin: { port: 0, tokenFile: token }
regions: { eu-west: {}, us-east: {} }
servers:
  near: { module: ./server.ts, region: eu-west, weight: ${weight} }
  far: { module: ./server.ts, region: us-east }
gateways:
  main: { region: eu-west, port: ${gateway}${more} }
`;
  writeFileSync(path, file(10));
  const up = meridian("up", "--json");
  const { processes, admin } = await up.line("up", ({ event }) => event === "up");
  assert.deepEqual((processes as Line[]).map(({ process }) => process),
    ["registry", "servers.near", "servers.far", "gateways.main"]);
  assert.ok(up.lines.some(({ event, text }) => event === "output" && text === "I am near"));

  const client = createClient(Calculator, { address: `127.0.0.1:${gateway}`, metrics: false, timeoutMs: 60_000 });
  const tally = { calls: 0, shut: 0 };
  const failures: string[] = [];
  const caller = new AbortController();
  const calling = (async () => {
    for (; !caller.signal.aborted; await sleep(5)) {
      tally.calls++;
      const error = await client.add({ a: tally.calls, b: 1 })
        .then(() => undefined, (one: unknown) => RpcError.from(one));
      if (error?.message === "shut") tally.shut++;
      else if (error !== undefined) failures.push(`${error.code}: ${error.message}`);
    }
  })();
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (let waited = 0; waited < 120_000 && !holds(); waited += 50) await sleep(50);
    assert.ok(holds(), `${what}: ${JSON.stringify(tally)} ${failures.slice(0, 3).join()}`);
  };
  await until("calls", () => tally.calls > 50);
  assert.equal((await client.add({ a: 1, b: 2 })).by, "near");

  // Operators see all processes at one place.
  const operator = adminSource("test", { address: String(admin), token: secret({ file: join(folder, "token") }) });
  let seen: string[] = [];
  await until("a gateway's endpoints", () => tally.calls > 100);
  for (let waited = 0; waited < 60_000 && !seen.includes("us-east"); waited += 200) {
    const { endpoints } = await operator.calls.endpoints({ service: "calc.v1.Calculator" }, { timeoutMs: 20_000 });
    seen = endpoints.map(({ region }) => region);
    await sleep(200);
  }
  assert.ok(seen.includes("eu-west") && seen.includes("us-east"), seen.join());
  operator.close?.();

  // A file that is wrong changes nothing, and is told by everybody who reads it.
  writeFileSync(path, file(10, ", weigth: 5"));
  const refused = await up.line("refused", ({ event }) => event === "refused");
  assert.match(String(refused["why"]), /\.yaml:8:\d+: gateways\.main\.weigth: unknown key "weigth"; did you mean/);

  // The region drained by the file: calls go elsewhere, and none is lost.
  writeFileSync(path, file(10).replace("eu-west: {}", "eu-west: { drained: true }"));
  let by = "";
  for (let waited = 0; waited < 120_000 && by !== "far"; waited += 50) {
    ({ by } = await client.add({ a: 1, b: 1 }));
    await sleep(50);
  }
  assert.equal(by, "far");

  // Back, and one killed: it is started again, and calls go on meanwhile.
  writeFileSync(path, file(20));
  const { pid } = await up.line("start", ({ event, process: key }) => event === "started" && key === "servers.near");
  process.kill(pid as number, "SIGKILL");
  await up.line("end", ({ event, process: key }) => event === "exited" && key === "servers.near");
  await until("two lives", () =>
    up.lines.filter(({ event, process: key }) => event === "ready" && key === "servers.near").length === 2);

  // What a process cannot change is started anew; a rule comes into force without.
  const rules = ", rules: [{ name: shut, to: { reject: { code: aborted, message: shut } } }]";
  writeFileSync(path, file(20, rules).replace("far: { module", "far: { zone: b, module"));
  await up.line("restart", ({ event, processes: names }) =>
    event === "restarted" && JSON.stringify(names) === '["servers.far"]');
  await until("the rule", () => tally.shut > 0);
  caller.abort();
  await calling;
  client.$.close(0);
  assert.deepEqual(failures, [], `of ${tally.calls} calls`);

  up.child.kill("SIGTERM");
  assert.equal(await up.exited, 0, up.errors.slice(-5).join("\n"));
  const ends = up.lines.filter(({ event }) => event === "exited").map(({ process: key }) => key).slice(-4);
  assert.equal(ends[0], "gateways.main", "gateways first");
  assert.equal(ends[3], "registry", "the registry last");
});

test("commands say what is wrong, and what to do", patience, async (t) => {
  const taken = createTcpServer();
  t.after(() => void taken.close());
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as AddressInfo;
  writeFileSync(join(folder, "bad.yaml"), "client: { timeotMs: 5 }\n");
  writeFileSync(join(folder, "two.yaml"), "discovery: { static: {} }\nservers: { a: {}, b: {} }\n");
  const cases: readonly [readonly string[], number, RegExp][] = [
    [["srve"], 2, /unknown command 'srve'[\s\S]*Did you mean serve\?/],
    [["serve", "server.ts", "--config", "none.yaml"], 1, /there is no file none\.yaml/],
    [["serve", "nothing.ts", "--config", "two.yaml", "--name", "a"], 1, /there is no module .*nothing\.ts/],
    [["serve", "--config", "two.yaml"], 1, /two\.yaml has several servers: name one of a, b/],
    [["serve", "server.ts", "--config", "two.yaml", "--name", "c"], 1, /there is no server "c"/],
    [["serve", "server.ts", "--config", "two.yaml", "--name", "a", "--port", String(port)], 1, /is in use; stop the/],
    [["up", "--config", "bad.yaml"], 1, /bad\.yaml:1:11: client\.timeotMs: unknown key "timeotMs"; did you mean "time/],
    [["gateway", "--config", "two.yaml"], 1, /two\.yaml has no gateway/],
  ];
  for (const [args, code, says] of cases) {
    const started = meridian(...args);
    assert.equal(await started.exited, code, args.join(" "));
    assert.match(started.errors.join("\n"), says, args.join(" "));
  }
  const checked = meridian("check", "config", "bad.yaml", "--json");
  assert.equal(await checked.exited, 1);
  const { ok, faults } = checked.lines[0] as { ok: boolean; faults: Line[] };
  assert.equal(ok, false);
  assert.deepEqual([faults[0]?.["line"], faults[0]?.["column"], faults[0]?.["path"], faults[0]?.["meant"]],
    [1, 11, "client.timeotMs", "timeoutMs"]);
  assert.equal(await meridian("check", "config", "two.yaml", "--json").exited, 0);
  assert.match(readFileSync(join(folder, "bad.yaml"), "utf8"), /timeotMs/);
});
