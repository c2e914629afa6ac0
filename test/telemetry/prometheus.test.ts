// What Prometheus itself makes of our metrics: scraped, checked, ruled by; and what the dashboard asks of them.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createSocket, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { createClient, createServer, rpc, service } from "../../src/index.ts";
import { endpointMetrics, metrics, metricsObserver } from "../../src/telemetry/index.ts";
import { lacking } from "../peers/programs.ts";

const Word = z.object({ text: z.string() });
const Words = service("telemetry.v1.Words", { say: rpc({ input: Word, output: Word, idempotent: true }) });
const deploy = fileURLToPath(new URL("../../deploy/", import.meta.url));

/** A server of metrics, and a client that it tells of, over two servers of words. */
async function world() {
  const all = metrics();
  const observer = metricsObserver(all);
  const servers = ["eu", "us"].map((region) =>
    createServer({ metrics: false, region, observer }).implement(Words, { say: (word) => word }));
  const addresses = await Promise.all(servers.map((one) => one.listen()));
  const client = createClient(Words, {
    address: addresses.map((address, i) => ({ address, region: ["eu", "us"][i] ?? "" })), metrics: false, observer,
    region: "eu",
  });
  endpointMetrics(all, () => [[Words.name, client.$.endpoints()]]);
  const told = createServer({ metrics: false, http: { metrics: all } });
  return {
    all, observer, servers, addresses, client, address: await told.listen(),
    async close() {
      client.$.close();
      await Promise.all([...servers, told].map((one) => one.close(0)));
    },
  };
}

const traceId = "0af7651916cd43dd8448eb211c80319c";

test("GET /metrics speaks Prometheus' text, and OpenMetrics with exemplars to who accepts it", async () => {
  const here = await world();
  await here.client.say({ text: "a" });
  here.observer.callEnded?.({ method: Words.methods.say, span: { traceId, spanId: "", isSampled: true } } as never,
    3, undefined);
  const ask = (accept: string) => fetch(`http://${here.address}/metrics`, { headers: { accept } });
  const plain = await ask("text/plain");
  assert.match(plain.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const text = await plain.text();
  assert.match(text, /^meridian_server_up\{service="telemetry\.v1\.Words",region="eu",server="127.0.0.1:\d+"\} 1$/m);
  assert.doesNotMatch(text, /trace_id|# EOF/);
  const open = await ask("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
  assert.match(open.headers.get("content-type") ?? "", /^application\/openmetrics-text; version=1\.0\.0/);
  const told = await open.text();
  assert.match(told, new RegExp(`le="0.004"\\} \\d+ # \\{trace_id="${traceId}"\\} 0\\.003\\n`));
  assert.match(told, /# TYPE meridian_attempts counter\n/);
  assert.ok(told.endsWith("# EOF\n"));
  assert.ok((await fetch(`http://${here.address}/metrics/other`)).status >= 400);
  await here.close();
});

test("promtool finds nothing to complain of", { skip: lacking("promtool") }, async () => {
  const here = await world();
  await here.client.say({ text: "a" });
  const checked = spawnSync("promtool", ["check", "metrics"], { input: here.all.exposition(), encoding: "utf8" });
  assert.equal(checked.status, 0, checked.stderr + checked.stdout);
  const rules = readdirSync(join(deploy, "prometheus")).map((name) => join(deploy, "prometheus", name));
  const ruled = spawnSync("promtool", ["check", "rules", ...rules], { encoding: "utf8" });
  assert.equal(ruled.status, 0, ruled.stderr + ruled.stdout);
  await here.close();
});

test("a Prometheus scrapes it, records the four figures, and its alert of a killed server fires",
  { skip: lacking("prometheus"), timeout: 120_000 }, async () => {
    const here = await world();
    const folder = mkdtempSync(join(tmpdir(), "meridian-prometheus-"));
    for (const name of ["alerts.yml", "recording.yml"]) {
      // As shipped, but that nobody waits for a quarter of a minute.
      writeFileSync(join(folder, name), readFileSync(join(deploy, "prometheus", name), "utf8")
        .replaceAll("for: 15s", "for: 1s"));
    }
    writeFileSync(join(folder, "prometheus.yml"), `global: { scrape_interval: 250ms, evaluation_interval: 250ms }
rule_files: [alerts.yml, recording.yml]
scrape_configs: [{ job_name: meridian, static_configs: [{ targets: ["${here.address}"] }] }]
`);
    const port = await freePort();
    const child = spawn("prometheus", [`--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${port}`,
      "--enable-feature=exemplar-storage", "--log.level=warn"], { stdio: ["ignore", "ignore", "inherit"] });
    try {
      const value = (query: string) => until(async () => {
        await here.client.say({ text: "x" });
        const { data } = await api(port, `query?query=${encodeURIComponent(query)}`) as Answer;
        return data.result.length > 0 ? data.result : undefined;
      });
      for (const level of ["server", "service", "region"]) {
        for (const figure of ["load:in_flight", "load:attempts_per_second", "fault:share", "response:seconds",
          "errors:share"]) {
          const [row] = await value(`${level}:meridian_${figure}`);
          assert.ok(row !== undefined && Number.isFinite(Number(row.value[1])), `${level} ${figure}`);
        }
      }
      const rows = await value("service:meridian_fault:share");
      assert.equal(rows[0]?.value[1], "0");
      await here.servers[0]?.close(0);
      const [fired] = await value('ALERTS{alertname="MeridianServerDown",alertstate="firing"}');
      assert.equal(fired?.metric["server"], here.addresses[0]);
      assert.equal(fired?.metric["region"], "eu");
    } finally {
      await ended(child);
      await here.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

test("the dashboard asks for nothing that there is not", async () => {
  const here = await world();
  await here.client.say({ text: "a" });
  here.observer.endpointChanged?.(here.client.$.endpoints()[0]?.address as never, "ejected", "slow");
  here.observer.event?.("region.share", { region: "eu", share: 1 });
  here.observer.event?.("overload.limit", { from: 1, to: 2 });
  here.all.exposition();
  const labels = new Map<string, readonly string[]>();
  for (const { name, kind, labels: own, series } of here.all.families) {
    assert.ok(series.length > 0, `${name} was never counted`);
    for (const end of kind === "histogram" ? ["_bucket", "_sum", "_count"] : [""]) {
      labels.set(name + end, end === "_bucket" ? [...own, "le"] : own);
    }
  }
  const board = JSON.parse(readFileSync(join(deploy, "grafana/meridian.json"), "utf8")) as Dashboard;
  assert.equal(board.uid, "meridian");
  assert.ok(board.schemaVersion >= 36);
  assert.equal(new Set(board.panels.map(({ id }) => id)).size, board.panels.length);
  const expressions = board.panels.flatMap(({ targets = [], type, title, gridPos }) => {
    assert.ok(title !== "" && gridPos.x + gridPos.w <= 24 && gridPos.h > 0, title);
    assert.ok(type === "row" ? targets.length === 0 : targets.length > 0, title);
    return targets.map(({ expr }) => expr);
  });
  assert.ok(expressions.length > 20);
  const ofPrometheus = new Set(["instance", "job"]);
  for (const expression of expressions) {
    const names = [...expression.matchAll(/\b(?:meridian|rpc)_\w+(?=[{[ )]|$)/g)].map(([name]) => name)
      .filter((name) => !name.startsWith("rpc_method") && !name.startsWith("rpc_response"));
    assert.ok(names.length > 0, expression);
    const known = new Set(names.flatMap((name) => {
      assert.ok(labels.has(name), `${name} is no metric of ours: ${expression}`);
      return labels.get(name) ?? [];
    }));
    const asked = [
      ...[...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(",")),
      ...[...expression.matchAll(/[{,](\w+)(?:=~|!=|=)/g)].map(([, label = ""]) => label),
    ].map((label) => label.trim());
    for (const label of asked) assert.ok(known.has(label) || ofPrometheus.has(label), `${label}: ${expression}`);
  }
  for (const name of readdirSync(join(deploy, "prometheus"))) {
    const text = readFileSync(join(deploy, "prometheus", name), "utf8");
    for (const [metric] of text.matchAll(/(?<![:\w])(?:meridian|rpc)_\w+(?=[{[ )])/g)) {
      assert.ok(labels.has(metric) || [...labels.values()].some((own) => own.includes(metric)), `${name}: ${metric}`);
    }
  }
  await here.close();
});

interface Answer {
  readonly data: { readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string];
  }[] };
}

interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly {
    readonly id: number; readonly type: string; readonly title: string;
    readonly gridPos: { readonly x: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

async function api(port: number, path: string): Promise<unknown> {
  try {
    return await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json();
  } catch {
    return { data: { result: [] } };
  }
}

async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (const endMs = Date.now() + 60_000; Date.now() < endMs;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
  assert.fail("Prometheus did not say so within a minute");
}

async function freePort(): Promise<number> {
  const socket = createSocket().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address() as AddressInfo;
  socket.close();
  await once(socket, "close");
  return port;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, "exit");
  child.kill();
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exit;
  clearTimeout(timer);
}
