// A deadline's error says where the call's time went.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, callContext, outcomeOf, scripted } from "../../test/client/scripted.ts";
import { Context, expected, type RpcError } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { roundRobin } from "../balance/index.ts";
import { Balancer } from "./balancer.ts";
import { tellSpent } from "./spent.ts";

function deadline(): RpcError {
  return expected("deadline_exceeded", "the deadline passed", { phase: "network" });
}

function contextAt(startedMs: number): Context {
  const simulation = createSimulation({ seed: 1 });
  const { method } = callContext(simulation.host("x").clock, 1);
  return new Context(method, startedMs, startedMs + 100);
}

test("a server that answered others meanwhile is told apart from the way", () => {
  const error = deadline();
  tellSpent(error, contextAt(1_000), { startedMs: 1_000, endedMs: 1_103 },
    { load: { pingMs: 4, leastRoundTripMs: 6 }, heardAtMs: 1_050, loopLagMs: 1 });
  assert.deepEqual(error.spent, { totalMs: 103, ms: { network: 4, server: 99 }, loopLagMs: 3 });
  assert.equal(error.message, "the deadline passed; 103.0 ms went into network 4.0 ms, server 99.0 ms; " +
    "the event loop was 3.0 ms late");
  tellSpent(error, contextAt(0), { startedMs: 0, endedMs: 9 },
    { load: { pingMs: 4, leastRoundTripMs: 6 }, heardAtMs: 0, loopLagMs: 1 });
  assert.equal(error.spent?.totalMs, 103, "who passes it on adds nothing");
});

test("of silence nobody says whether it is the way's", () => {
  const error = deadline();
  tellSpent(error, contextAt(1_000), { startedMs: 1_000, endedMs: 1_100 },
    { load: { pingMs: 4, leastRoundTripMs: 6 }, heardAtMs: 900, loopLagMs: 0 });
  assert.deepEqual(error.spent?.ms, { "network and server": 100 });
  assert.match(error.message, /from which nothing came meanwhile/);
});

test("waiting for discovery and connection, and earlier attempts, have their part", () => {
  const error = deadline();
  const context = contextAt(1_000);
  context.traced().phase("resolve", 1_000, 1_010);
  context.traced().phase("connect", 1_010, 1_030);
  tellSpent(error, context.with({ attempt: 1, startedMs: 1_060 }), { startedMs: 1_060, endedMs: 1_100 },
    { load: { pingMs: 0, leastRoundTripMs: Infinity }, heardAtMs: 1_080, loopLagMs: 0 });
  assert.deepEqual(error.spent, {
    totalMs: 100, ms: { "resolve": 10, "connect": 20, "earlier attempts": 30, "network and server": 40 }, loopLagMs: 0,
  });
});

test("a call that waits for a connection, and then for its server, tells both", async () => {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const script = scripted();
  const balancer = new Balancer(runtime, {
    name: "test.v1.Echo", picker: roundRobin(), connect: script.connect, observer: {},
    discovery: { watch: (_name, watcher) => (watcher.snapshot([addressOf("a:1")]), () => undefined) },
  });
  const outcome = outcomeOf(balancer.service("x", callContext(runtime.clock, 100)));
  await simulation.run(30);
  script.last.open();
  await simulation.run(31);
  const [call] = script.last.calls;
  await simulation.run(100);
  call?.fail(deadline());
  await simulation.run(101);
  assert.equal(outcome.error?.code, "deadline_exceeded");
  assert.equal(outcome.error?.spent?.ms["connect"], 30);
  assert.equal(outcome.error?.spent?.totalMs, 100);
  assert.match(outcome.error?.message ?? "", /100\.0 ms went into connect 30\.0 ms, network and server 70\.0 ms/);
});
