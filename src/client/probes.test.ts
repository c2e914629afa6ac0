import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { addressOf, callContext, outcomeOf, scripted } from "../../test/client/scripted.ts";
import { rpc, service } from "../contract/index.ts";
import { endpointAddress, type Probe, RpcError } from "../core/index.ts";
import { Head, http1Accept } from "../http/index.ts";
import { native } from "../protocol/native/index.ts";
import { createSimulation, type Simulation } from "../runtime/sim/index.ts";
import { createServerOn } from "../server/index.ts";
import { createClientOn } from "./create-client.ts";
import { ClientEndpoint } from "./endpoint.ts";
import { Prober, type ProbeOptions, probeOf } from "./probes.ts";
import { grpcHealthProbe, httpProbe, pingProbe, tcpProbe } from "./probes-kinds.ts";

const Work = service("test.v1.Work", {
  get: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
});

/** How a probe of `address` ends: "" for well. */
async function outcome(simulation: Simulation, probe: Probe, address = "server:1", timeoutMs = 500): Promise<string> {
  const asked = probe(endpointAddress({ address }), timeoutMs)
    .then(() => "", (error: unknown) => RpcError.from(error).message);
  return simulation.runUntil(asked, simulation.nowMs + 10_000);
}

async function withServer() {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 2 } });
  const server = createServerOn(simulation.host("server"));
  server.implement(Work, { get: () => ({}) });
  await simulation.runUntil(server.listen({ host: "server", port: 1 }), 1_000);
  return { simulation, server, runtime: simulation.host("client") };
}

function bareConnect() {
  const coders = (): never => { throw new Error("nothing is called"); };
  return native().connector({ coders, tls: undefined, compressions: [] });
}

test("a ping and a connection tell a server that is there from one that is not", async () => {
  const { simulation, runtime } = await withServer();
  for (const probe of [pingProbe(runtime, bareConnect()), tcpProbe(runtime)]) {
    assert.equal(await outcome(simulation, probe), "");
    assert.match(await outcome(simulation, probe, "server:2"), /^server:2 /);
  }
  assert.equal(await outcome(simulation, tcpProbe(runtime, { port: 1 }), "server:99"), "");
  simulation.crash("server", { isSilent: true });
  assert.match(await outcome(simulation, tcpProbe(runtime)), /^server:1 did not answer within 500 ms$/);
});

test("grpc.health.v1 is asked for a service, and believed", async () => {
  const { simulation, server, runtime } = await withServer();
  assert.equal(await outcome(simulation, grpcHealthProbe(runtime)), "");
  const probe = grpcHealthProbe(runtime, { service: "test.v1.Work" });
  assert.equal(await outcome(simulation, probe), "");
  server.health.set("test.v1.Work", "NOT_SERVING");
  assert.equal(await outcome(simulation, probe), "server:1 says of test.v1.Work: NOT_SERVING");
  assert.equal(await outcome(simulation, grpcHealthProbe(runtime)), "");
  assert.match(await outcome(simulation, grpcHealthProbe(runtime, { service: "no.such" })), /is not served here/);
});

test("an HTTP path is asked for, and its status judged", async () => {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 2 } });
  const host = simulation.host("server");
  const asked: string[] = [];
  const accept = http1Accept(host, {
    handle(request, exchange) {
      asked.push(`${request.method} ${request.path}`);
      if (request.path !== "/silent") exchange.head(new Head({}, request.path === "/healthz" ? 204 : 503), true);
      return { data: () => undefined, trailers: () => undefined, writable: () => undefined, failed: () => undefined };
    },
    ended: () => undefined,
  });
  await simulation.runUntil(host.network.listen("server:1", (stream) => accept(stream).sink), 1_000);
  const runtime = simulation.host("client");
  assert.equal(await outcome(simulation, httpProbe(runtime)), "");
  assert.equal(await outcome(simulation, httpProbe(runtime, { path: "/ready" })),
    "server:1 answered GET /ready with 503");
  assert.equal(await outcome(simulation, httpProbe(runtime, { path: "/ready", status: 503 })), "");
  assert.equal(await outcome(simulation, httpProbe(runtime, { status: [500, 599] })),
    "server:1 answered GET /healthz with 204");
  assert.match(await outcome(simulation, httpProbe(runtime, { path: "/silent" })), /did not answer within 500 ms/);
  assert.deepEqual(asked.slice(0, 2), ["GET /healthz", "GET /ready"]);
  assert.throws(() => httpProbe(runtime, { path: "no slash" }), /path is "no slash"/);
});

test("kinds are data; a function is a probe of one's own", async () => {
  const { simulation, runtime } = await withServer();
  const own = { connect: bareConnect() };
  for (const kind of ["ping", { kind: "tcp" }, { kind: "grpc.health.v1", service: "" }] as const) {
    assert.equal(await outcome(simulation, probeOf(runtime, kind, own)), "");
  }
  const mine: Probe = async () => undefined;
  assert.equal(probeOf(runtime, mine, own), mine);
});

/** Endpoints under a prober whose probe does as a test says. */
function setUp(endpoints: number, options: Partial<ProbeOptions> = {}) {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const { clock } = runtime;
  const script = scripted((connection) => void clock.after(0, () => connection.open()));
  const ill = new Set<string>();
  const asked: { id: string; atMs: number }[] = [];
  const load = { now: 0, most: 0 };
  const guard = { stalled: false, stalledRecently: () => guard.stalled };
  const owner = {
    observer: {}, statusChanged: () => undefined, suspected: () => undefined,
    loopGuard: { lagMs: () => 0, stalledRecently: () => false, close: () => undefined },
  };
  const prober = new Prober(runtime, {
    intervalMs: 1_000,
    probe: async ({ id }) => {
      asked.push({ id, atMs: clock.now() });
      load.most = Math.max(load.most, ++load.now);
      await new Promise<void>((resolve) => void clock.after(20, resolve));
      load.now--;
      if (ill.has(id)) throw new RpcError("unavailable", `${id} is ill`);
    },
    ...options,
  }, guard);
  const list = Array.from({ length: endpoints }, (_, i) => {
    const address = addressOf(`s${i}:1`);
    const endpoint = new ClientEndpoint(runtime, script.connect, address, owner, { idleHeartbeatMs: 1e9 });
    endpoint.connect();
    prober.watch(endpoint);
    return endpoint;
  });
  const wait = (ms: number): Promise<void> => simulation.run(simulation.nowMs + ms);
  return { clock, script, ill, asked, load, guard, prober, list, wait };
}

test("three failures in a row take out, two successes let back", async () => {
  const { ill, list, wait, prober } = setUp(1);
  await wait(3_000);
  assert.equal(list[0]?.status, "ready");
  ill.add("s0:1");
  for (let ms = 0; list[0]?.status === "ready"; ms += 100) {
    await wait(100);
    assert.ok(ms < 4_500, "never taken out");
  }
  assert.equal(list[0]?.status, "ejected");
  assert.deepEqual(list[0]?.evidence.map(({ kind, why }) => [kind, why]),
    [["probe", "3 probes in a row failed: s0:1 is ill"]]);
  ill.clear();
  await wait(900);
  assert.equal(list[0]?.status, "ejected");
  await wait(2_500);
  assert.equal(list[0]?.status, "ready");
  prober.close();
});

test("whoever has traffic is not asked, nor is who is not connected", async () => {
  const { asked, list, script, wait, clock, prober } = setUp(3);
  script.connections[2]?.lose();
  list[2]?.close();
  for (let ms = 0; ms < 5_000; ms += 100) {
    outcomeOf(list[0]?.call("x", callContext(clock)));
    for (const call of script.connections[0]?.calls.splice(0) ?? []) call.answer("y");
    await wait(100);
  }
  assert.deepEqual(new Set(asked.map(({ id }) => id)), new Set(["s1:1"]));
  prober.close();
  const before = asked.length;
  await wait(5_000);
  assert.equal(asked.length, before);
});

test("many are asked a few at once, and all over the interval", async () => {
  const { asked, load, wait, prober } = setUp(200, { maxAtOnce: 5 });
  await wait(1_200);
  const first = asked.map(({ atMs }) => atMs).filter((atMs) => atMs < 1_000);
  assert.ok(load.most <= 5, `${load.most} at once`);
  assert.ok(asked.length >= 200, `${asked.length} were asked`);
  for (let from = 0; from < 1_000; from += 250) {
    const then = first.filter((atMs) => atMs >= from && atMs < from + 250).length;
    assert.ok(then > 25 && then < 75, `${then} from ${from}`);
  }
  prober.close();
});

test("what fails while we stood still speaks against nobody", async () => {
  const { guard, ill, list, wait, prober } = setUp(1, { unhealthyAfter: 1 });
  guard.stalled = true;
  ill.add("s0:1");
  await wait(5_000);
  assert.equal(list[0]?.status, "ready");
  guard.stalled = false;
  await wait(1_500);
  assert.equal(list[0]?.status, "ejected");
  prober.close();
});

test("a client with probes leaves a server that says it does not serve, though nobody calls", async () => {
  const { simulation, server, runtime } = await withServer();
  const client = createClientOn(runtime, Work, {
    address: "server:1", probes: { probe: { kind: "grpc.health.v1", service: "test.v1.Work" }, intervalMs: 200 },
  });
  const { endpoints } = client.$;
  await simulation.run(simulation.nowMs + 1_000);
  assert.equal(endpoints()[0]?.status, "ready");
  server.health.set("test.v1.Work", "NOT_SERVING");
  await simulation.run(simulation.nowMs + 2_000);
  assert.equal(endpoints()[0]?.status, "ejected");
  assert.match(endpoints()[0]?.lastChange?.why ?? "", /says of test\.v1\.Work: NOT_SERVING/);
  client.$.close(0);
});
