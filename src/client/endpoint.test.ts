import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addressOf, callContext, Echo, outcomeOf, scripted, type ScriptedConnection, thrownBy,
} from "../../test/client/scripted.ts";
import { type EndpointStatus, expected, type Observer, RpcError } from "../core/index.ts";
import { phiAccrual } from "../health/index.ts";
import { createSimulation, type Simulation } from "../runtime/sim/index.ts";
import { ClientEndpoint, type EndpointOptions, type EndpointOwner } from "./endpoint.ts";
import { speaksAgainstEndpoint } from "./failures.ts";

function setUp(options: EndpointOptions = {}, begun?: (connection: ScriptedConnection) => void) {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const script = scripted(begun);
  const changes: [EndpointStatus, string][] = [];
  const attempts: (RpcError | undefined)[] = [];
  const observer: Observer = {
    endpointChanged: (_endpoint, status, why) => void changes.push([status, why]),
    attemptEnded: (_context, _endpoint, _latencyMs, error) => void attempts.push(error),
  };
  let statusChanges = 0;
  const owner: EndpointOwner = {
    observer,
    statusChanged: () => { statusChanges++; },
    loopGuard: { lagMs: () => 0, stalledRecently: () => false, close: () => {} },
    suspected(one, error) {
      one.suspect(error.message);
      one.failRepeatable(error);
    },
  };
  const endpoint = new ClientEndpoint(runtime, script.connect, addressOf("server:1", { zone: "a" }), owner, options);
  return {
    simulation, clock: runtime.clock, script, endpoint, changes, attempts,
    statuses: () => changes.map(([status]) => status), statusChanges: () => statusChanges,
  };
}

/** Steps on by a millisecond, so that what promises lead to is done. */
function turn(simulation: Simulation): Promise<void> {
  return simulation.run(simulation.nowMs + 1);
}

test("the first call connects, waits for the connection and goes out on it", async () => {
  const { simulation, clock, script, endpoint, statuses } = setUp();
  assert.equal(endpoint.status, "idle");
  const outcome = outcomeOf(endpoint.call("hello", callContext(clock, 1_000)));
  assert.equal(endpoint.status, "connecting");
  await simulation.run(30);
  script.last.open();
  await turn(simulation);
  const [call] = script.last.calls;
  assert.equal(call?.request, "hello");
  assert.equal(call?.context.startedMs, 30, "waiting for the connection is not the attempt's time");
  assert.equal(endpoint.load.inFlight, 1);
  call?.answer("hi");
  await turn(simulation);
  assert.deepEqual(outcome, { value: "hi" });
  assert.equal(endpoint.load.inFlight, 0);
  assert.equal(script.connections.length, 1);
  assert.deepEqual(statuses(), ["connecting", "ready"]);
});

test("a stream waits for the connection too", async () => {
  const { simulation, clock, script, endpoint } = setUp();
  const stream = endpoint.call("hello", callContext(clock, 1_000, Echo.methods.repeat)) as AsyncGenerator;
  const first = outcomeOf(stream.next());
  script.last.open();
  await turn(simulation);
  assert.equal(script.last.calls[0]?.request, "hello");
  script.last.calls[0]?.answer("hi");
  await turn(simulation);
  assert.deepEqual(first.value, { done: false, value: "hi" });
});

test("pauses before connecting again grow by 1.6 from 50 ms to 3 s, each spread over 80 to 120 %", async () => {
  const beginnings: number[] = [];
  const { simulation, clock, script, endpoint } = setUp({}, (connection) => {
    beginnings.push(clock.now());
    clock.after(0, () => connection.lose("refused"));
  });
  endpoint.connect();
  await simulation.run(40_000);
  const pauses = beginnings.slice(1).map((atMs, i) => atMs - (beginnings[i] as number));
  assert.ok(pauses.length > 15, `${pauses.length} attempts`);
  for (const [i, pauseMs] of pauses.entries()) {
    const meanMs = Math.min(3_000, 50 * 1.6 ** i);
    assert.ok(pauseMs >= meanMs * 0.8 && pauseMs <= meanMs * 1.2 + 2, `pause ${i} is ${pauseMs}, about ${meanMs}`);
  }
  assert.ok(new Set(pauses.slice(10)).size > 3, "the longest pauses are not all alike");
  assert.equal(script.connections.length, beginnings.length);
  assert.equal(endpoint.status, "connecting");
});

test("a connection that was open starts the pauses again", async () => {
  let reachable = false;
  const { simulation, clock, script, endpoint } = setUp({}, (connection) => {
    clock.after(0, () => (reachable ? connection.open() : connection.lose("refused")));
  });
  endpoint.connect();
  await simulation.run(10_000);
  reachable = true;
  await simulation.run(14_000);
  assert.equal(endpoint.status, "ready");
  const before = script.connections.length;
  script.last.lose();
  await simulation.run(14_065);
  assert.equal(script.connections.length, before + 1);
  assert.equal(endpoint.status, "ready");
});

test("between two tries a call fails at once, by the reason of the last, and may be made elsewhere", async () => {
  const { simulation, clock, script, endpoint } = setUp();
  const waiting = outcomeOf(endpoint.call("hello", callContext(clock)));
  script.last.lose("ECONNREFUSED");
  await turn(simulation);
  for (const error of [waiting.error, thrownBy(() => endpoint.call("again", callContext(clock)))]) {
    assert.equal(error?.code, "unavailable");
    assert.equal(error?.message, "cannot connect: ECONNREFUSED");
    assert.equal(error?.neverStarted, true);
    assert.equal(error?.endpoint, "eu/a server:1");
    assert.equal(error?.region, "eu");
    assert.equal(error?.candidate, endpoint);
  }
});

test("a connection that does not open in time is given up", async () => {
  const { simulation, script, endpoint } = setUp({ connectTimeoutMs: 700 });
  endpoint.connect();
  await simulation.run(699);
  assert.equal(script.last.abortedWith, undefined);
  await simulation.run(701);
  assert.equal(script.connections[0]?.abortedWith?.message, "no connection within 700 ms");
});

test("after a long silence the server is asked for a sign of life before a call goes out", async () => {
  const { simulation, clock, script, endpoint } = setUp({ idleCheckMs: 10_000, idleHeartbeatMs: 60_000 });
  endpoint.connect();
  script.last.open();
  await simulation.run(9_000);
  const early = outcomeOf(endpoint.call("in time", callContext(clock)));
  script.last.calls[0]?.answer("ok");
  await turn(simulation);
  assert.deepEqual(early, { value: "ok" });

  await simulation.run(20_000);
  const pings = script.last.pings;
  const late = outcomeOf(endpoint.call("late", callContext(clock, 1_000)));
  assert.equal(script.last.pings, pings + 1);
  assert.equal(script.last.calls.length, 1, "held back");
  script.last.pong(1);
  await turn(simulation);
  script.last.calls[1]?.answer("still here");
  await turn(simulation);
  assert.deepEqual(late, { value: "still here" });
});

test("if the sign of life does not come, the call has not started, and goes out on another connection", async () => {
  const { simulation, clock, script, endpoint } = setUp({ idleHeartbeatMs: 60_000 });
  endpoint.connect();
  script.last.open();
  await simulation.run(20_000);
  const late = outcomeOf(endpoint.call("late", callContext(clock, 100, Echo.methods.once)));
  const later = outcomeOf(endpoint.call("later", callContext(clock, 100_000, Echo.methods.once)));
  await simulation.run(20_150);
  assert.equal(late.error?.code, "deadline_exceeded");
  assert.equal(late.error?.neverStarted, true);
  // Silent for 300 ms: with nothing in flight there is no reason to wait for the three seconds of a suspect.
  await simulation.run(20_600);
  assert.match(String(script.connections[0]?.abortedWith), /nothing was heard/);
  assert.equal(script.connections.length, 2);
  script.last.open();
  await turn(simulation);
  script.last.calls[0]?.answer("there");
  await turn(simulation);
  assert.deepEqual(later, { value: "there" });
  assert.equal(script.connections[0]?.calls.length, 0);
});

test("a call in the pause after a connection was lost waits for the next, and fails with it", async () => {
  const { simulation, clock, script, endpoint } = setUp();
  endpoint.connect();
  script.last.open();
  await simulation.run(500);
  for (const reachable of [true, false]) {
    script.last.lose("cut");
    const call = outcomeOf(endpoint.call("meanwhile", callContext(clock, 5_000, Echo.methods.once)));
    const before = script.connections.length;
    await simulation.run(clock.now() + 65);
    assert.equal(script.connections.length, before + 1);
    if (!reachable) script.last.lose("ECONNREFUSED");
    else script.last.open();
    await turn(simulation);
    if (reachable) script.last.calls[0]?.answer("welcome back");
    await turn(simulation);
    if (reachable) assert.deepEqual(call, { value: "welcome back" });
    else assert.equal(call.error?.message, "cannot connect: ECONNREFUSED");
  }
});

test("silence with a call in flight makes it suspect, and a sign of life brings it back", async () => {
  const { simulation, clock, script, endpoint, changes } = setUp();
  endpoint.connect();
  script.last.open();
  script.last.pong(10);
  outcomeOf(endpoint.call("hello", callContext(clock)));
  await simulation.run(300);
  assert.equal(endpoint.status, "ready");
  await simulation.run(450);
  assert.equal(endpoint.status, "suspect");
  assert.match(script.last.repeatableFailedWith?.message ?? "", /nothing was heard from the server for \d+ ms/);
  script.last.pong(200);
  assert.equal(endpoint.status, "ready");
  assert.deepEqual(changes.at(-1), ["ready", "heard again"]);
  assert.equal(script.last.abortedWith, undefined);
});

test("a suspect that stays silent is dead 3 s later: its connection is ended and another begun", async () => {
  const { simulation, clock, script, endpoint } = setUp();
  endpoint.connect();
  const first = script.last;
  first.open();
  outcomeOf(endpoint.call("hello", callContext(clock)));
  await simulation.run(3_000);
  assert.equal(endpoint.status, "suspect");
  assert.equal(String(first.abortedWith), "undefined");
  await simulation.run(3_700);
  assert.match(String(first.abortedWith), /nothing was heard/);
  await simulation.run(4_000);
  assert.equal(script.connections.length, 2);
  script.last.open();
  assert.equal(endpoint.status, "ready");
});

test("a server that drains is not picked, and connected to again when it has gone", async () => {
  const { simulation, script, endpoint, changes } = setUp();
  endpoint.connect();
  script.last.open();
  script.last.events.draining("shutting down");
  assert.equal(endpoint.status, "draining");
  assert.deepEqual(changes.at(-1), ["draining", "draining: shutting down"]);
  script.last.events.closed(undefined);
  assert.equal(endpoint.status, "connecting");
  await simulation.run(100);
  assert.equal(script.connections.length, 2);
  script.last.open();
  assert.equal(endpoint.status, "ready");
});

test("ejection outlasts the connection and is told once", async () => {
  const { simulation, script, endpoint, changes, statusChanges } = setUp();
  endpoint.connect();
  script.last.open();
  endpoint.eject(true, "5 failures in a row");
  endpoint.eject(true, "5 failures in a row");
  assert.deepEqual(changes.at(-1), ["ejected", "5 failures in a row"]);
  assert.equal(statusChanges(), 3);
  script.last.lose();
  await simulation.run(100);
  script.last.open();
  assert.equal(endpoint.status, "ejected");
  endpoint.eject(false, "its time is over");
  assert.equal(endpoint.status, "ready");
});

test("closing fails who waits, lets calls in flight end, and is final", async () => {
  const { simulation, clock, script, endpoint } = setUp();
  const waiting = outcomeOf(endpoint.call("hello", callContext(clock)));
  endpoint.close(2_000);
  endpoint.close(5);
  await turn(simulation);
  assert.equal(waiting.error?.message,
    "the endpoint is closed: discovery no longer names it, or its client was closed");
  assert.equal(script.last.closedWithMs, 2_000);
  assert.equal(endpoint.status, "closed");
  script.last.open();
  script.last.lose();
  endpoint.connect();
  await simulation.run(10_000);
  assert.equal(script.connections.length, 1);
  assert.equal(thrownBy(() => endpoint.call("more", callContext(clock))).neverStarted, true);
});

test("every attempt is counted, timed and told of; a failure bears the name of the place", async () => {
  const { simulation, clock, script, endpoint, attempts } = setUp();
  endpoint.connect();
  script.last.open();
  const failing = outcomeOf(endpoint.call("a", callContext(clock)));
  const declined = outcomeOf(endpoint.call("b", callContext(clock)));
  assert.equal(endpoint.load.inFlight, 2);
  await simulation.run(20);
  script.last.calls[0]?.fail(new RpcError("internal", "it broke"));
  script.last.calls[1]?.fail(new RpcError("not_found", "no such thing"));
  await turn(simulation);
  assert.equal(failing.error?.endpoint, "eu/a server:1");
  assert.equal(declined.error?.code, "not_found");
  assert.deepEqual(attempts.map((error) => error?.code), ["internal", "not_found"]);
  const { inFlight, ended, failed } = endpoint.load;
  assert.deepEqual({ inFlight, ended, failed }, { inFlight: 0, ended: 2, failed: 1 });

  script.last.refusal = expected("resource_exhausted", "too many calls", { neverStarted: true });
  assert.equal(thrownBy(() => endpoint.call("c", callContext(clock))).candidate, endpoint);
  assert.equal(endpoint.load.inFlight, 0);
});

test("only some codes speak against a server", () => {
  const against = [
    "unavailable", "deadline_exceeded", "resource_exhausted", "internal", "unknown", "data_loss",
  ] as const;
  const not = ["cancelled", "invalid_argument", "not_found", "permission_denied", "failed_precondition"] as const;
  for (const code of against) assert.equal(speaksAgainstEndpoint(new RpcError(code, "")), true, code);
  for (const code of not) assert.equal(speaksAgainstEndpoint(new RpcError(code, "")), false, code);
});

test("a connection that is to be replaced is, at once, while its calls go on", async () => {
  const { simulation, clock, script, endpoint, statuses } = setUp();
  const before = outcomeOf(endpoint.call("before", callContext(clock, 9_000)));
  script.last.open();
  await simulation.run(100);
  const old = script.last;
  old.events.draining("the balancer wants another connection", true);
  assert.equal(endpoint.status, "connecting");
  assert.equal(script.connections.length, 2);
  const after = outcomeOf(endpoint.call("after", callContext(clock, 9_000)));
  script.last.open();
  await turn(simulation);
  script.last.calls[0]?.answer("new");
  old.calls[0]?.answer("old");
  old.events.closed(undefined);
  await turn(simulation);
  assert.deepEqual([before, after], [{ value: "old" }, { value: "new" }]);
  assert.equal(endpoint.status, "ready", "the end of the old one is not that of the new one");
  assert.deepEqual(statuses(), ["connecting", "ready", "connecting", "ready"]);
});

test("a server that has every connection replaced is asked no faster than one out of reach", async () => {
  const { simulation, script, endpoint } = setUp({}, (connection) => {
    queueMicrotask(() => {
      connection.open();
      connection.events.draining("go away", true);
    });
  });
  endpoint.connect();
  await simulation.run(1_000);
  assert.ok(script.connections.length > 5 && script.connections.length < 30, `${script.connections.length}`);
  endpoint.close();
});

test("by phi, a connection that is used to answer late is given more time than one that is not", async () => {
  const suspectedAfterMs = async (answersAfterMs: number): Promise<number> => {
    const { simulation, clock, script, endpoint } = setUp({ suspicion: phiAccrual({ threshold: 8 }) });
    endpoint.connect();
    script.last.open();
    script.last.pong(1);
    outcomeOf(endpoint.call("long", callContext(clock)));
    let pings = script.last.pings;
    for (let ms = 0; ms < 20_000; ms += 10) {
      await simulation.run(simulation.nowMs + 10);
      if (script.last.pings === pings) continue;
      await simulation.run(simulation.nowMs + answersAfterMs * (0.5 + (ms % 7) / 7));
      script.last.pong(1);
      pings = script.last.pings;
    }
    assert.equal(endpoint.status, "ready", "none of this is unusual");
    const silentFromMs = clock.now();
    while (endpoint.status === "ready") await simulation.run(simulation.nowMs + 10);
    return clock.now() - silentFromMs;
  };
  const even = await suspectedAfterMs(1);
  const uneven = await suspectedAfterMs(150);
  assert.ok(even >= 200 && even < 450, `${even}`);
  assert.ok(uneven > even + 100, `${uneven} after ${even}`);
});
