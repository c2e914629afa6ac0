import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addressOf, callContext, Echo, outcomeOf, scripted, type ScriptedConnection, thrownBy,
} from "../../test/client/scripted.ts";
import { roundRobin } from "../balance/index.ts";
import { type Candidate, type Discovery, type EndpointAddress, expected, type Watcher } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { Balancer, type BalancerOptions } from "./balancer.ts";

/** Discovery by hand. */
function manual(first?: readonly EndpointAddress[]) {
  const watchers = new Set<Watcher>();
  const discovery: Discovery = {
    watch(_name, watcher) {
      watchers.add(watcher);
      if (first !== undefined) watcher.snapshot(first);
      return () => void watchers.delete(watcher);
    },
  };
  return {
    discovery, watchers,
    tell: (endpoints: readonly EndpointAddress[]) => { for (const one of watchers) one.snapshot(endpoints); },
    fail: (message: string) => { for (const one of watchers) one.failed?.(expected("unavailable", message)); },
  };
}

function setUp(
  first?: readonly EndpointAddress[], options: Partial<BalancerOptions> = {},
  begun: (connection: ScriptedConnection) => void = () => {},
) {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const script = scripted(begun);
  const source = manual(first);
  const balancer = new Balancer(runtime, {
    name: "test.v1.Echo", discovery: source.discovery, picker: roundRobin(), connect: script.connect, observer: {},
    ...options,
  });
  const to = (address: string) => script.connections.filter((one) => one.address === address);
  return { simulation, clock: runtime.clock, script, balancer, to, ...source };
}

const [a, b, c] = ["a:1", "b:1", "c:1"].map((address) => addressOf(address)) as
  [EndpointAddress, EndpointAddress, EndpointAddress];

test("a snapshot connects to all of a few servers, ahead of the first call", () => {
  const { script, balancer } = setUp([a, b]);
  assert.deepEqual(script.connections.map(({ address }) => address), ["a:1", "b:1"]);
  assert.deepEqual(balancer.endpoints.map(({ status }) => status), ["connecting", "connecting"]);
});

test("an endpoint that stays keeps its connection and its history; one that goes is closed with grace", async () => {
  const { simulation, clock, script, balancer, to, tell } = setUp([a, b], { removalGraceMs: 4_000 });
  for (const one of script.connections) one.open();
  const [first] = balancer.endpoints;
  outcomeOf(balancer.service("x", callContext(clock)));
  to("a:1")[0]?.calls[0]?.answer("y");
  await simulation.run(1);
  assert.equal(first?.load.ended, 1);
  // Equal by value is equal: a driver makes new objects each time.
  tell([addressOf("a:1"), c]);
  assert.equal(balancer.endpoints[0], first);
  assert.equal(first?.load.ended, 1);
  assert.equal(to("a:1").length, 1);
  assert.equal(to("b:1")[0]?.closedWithMs, 4_000);
  assert.equal(to("c:1").length, 1);
});

test("a new weight is taken over in place; a new address or region makes a new endpoint", () => {
  const { script, balancer, to, tell } = setUp([a]);
  script.last.open();
  tell([addressOf("a:1", { weight: 7 })]);
  assert.equal(balancer.endpoints[0]?.address.weight, 7);
  assert.equal(to("a:1").length, 1);
  tell([addressOf("a:1", { weight: 7, region: "us" })]);
  assert.equal(to("a:1").length, 2);
  assert.equal(to("a:1")[0]?.closedWithMs, 10_000);
  tell([addressOf("d:1", { id: "a:1", region: "us" })]);
  assert.equal(to("a:1")[1]?.closedWithMs, 10_000);
  assert.equal(to("d:1").length, 1);
});

test("pickers see the same array until membership or a status changes", () => {
  const seen: (readonly Candidate[])[] = [];
  const { clock, script, balancer, tell } = setUp([a, b], {
    picker: (candidates) => {
      seen.push(candidates);
      return candidates[0];
    },
  });
  for (const one of script.connections) one.open();
  const call = () => outcomeOf(balancer.service("x", callContext(clock)));
  call();
  call();
  tell([addressOf("a:1"), addressOf("b:1")]);
  call();
  assert.equal(new Set(seen).size, 1, "an unchanged snapshot is no change");
  script.connections[1]?.events.draining("bye");
  call();
  tell([a, c]);
  call();
  assert.equal(new Set(seen).size, 3);
  assert.deepEqual(seen.map((candidates) => candidates.map(({ address }) => address.id).join()),
    ["a:1,b:1", "a:1,b:1", "a:1,b:1", "a:1", "a:1"]);
});

test("without a ready endpoint those that may become ready are given, then all that are open", async () => {
  const { simulation, clock, script, balancer } = setUp([a, b]);
  const waiting = outcomeOf(balancer.service("x", callContext(clock)));
  script.last.open();
  script.connections[0]?.open();
  await simulation.run(1);
  script.connections.find(({ calls }) => calls.length > 0)?.calls[0]?.answer("y");
  await simulation.run(2);
  assert.deepEqual(waiting, { value: "y" });
  for (const one of script.connections) one.events.draining("both are going");
  script.connections[0]?.calls.splice(0);
  script.connections[1]?.calls.splice(0);
  outcomeOf(balancer.service("x", callContext(clock)));
  assert.equal(script.connections.flatMap(({ calls }) => calls).length, 1, "better than nobody");
});

test("an empty snapshot says who is missed; a picker that finds nobody fit says how they are", () => {
  const { clock, script, balancer, tell, fail } = setUp([], { picker: () => undefined });
  const nobody = thrownBy(() => balancer.service("x", callContext(clock)));
  assert.equal(nobody.code, "unavailable");
  assert.equal(nobody.message, 'nobody serves "test.v1.Echo": discovery knows no endpoint of that name');
  assert.equal(nobody.neverStarted, true);
  assert.equal(nobody.phase, "pick");
  fail("registry gone");
  assert.match(thrownBy(() => balancer.service("x", callContext(clock))).message, /of that name \(registry gone\)$/);
  tell([a, b, c]);
  script.connections[0]?.open();
  assert.equal(thrownBy(() => balancer.service("x", callContext(clock))).message,
    'none of the 3 endpoints of "test.v1.Echo" may take this call: 1 ready, 2 connecting');
});

test("a source that fails takes nothing away", async () => {
  const { simulation, clock, script, balancer, fail } = setUp([a]);
  script.last.open();
  fail("registry gone");
  const outcome = outcomeOf(balancer.service("x", callContext(clock)));
  script.last.calls[0]?.answer("y");
  await simulation.run(1);
  assert.deepEqual(outcome, { value: "y" });
});

test("before the first snapshot calls wait for it, unary ones and streams, under their deadlines", async () => {
  const { simulation, clock, script, balancer, tell, fail } = setUp();
  const unary = outcomeOf(balancer.service("x", callContext(clock, 1_000)));
  const stream = balancer.service("x", callContext(clock, 1_000, Echo.methods.repeat)) as AsyncGenerator;
  const item = outcomeOf(stream.next());
  const hasty = outcomeOf(balancer.service("x", callContext(clock, 50)));
  fail("cannot reach the registry");
  await simulation.run(100);
  assert.equal(hasty.error?.code, "deadline_exceeded");
  assert.equal(hasty.error?.message,
    "the deadline passed after 50 ms of waiting for discovery (cannot reach the registry); " +
    "50.0 ms went into resolve 50.0 ms; the event loop was 0.0 ms late");
  assert.equal(hasty.error?.phase, "resolve");
  tell([a]);
  await simulation.run(101);
  script.last.open();
  await simulation.run(102);
  for (const call of script.last.calls) call.answer("y");
  await simulation.run(103);
  assert.deepEqual(unary, { value: "y" });
  assert.deepEqual(item.value, { done: false, value: "y" });
});

test("of more endpoints than eagerConnections, those that are picked are connected to", async () => {
  const many = Array.from({ length: 65 }, (_, i) => addressOf(`s${i}:1`));
  const { simulation, clock, script, balancer } = setUp(many, {}, (connection) => {
    clock.after(1, () => connection.open());
  });
  assert.equal(script.connections.length, 0);
  const outcomes = [1, 2, 3].map(() => outcomeOf(balancer.service("x", callContext(clock))));
  await simulation.run(5);
  assert.equal(script.connections.length, 3);
  for (const one of script.connections) for (const call of one.calls) call.answer("y");
  await simulation.run(6);
  assert.deepEqual(outcomes, [{ value: "y" }, { value: "y" }, { value: "y" }]);
  outcomeOf(balancer.service("x", callContext(clock)));
  assert.equal(script.connections.length, 4, "those not connected yet are still picked beside the ready ones");
});

test("64 endpoints are few enough; the option says otherwise", () => {
  const many = Array.from({ length: 64 }, (_, i) => addressOf(`s${i}:1`));
  assert.equal(setUp(many).script.connections.length, 64);
  assert.equal(setUp(many, { eagerConnections: 63 }).script.connections.length, 0);
});

test("neighbours in silence are suspected together, others are not", async () => {
  const us = addressOf("d:1", { region: "us" });
  const { simulation, clock, script, balancer } = setUp([a, b, us], { idleHeartbeatMs: 100 });
  for (const one of script.connections) one.open();
  for (let i = 0; i < 3; i++) outcomeOf(balancer.service("x", callContext(clock)));
  // All fall silent: a at once, its neighbour a little later, and then the one in the other region.
  for (let ms = 10; balancer.endpoints[0]?.status === "ready"; ms += 10) {
    await simulation.run(ms);
    if (ms <= 60) script.connections[1]?.pong(1);
    if (ms <= 80) script.connections[2]?.pong(1);
    assert.ok(ms < 500, "nobody was suspected");
  }
  assert.deepEqual(balancer.endpoints.map((one) => one.quietMs(clock.now())), [300, 240, 220]);
  assert.deepEqual(balancer.endpoints.map(({ status }) => status), ["suspect", "suspect", "ready"]);
  for (const one of script.connections.slice(0, 2)) assert.notEqual(one.repeatableFailedWith, undefined);
  assert.equal(script.connections[2]?.repeatableFailedWith, undefined);
});

test("closing closes all endpoints, stops the watch and refuses, without a retry", async () => {
  const { simulation, clock, script, balancer, watchers } = setUp([a]);
  script.last.open();
  const early = setUp();
  const waiting = outcomeOf(early.balancer.service("x", callContext(early.clock)));
  early.balancer.close(0);
  await early.simulation.run(1);
  assert.equal(waiting.error?.message, "the client is closed: make another to call again");
  const [watcher] = watchers;
  balancer.close(3_000);
  assert.equal(script.last.closedWithMs, 3_000);
  assert.equal(watchers.size, 0);
  // A source may be in the middle of telling when it is stopped.
  watcher?.snapshot([a, b]);
  await simulation.run(10);
  assert.equal(script.connections.length, 1);
  const error = thrownBy(() => balancer.service("x", callContext(clock)));
  assert.equal(error.message, "the client is closed: make another to call again");
  assert.equal(error.retryable, false);
});
