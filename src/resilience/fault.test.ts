// Faults strike whom they name, as often as they say, for as long, and are accounted for as real ones.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, callContext, outcomeOf, scripted } from "../../test/client/scripted.ts";
import { roundRobin } from "../balance/index.ts";
import { Balancer } from "../client/balancer.ts";
import { RpcError } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { type Faults, faults } from "./fault.ts";

function setUp() {
  const simulation = createSimulation({ seed: 7 });
  const runtime = simulation.host("client");
  const events: string[] = [];
  const board: Faults = faults(runtime, { observer: { event: (name) => void events.push(name) } });
  const script = scripted((connection) => void runtime.clock.after(1, () => connection.open()));
  const balancer = new Balancer(runtime, {
    name: "test.v1.Echo", picker: roundRobin(), connect: board.over(script.connect), observer: {},
    discovery: {
      watch: (_name, watcher) => {
        watcher.snapshot([addressOf("a:1", { region: "eu" }), addressOf("b:1", { region: "us" })]);
        return () => undefined;
      },
    },
  });
  const call = async (timeoutMs = 1_000) => {
    const outcome = outcomeOf(balancer.service("x", callContext(runtime.clock, timeoutMs)));
    await simulation.run(simulation.nowMs + 1);
    return outcome;
  };
  return { simulation, runtime, board, script, balancer, call, events };
}

test("a fault of one region fails its calls alone, and its endpoint is held responsible", async () => {
  const { simulation, board, script, balancer, call } = setUp();
  await simulation.run(10);
  board.add({ region: "eu", percent: 100, code: "unavailable", forMs: 1_000, by: "ann" });
  const outcomes = [await call(), await call()];
  const failed = outcomes.find(({ error }) => error !== undefined);
  assert.equal(failed?.error?.code, "unavailable");
  assert.match(failed?.error?.message ?? "", /a fault was injected here to rehearse it \(fault [0-9a-f]{12}, by ann\)/);
  assert.equal(failed?.error?.region, "eu");
  const [eu, us] = ["eu", "us"].map((region) => balancer.endpoints.find(({ address }) => address.region === region));
  assert.deepEqual([eu?.load.failed, eu?.load.inFlight, us?.load.failed, us?.load.inFlight], [1, 0, 0, 1]);
  assert.equal(script.connections.reduce((sum, { calls }) => sum + calls.length, 0), 1);
});

test("a delay holds attempts back, no longer than their deadline, and is a phase of their time", async () => {
  const { simulation, board, script, call } = setUp();
  await simulation.run(10);
  board.add({ service: "test.v1.*", percent: 100, delayMs: 50, forMs: 1_000 });
  const patient = await call(1_000);
  const hasty = await call(20);
  await simulation.run(simulation.nowMs + 100);
  assert.equal(hasty.error?.code, "deadline_exceeded");
  const calls = script.connections.flatMap(({ calls: given }) => given);
  assert.equal(calls.length, 1);
  assert.equal(calls[0]?.context.trace?.spentMs("fault"), 50);
  calls[0]?.answer("y");
  await simulation.run(simulation.nowMs + 1);
  assert.deepEqual(patient, { value: "y" });
});

test("a call that is cancelled while it is delayed is not sent", async () => {
  const { simulation, runtime, board, script, balancer } = setUp();
  await simulation.run(10);
  board.add({ percent: 100, delayMs: 500, forMs: 1_000 });
  const context = callContext(runtime.clock, 1_000);
  const outcome = outcomeOf(balancer.service("x", context));
  await simulation.run(simulation.nowMs + 10);
  context.cancel();
  await simulation.run(simulation.nowMs + 1_000);
  assert.equal(outcome.error?.code, "cancelled");
  assert.equal(script.connections.flatMap(({ calls }) => calls).length, 0);
  assert.equal(balancer.endpoints.reduce((sum, { load }) => sum + load.inFlight, 0), 0);
});

test("a share of the calls is met, and none when its time is over or it is cleared", async () => {
  const { simulation, board, script, call, events } = setUp();
  await simulation.run(10);
  const half = board.add({ method: "s*", percent: 50, code: "internal", forMs: 2_000 });
  let failed = 0;
  for (let i = 0; i < 200; i++) if ((await call()).error !== undefined) failed++;
  assert.ok(failed > 70 && failed < 130, `${failed} of 200`);
  assert.equal(board.list()[0]?.struck, failed);
  await simulation.run(simulation.nowMs + 2_000);
  assert.deepEqual(board.list(), []);
  assert.equal((await call()).error, undefined);
  board.add({ percent: 100, code: "internal", forMs: 60_000 });
  assert.equal(board.clear("another").length, 0);
  assert.equal(board.clear().length, 1);
  assert.equal((await call()).error, undefined);
  assert.equal(half.code, "internal");
  assert.ok(script.connections.length > 0);
  assert.deepEqual(events, ["fault.injected", "fault.ended", "fault.injected", "fault.ended"]);
});

test("a server's layer strikes its own region's calls", async () => {
  const { simulation, runtime, board } = setUp();
  const service = board.layer("eu")(() => "served");
  assert.equal(service("x", callContext(runtime.clock, 100)), "served");
  board.add({ region: "eu", percent: 100, delayMs: 5, forMs: 100 });
  const outcome = outcomeOf(service("x", callContext(runtime.clock, 100)));
  assert.deepEqual(outcome, {});
  await simulation.run(simulation.nowMs + 6);
  assert.deepEqual(outcome, { value: "served" });
  const other = board.layer("us")(() => "served");
  assert.equal(other("x", callContext(runtime.clock, 100)), "served");
});

test("what cannot be is refused by the setting's name", () => {
  const { board } = setUp();
  const wrong: [Parameters<Faults["add"]>[0], RegExp][] = [
    [{ percent: 0, code: "internal", forMs: 1 }, /percent is 0/],
    [{ percent: 101, code: "internal", forMs: 1 }, /percent is 101/],
    [{ percent: 1, forMs: 1 }, /delayMs is 0: say a delay, a code, or both/],
    [{ percent: 1, delayMs: 60_001, forMs: 1 }, /delayMs is 60001/],
    [{ percent: 1, code: "ok" as "internal", forMs: 1 }, /code is "ok"/],
    [{ percent: 1, code: "internal", forMs: 3_600_001 }, /forMs is 3600001/],
  ];
  for (const [settings, message] of wrong) assert.throws(() => board.add(settings), message);
  for (let i = 0; i < 100; i++) board.add({ percent: 1, code: "internal", forMs: 1_000 });
  assert.throws(() => board.add({ percent: 1, code: "internal", forMs: 1_000 }), (error) =>
    RpcError.is(error) && error.code === "resource_exhausted");
});
