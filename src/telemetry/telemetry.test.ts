import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Context } from "../core/context.ts";
import { endpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { MethodInfo } from "../core/method.ts";
import { logObserver, metrics, metricsObserver } from "./index.ts";

const numRuns = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 300);

function method(ordinal: number, path = `geo.v1.Cities/m${ordinal}`): MethodInfo {
  const [service = "", name = ""] = path.split("/");
  return {
    service, name, path, wireName: name, kind: "unary", idempotent: true, criticality: "default", timeoutMs: undefined,
    routeKey: undefined, ordinal,
  };
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A reader of the exposition format that accepts nothing else. */
function parse(text: string): Sample[] {
  const samples: Sample[] = [];
  const types = new Map<string, string>();
  const seen = new Set<string>();
  assert.ok(text === "" || text.endsWith("\n"));
  for (const line of text.split("\n").slice(0, -1)) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.*)$/.exec(line);
    if (comment !== null) {
      if (comment[1] === "TYPE") types.set(comment[2] as string, comment[3] as string);
      continue;
    }
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    assert.ok(match, `not a sample: ${line}`);
    const labels: Record<string, string> = {};
    let rest = match[2] ?? "";
    while (rest !== "") {
      const label = /^([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/.exec(rest);
      assert.ok(label, `not labels: ${rest}`);
      assert.ok(!Object.hasOwn(labels, label[1] as string));
      labels[label[1] as string] = (label[2] as string).replaceAll(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
      rest = rest.slice(label[0].length);
    }
    const name = match[1] as string;
    const key = `${name}${JSON.stringify(labels)}`;
    assert.ok(!seen.has(key), `twice: ${line}`);
    seen.add(key);
    const isPart = types.get(name.replace(/_(?:bucket|sum|count)$/, "")) === "histogram";
    assert.ok(types.has(name) || isPart, `no type: ${line}`);
    samples.push({ name, labels, value: match[3] === "+Inf" ? Infinity : Number(match[3]) });
  }
  return samples;
}

test("property: label values come back as they were", () => {
  const unit = fc.constantFrom("a", '"', "\\", "\n", "ä", ",", "}", " ", "=");
  const values = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 40, unit }));
  fc.assert(fc.property(values, (all) => {
    const set = metrics();
    const family = set.counter("things_total", "With \\ and\nbreak", ["what"]);
    for (const [i, value] of all.entries()) family.bind(value).value = i;
    const read = parse(set.exposition()).map(({ labels, value }) => [labels["what"], value]);
    assert.deepEqual(read, all.map((value, i) => [value, i]));
  }), { seed: 20_260_131, numRuns });
});

test("counters, gauges and histograms as Prometheus reads them", () => {
  const set = metrics();
  set.counter("a_total", "A").bind().value += 2;
  const gauge = set.gauge("b", "B", ["zone"]);
  const stop = set.onExposition(() => {
    gauge.bind("z").value = Infinity;
  });
  const histogram = set.histogram("c_seconds", "C").bind();
  for (const ms of [0.25, 0.3, 1, 1000, 1e6]) histogram.record(ms);
  const samples = parse(set.exposition());
  const value = (name: string, le?: string) =>
    samples.find((one) => one.name === name && one.labels["le"] === le)?.value;
  assert.equal(value("a_total"), 2);
  assert.equal(value("b"), Infinity);
  const bounds = ["0.00025", "0.0005", "0.001", "0.512", "1.024", "65.536", "+Inf"];
  assert.deepEqual(bounds.map((le) => value("c_seconds_bucket", le)), [1, 2, 3, 3, 4, 4, 5]);
  assert.equal(value("c_seconds_count"), 5);
  assert.equal(value("c_seconds_sum"), (0.25 + 0.3 + 1 + 1000 + 1e6) / 1000);
  stop();
  gauge.bind("z").value = 1;
  assert.match(set.exposition(), /\nb\{zone="z"\} 1\n/);
});

test("a metric must be declared the same every time, by a name that Prometheus takes", () => {
  const set = metrics();
  set.counter("a_total", "A", ["x"]);
  assert.equal(set.counter("a_total", "A", ["x"]).bind("1"), set.counter("a_total", "A", ["x"]).bind("1"));
  assert.throws(() => set.gauge("a_total", "A", ["x"]), /a_total is a counter by \[x\], not a gauge/);
  assert.throws(() => set.counter("a-total", "A"), /no name of a metric/);
  assert.throws(() => set.counter("b", "B", ["le"]), /no label's name/);
  assert.throws(() => set.counter("a_total", "A", ["x"]).bind(), /has 1 labels \[x\], given 0/);
});

test("series beyond the limit share one", () => {
  const set = metrics({ maxSeries: 2 });
  const family = set.counter("a_total", "A", ["x"]);
  for (const x of ["1", "2", "3", "4", "1"]) family.bind(x).value++;
  const read = parse(set.exposition()).map(({ labels, value }) => [labels["x"], value]);
  assert.deepEqual(read, [["1", 2], ["2", 1], ["_OTHER", 2]]);
});

test("the observer's metrics bear the names of the conventions", () => {
  const set = metrics();
  const observer = metricsObserver(set);
  const context = new Context(method(3), 0);
  const endpoint = endpointAddress({ address: "a:1", region: "eu" });
  const error = new RpcError("deadline_exceeded", "late");
  observer.callEnded?.(context, 2, undefined);
  observer.callEnded?.(context, 3, undefined);
  observer.callEnded?.(context, 200, error);
  observer.handled?.(context, 1, undefined);
  observer.attemptEnded?.(context, endpoint, 1, error);
  observer.endpointChanged?.(endpoint, "ready", "connected");
  observer.event?.("retry.budget.empty", {});
  const counts = parse(set.exposition()).filter(({ name }) => /_(?:count|total)$/.test(name));
  const rpc = { rpc_system_name: "meridian", rpc_method: "geo.v1.Cities/m3" };
  const ok = { ...rpc, rpc_response_status_code: "OK" };
  const late = { ...rpc, rpc_response_status_code: "DEADLINE_EXCEEDED", error_type: "DEADLINE_EXCEEDED" };
  assert.deepEqual(counts, [
    { name: "rpc_client_call_duration_seconds_count", labels: ok, value: 2 },
    { name: "rpc_client_call_duration_seconds_count", labels: late, value: 1 },
    { name: "rpc_server_call_duration_seconds_count", labels: ok, value: 1 },
    { name: "meridian_attempt_duration_seconds_count", labels: late, value: 1 },
    { name: "meridian_attempts_total", labels: { region: "eu", outcome: "ok" }, value: 0 },
    { name: "meridian_attempts_total", labels: { region: "eu", outcome: "failed" }, value: 1 },
    { name: "meridian_endpoint_changes_total", labels: { region: "eu", status: "ready" }, value: 1 },
    { name: "meridian_events_total", labels: { name: "retry.budget.empty" }, value: 1 },
  ]);
});

test("methods, regions and events beyond their limits share one label", () => {
  const set = metrics();
  const observer = metricsObserver(set);
  for (let i = 0; i < 1200; i++) {
    const context = new Context(method(i * 90), 0);
    observer.callEnded?.(context, 1, undefined);
    observer.callEnded?.(context, 1, undefined);
    observer.attemptEnded?.(context, endpointAddress({ address: "a:1", region: `r${i}` }), 1, undefined);
    observer.event?.(`e${i}`, {});
  }
  const samples = parse(set.exposition());
  const values = (name: string, label: string) =>
    samples.filter((one) => one.name === name).map((one) => one.labels[label]);
  const methods = values("rpc_client_call_duration_seconds_count", "rpc_method");
  // Ordinals from 65,536 on have no row, so 729 do.
  assert.equal(methods.length, 730);
  const rest = samples.find(({ name, labels }) =>
    name === "rpc_client_call_duration_seconds_count" && labels["rpc_method"] === "_OTHER");
  assert.equal(rest?.value, 2 * (1200 - 729));
  assert.equal(new Set(values("meridian_attempts_total", "region")).size, 65);
  assert.equal(values("meridian_events_total", "name").length, 201);
});

test("at most a thousand methods have rows of their own", () => {
  const set = metrics();
  const observer = metricsObserver(set);
  for (let i = 0; i < 1500; i++) observer.handled?.(new Context(method(i), 0), 1, undefined);
  const samples = parse(set.exposition()).filter(({ name }) => name.endsWith("_count"));
  assert.equal(samples.length, 1001);
  assert.equal(samples.at(-1)?.value, 500);
});

test("log lines are JSON of one line each", () => {
  const lines: string[] = [];
  const observer = logObserver((line) => lines.push(line), { wallMs: () => 0, slowMs: 100, maxLineLength: 400 });
  const context = new Context(method(1), 0);
  const endpoint = endpointAddress({ address: "a:1", region: "eu", zone: "z" });
  observer.callEnded?.(context, 5, undefined);
  observer.callEnded?.(context, 150.12345, undefined);
  observer.attemptEnded?.(context, endpoint, 5, new RpcError("unavailable", "line\nbreak", { region: "eu" }));
  observer.endpointChanged?.(endpoint, "ejected", "5 failures in a row");
  const cycle: Record<string, unknown> = { n: 1n, map: new Map([["a", 1]]), event: "cannot be replaced" };
  observer.event?.("odd.values", cycle);
  observer.event?.("long", { text: "x".repeat(500) });
  cycle["itself"] = cycle;
  observer.event?.("cycle", cycle);
  const time = "1970-01-01T00:00:00.000Z";
  assert.deepEqual(lines.slice(0, 5).map((line) => JSON.parse(line) as unknown), [
    { time, event: "call", method: "geo.v1.Cities/m1", code: "ok", latencyMs: 150.123 },
    {
      time, event: "attempt", method: "geo.v1.Cities/m1", code: "unavailable", latencyMs: 5, message: "line\nbreak",
      region: "eu", endpoint: "eu/z a:1", attempt: 0,
    },
    { time, event: "endpoint", endpoint: "eu/z a:1", status: "ejected", why: "5 failures in a row" },
    { time, event: "odd.values", n: "1", map: [["a", 1]] },
    { time, event: "long", cut: 560 },
  ]);
  assert.equal(lines.length, 6);
  assert.match(lines[5] as string, /"event":"cycle".*"\[circular\]"/);
  assert.ok(lines.every((line) => !line.includes("\n")));
});
