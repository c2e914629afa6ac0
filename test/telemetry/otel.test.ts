// Traces and metrics as OpenTelemetry's own SDK sees them: names by the conventions, one trace over every hop.
import assert from "node:assert/strict";
import { test } from "node:test";
import { context as active, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  AlwaysOffSampler, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider,
} from "@opentelemetry/sdk-trace";
import { z } from "zod";
import { createClient, createGateway, createServer, RpcError, rpc, service } from "../../src/index.ts";
import type { Metadata } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { createDecisions } from "../../src/admin/decisions.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { openTelemetry, type OpenTelemetryOptions } from "../../src/telemetry/otel/index.ts";
import { allWires } from "../gateway/all-wires.ts";

const Note = z.object({ text: z.string() });
const Notes = service("telemetry.v1.Notes", {
  read: rpc({ input: Note, output: Note, idempotent: true }),
  write: rpc({ input: Note, output: Note }),
  list: rpc({ input: Note, output: Note, kind: "server_stream" }),
});

function sdk(options: OpenTelemetryOptions = {}, sampler?: AlwaysOffSampler) {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })], ...(sampler === undefined ? undefined : { sampler }),
  });
  const telemetry = openTelemetry(nodeRuntime, { tracer: provider.getTracer("test"), meter: false, ...options });
  const spans = async (count: number): Promise<ReadableSpan[]> => {
    for (let i = 0; i < 300 && exporter.getFinishedSpans().length < count; i++) await pause(10);
    await pause(20);
    assert.equal(exporter.getFinishedSpans().length, count, exporter.getFinishedSpans().map(({ name }) => name).join());
    return exporter.getFinishedSpans();
  };
  return { exporter, provider, telemetry, spans };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

const one = (spans: readonly ReadableSpan[], kind: SpanKind): ReadableSpan => {
  const found = spans.filter((span) => span.kind === kind);
  assert.equal(found.length, 1);
  return found[0] as ReadableSpan;
};

interface Seen {
  metadata: Metadata;
}

async function serve(telemetry: { server: <O extends object>(options: O) => O }, fails?: () => void) {
  const seen: Seen[] = [];
  const server = createServer(telemetry.server({ metrics: false }));
  server.implement(Notes, {
    read: ({ text }, { metadata }) => {
      fails?.();
      seen.push({ metadata });
      return { text };
    },
    write: ({ text }) => {
      throw new RpcError("not_found", `no note "${text}", Bearer abcdefghijklmn`);
    },
    list: async function* ({ text }) {
      yield { text };
      yield { text: `${text}${text}` };
    },
  });
  return { server, seen, address: await server.listen() };
}

const nothing = { server: <O>(options: O): O => options };

test("a call is one span at its client and one at its server, by the names of the conventions", async () => {
  const { telemetry, spans, exporter } = sdk();
  const { server, address } = await serve(telemetry);
  await using _server = server;
  using client = createClient(Notes, telemetry.client({ address, metrics: false }));
  assert.deepEqual(await client.read({ text: "a" }), { text: "a" });
  const both = await spans(2);
  const [near, far] = [one(both, SpanKind.CLIENT), one(both, SpanKind.SERVER)];
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  const shared = { "rpc.system.name": "meridian", "rpc.method": "telemetry.v1.Notes/read",
    "rpc.response.status_code": "OK" };
  assert.equal(near.name, "telemetry.v1.Notes/read");
  assert.equal(far.name, "telemetry.v1.Notes/read");
  assert.deepEqual(near.attributes, { ...shared, "server.address": "127.0.0.1", "server.port": port,
    "meridian.endpoint": near.attributes["meridian.endpoint"], "meridian.region": "" });
  assert.deepEqual(far.attributes, { ...shared, "network.peer.address": "127.0.0.1" });
  assert.equal(far.spanContext().traceId, near.spanContext().traceId);
  assert.equal(far.parentSpanContext?.spanId, near.spanContext().spanId);
  assert.deepEqual(near.events.map(({ name, attributes }) => [name, attributes?.["meridian.attempt.kind"]]),
    [["meridian.attempt", "first"]]);

  exporter.reset();
  await assert.rejects(client.write({ text: "b" }));
  const failed = await spans(2);
  for (const span of failed) {
    assert.equal(span.attributes["rpc.response.status_code"], "NOT_FOUND");
    assert.equal(span.attributes["error.type"], "NOT_FOUND");
  }
  // A caller's own mistake is none of the server's.
  assert.equal(one(failed, SpanKind.SERVER).status.code, SpanStatusCode.UNSET);
  const { status } = one(failed, SpanKind.CLIENT);
  assert.equal(status.code, SpanStatusCode.ERROR);
  assert.doesNotMatch(status.message ?? "", /abcdefghijklmn/);

  exporter.reset();
  const items: string[] = [];
  for await (const { text } of client.list({ text: "c" })) items.push(text);
  assert.deepEqual(items, ["c", "cc"]);
  const streamed = await spans(2);
  assert.equal(one(streamed, SpanKind.SERVER).parentSpanContext?.spanId,
    one(streamed, SpanKind.CLIENT).spanContext().spanId);
});

test("a repeat is a span of its own, linked to the attempt before it; the server's span hangs on it", async () => {
  const { telemetry, spans } = sdk();
  let failures = 1;
  const fails = (): void => {
    if (failures-- > 0) throw new RpcError("unavailable", "not now", { retryable: true });
  };
  const [a, b] = [await serve(telemetry, fails), await serve(telemetry, fails)];
  const decisions = createDecisions(nodeRuntime);
  using client = createClient(Notes, telemetry.client({
    address: [a.address, b.address], hedge: false, metrics: false, observer: decisions.observer,
  }));
  await client.read({ text: "x" });
  const all = await spans(4);
  const call = all.find(({ kind, parentSpanContext }) => kind === SpanKind.CLIENT && parentSpanContext === undefined);
  const repeat = all.find(({ kind, parentSpanContext }) => kind === SpanKind.CLIENT && parentSpanContext !== undefined);
  assert.ok(call !== undefined && repeat !== undefined);
  assert.equal(repeat.parentSpanContext?.spanId, call.spanContext().spanId);
  assert.equal(repeat.attributes["meridian.attempt.kind"], "retry");
  assert.match(String(repeat.attributes["meridian.why"]), /^after UNAVAILABLE of /);
  assert.deepEqual(repeat.links.map(({ context }) => context.spanId), [call.spanContext().spanId]);
  const parents = all.filter(({ kind }) => kind === SpanKind.SERVER).map(({ parentSpanContext }) =>
    parentSpanContext?.spanId);
  assert.deepEqual(new Set(parents), new Set([call.spanContext().spanId, repeat.spanContext().spanId]));
  assert.equal(parents.length, 2);
  assert.notEqual(call.events[0]?.attributes?.["meridian.endpoint"], repeat.attributes["meridian.endpoint"]);
  assert.equal(call.attributes["meridian.endpoint"], repeat.attributes["meridian.endpoint"]);
  // The record of why the call went where it went is found by its trace.
  assert.equal(decisions.find(call.spanContext().traceId)?.method, "read");
  await Promise.all([a.server.close(), b.server.close()]);
});

test("a hedge is a span of its own", async () => {
  const { telemetry, exporter } = sdk();
  let late = 0;
  const servers = await Promise.all([0, 1].map(async () => {
    const server = createServer(telemetry.server({ metrics: false }));
    server.implement(Notes, {
      read: async (note) => {
        if (late-- === 1) await pause(400);
        return note;
      },
      write: (note) => note, list: async function* () {},
    });
    return { server, address: await server.listen() };
  }));
  using client = createClient(Notes, telemetry.client({
    address: servers.map(({ address }) => address), metrics: false, hedge: { delayMs: 20, ratio: 1 },
  }));
  // Hedges are paid for by calls.
  for (let i = 0; i < 50; i++) await client.read({ text: "x" });
  await pause(100);
  // On a busy machine some were late by themselves.
  exporter.reset();
  late = 1;
  await client.read({ text: "x" });
  await pause(500);
  const all = exporter.getFinishedSpans();
  const hedge = all.find(({ attributes }) => attributes["meridian.attempt.kind"] === "hedge");
  assert.ok(hedge !== undefined);
  assert.equal(hedge.links.length, 1);
  await Promise.all(servers.map(({ server }) => server.close()));
});

const sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const unsampled = sampled.replace(/01$/, "00");
const context = { tracestate: "vendor=1,other=2", baggage: "tenant=a%20b,deep=1" };

for (const wire of allWires) {
  const carries = !wire.without.includes("metadata");
  test(`W3C context survives ${wire.name}, and a gateway that knows no tracer${carries ? "" : ": it cannot"}`,
    { timeout: 30_000 }, async () => {
      const { telemetry, spans, exporter } = sdk();
      const discovery = memoryDiscovery();
      const seen: Metadata[] = [];
      const handlers = {
        read: (note: { text: string }, { metadata }: { metadata: Metadata }) => {
          seen.push(metadata);
          return note;
        },
        write: (note: { text: string }) => note, list: async function* () {},
      };
      const plain = createServer({ metrics: false, registry: discovery, region: "eu" }).implement(Notes, handlers);
      const traced = createServer(telemetry.server({ metrics: false })).implement(Notes, handlers);
      const gateway = createGateway({
        region: "eu", discovery, contracts: [Notes], client: { protocol: wire.protocol },
      });
      const addresses = [await plain.listen(), await gateway.listen(), await traced.listen()];
      for (const address of addresses.slice(0, 2)) {
        using client = createClient(Notes, { address, protocol: wire.protocol, metrics: false });
        for (const traceparent of carries ? [sampled, unsampled] : []) {
          await client.read({ text: "x" }, { metadata: { traceparent, ...context } });
          const { traceparent: came, tracestate, baggage } = seen.at(-1) ?? {};
          assert.deepEqual({ traceparent: came, tracestate, baggage }, { traceparent, ...context });
        }
      }
      // And with tracers at both ends it is one trace.
      using client = createClient(Notes,
        telemetry.client({ address: addresses[2] as string, protocol: wire.protocol, metrics: false }));
      await client.read({ text: "y" }, carries ? { metadata: context } : {});
      const both = await spans(2);
      const [near, far] = [one(both, SpanKind.CLIENT), one(both, SpanKind.SERVER)];
      assert.equal(far.spanContext().traceId === near.spanContext().traceId, carries);
      assert.equal(seen.at(-1)?.["baggage"], carries ? context.baggage : undefined);
      if (carries) {
        exporter.reset();
        await client.read({ text: "z" }, { metadata: { traceparent: unsampled } });
        assert.equal(seen.at(-1)?.["traceparent"], unsampled);
        await spans(0);
      }
      await Promise.all([plain.close(), gateway.close(), traced.close()]);
    });
}

test("a gateway with a tracer has a span between its caller's and the server's", async () => {
  const { telemetry, spans } = sdk();
  const discovery = memoryDiscovery();
  const server = createServer(telemetry.server({ metrics: false, registry: discovery, region: "eu" }));
  server.implement(Notes, { read: (note) => note, write: (note) => note, list: async function* () {} });
  await server.listen();
  const gateway = createGateway(telemetry.gateway({ region: "eu", discovery }));
  const address = await gateway.listen();
  using client = createClient(Notes, telemetry.client({ address, metrics: false }));
  await client.read({ text: "x" });
  const all = await spans(4);
  assert.equal(new Set(all.map((span) => span.spanContext().traceId)).size, 1);
  const chain: string[] = [];
  for (let parent: string | undefined; ;) {
    const next = all.find(({ parentSpanContext }) => parentSpanContext?.spanId === parent);
    if (next === undefined) break;
    chain.push(SpanKind[next.kind]);
    parent = next.spanContext().spanId;
  }
  assert.deepEqual(chain, ["CLIENT", "SERVER", "CLIENT", "SERVER"]);
  await Promise.all([gateway.close(), server.close()]);
});

test("what a ratio, a caller or a sampler does not take makes no span anywhere, and is marked for all further on",
  async () => {
    for (const { telemetry, spans } of [sdk({ ratio: 0, marks: true }), sdk({}, new AlwaysOffSampler())]) {
      const { server, seen, address } = await serve(telemetry);
      using client = createClient(Notes, telemetry.client({ address, metrics: false }));
      await client.read({ text: "x" });
      assert.match(seen[0]?.metadata["traceparent"] ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      await client.read({ text: "x" }, { metadata: { traceparent: "nonsense" } });
      assert.match(seen[1]?.metadata["traceparent"] ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      await spans(0);
      await server.close();
    }
  });

test("what a ratio leaves out costs no metadata, unless it shall be marked", async () => {
  const { telemetry, spans } = sdk({ ratio: 0 });
  const { server, seen, address } = await serve(telemetry);
  await using _server = server;
  using client = createClient(Notes, telemetry.client({ address, metrics: false }));
  await client.read({ text: "x" });
  assert.equal(seen[0]?.metadata["traceparent"], undefined);
  await client.read({ text: "x" }, { metadata: { traceparent: unsampled } });
  assert.equal(seen[1]?.metadata["traceparent"], unsampled);
  await spans(0);
});

test("a call that is made for another belongs to its trace, with or without tracers on the way", async () => {
  const { telemetry, spans, exporter } = sdk();
  for (const [middle, count] of [[nothing, 2], [telemetry, 4]] as const) {
    exporter.reset();
    // The traced server at the end is told by whoever stands between.
    const back = await serve(telemetry);
    const onward = createClient(Notes, middle === nothing ? { address: back.address, metrics: false }
      : telemetry.client({ address: back.address, metrics: false }));
    const options = middle === nothing ? { metrics: false } : telemetry.server({ metrics: false });
    const front = createServer(options).implement(Notes, {
      read: (note, context) => onward.read(note, { context }), write: (note) => note, list: async function* () {},
    });
    using client = createClient(Notes, telemetry.client({ address: await front.listen(), metrics: false }));
    await client.read({ text: "x" });
    const all = await spans(count);
    assert.equal(new Set(all.map((span) => span.spanContext().traceId)).size, 1);
    onward.$.close();
    await Promise.all([front.close(), back.server.close()]);
  }
});

test("handlers run under their span, and calls begin under the active one, with its baggage", async () => {
  const { telemetry, spans, provider } = sdk();
  // Named as text: they are OpenTelemetry's words, not ours.
  const Stacked = (await import("@opentelemetry/sdk-trace"))["StackContextManager"];
  active["setGlobalContextManager"](new Stacked().enable());
  try {
    let inHandler: string | undefined;
    const server = createServer(telemetry.server({ metrics: false })).implement(Notes, {
      read: ({ text }) => {
        inHandler = trace.getActiveSpan()?.spanContext().spanId;
        return { text: propagation.getActiveBaggage()?.getEntry("tenant")?.value ?? text };
      },
      write: (note) => note, list: async function* () {},
    });
    using client = createClient(Notes, telemetry.client({ address: await server.listen(), metrics: false }));
    const outer = provider.getTracer("app").startSpan("outer");
    const around = propagation.setBaggage(trace.setSpan(active.active(), outer),
      propagation.createBaggage({ tenant: { value: "a b" } }));
    const reply = await active.with(around, () => client.read({ text: "?" }));
    outer.end();
    assert.equal(reply.text, "a b");
    const all = await spans(3);
    assert.equal(one(all, SpanKind.CLIENT).parentSpanContext?.spanId, outer.spanContext().spanId);
    assert.equal(one(all, SpanKind.SERVER).spanContext().spanId, inHandler);
    await server.close();
  } finally {
    active.disable();
  }
});

test("metrics have the conventions' names, units and attributes", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meter = new MeterProvider({ readers: [reader] }).getMeter("test");
  const telemetry = openTelemetry(nodeRuntime, { tracer: false, meter });
  let failures = 1;
  const fails = (): void => {
    if (failures-- > 0) throw new RpcError("unavailable", "not now", { retryable: true });
  };
  const [a, b] = [await serve(telemetry, fails), await serve(telemetry, fails)];
  {
    using client = createClient(Notes,
      telemetry.client({ address: [a.address, b.address], metrics: false, hedge: false }));
    await client.read({ text: "x" });
    await assert.rejects(client.write({ text: "y" }));
    telemetry.observer.endpointChanged?.(client.$.endpoints()[0]?.address as never, "ejected", "too slow");
    telemetry.observer.event?.("overload.limit", { from: 10, to: 12 });
    telemetry.observer.event?.("region.share", { region: "eu", share: 0.5 });
    telemetry.observer.event?.("retry.budget.empty", { method: "telemetry.v1.Notes/read", key: "eu" });
  }
  await reader.forceFlush();
  const found = new Map(exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap(({ metrics }) => metrics).map((metric) => [metric.descriptor.name, metric]));
  assert.deepEqual([...found.keys()].sort(), [
    "meridian.admission.limit", "meridian.attempts", "meridian.ejections", "meridian.endpoint.changes",
    "meridian.events", "meridian.failovers", "meridian.picks", "meridian.region.share", "meridian.retries",
    "meridian.retry.budget.exhausted", "rpc.client.call.duration", "rpc.server.call.duration",
  ]);
  const client = found.get("rpc.client.call.duration");
  assert.equal(client?.descriptor.unit, "s");
  assert.deepEqual(client?.dataPoints.map(({ attributes }) => attributes), [
    { "rpc.system.name": "meridian", "rpc.method": "telemetry.v1.Notes/read", "rpc.response.status_code": "OK" },
    { "rpc.system.name": "meridian", "rpc.method": "telemetry.v1.Notes/write",
      "rpc.response.status_code": "NOT_FOUND", "error.type": "NOT_FOUND" },
  ]);
  const sum = (name: string): number =>
    (found.get(name)?.dataPoints ?? []).reduce((all, { value }) => all + Number(value), 0);
  assert.equal(sum("meridian.attempts"), 3);
  assert.equal(sum("meridian.picks"), 3);
  assert.equal(sum("meridian.retries"), 1);
  assert.equal(sum("meridian.admission.limit"), 12);
  await Promise.all([a.server.close(), b.server.close()]);
});

test("impossible options are refused by name", () => {
  assert.throws(() => openTelemetry(nodeRuntime, { ratio: 2 }), /ratio/);
  assert.throws(() => openTelemetry(nodeRuntime, { tracer: false, meter: false }), /meter/);
});
