import assert from "node:assert/strict";
import { test } from "node:test";
import { callContext, outcomeOf, scripted } from "../../test/client/scripted.ts";
import type { AttemptObserver, Connection, ConnectionEvents, Runtime } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { pooled } from "./pool.ts";

const ignore: AttemptObserver = { attemptEnded: () => {} };

function setUp() {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const script = scripted();
  return { simulation, runtime, script, connect: pooled(script.connect) };
}

/** Writes down what a user is told. */
function listener(): ConnectionEvents & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    opened: () => void told.push("opened"),
    draining: (why) => void told.push(`draining: ${why}`),
    closed: (error) => void told.push(`closed: ${error?.message ?? "as asked"}`),
    pinged: (roundTripMs) => void told.push(`pinged: ${roundTripMs}`),
    reported: (report) => void told.push(`reported: ${report.cpu}`),
  };
}

function users(connect: ReturnType<typeof setUp>["connect"], runtime: Runtime, count: number) {
  return Array.from({ length: count }, () => {
    const events = listener();
    return { told: events.told, connection: connect(runtime, "server:1", events) satisfies Connection };
  });
}

test("users of one address share a connection and hear all that happens to it", async () => {
  const { simulation, runtime, script, connect } = setUp();
  const [a, b] = users(connect, runtime, 2);
  assert.equal(script.connections.length, 1);
  script.last.open();
  script.last.pong(3);
  script.last.events.reported({
    cpu: 0.5, memory: 0, inFlight: 0, callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0,
  });
  const answer = outcomeOf(b?.connection.call("hello", callContext(runtime.clock), ignore));
  assert.equal(a?.connection.inFlight, 1, "they share its calls");
  script.last.calls[0]?.answer("hi");
  script.last.lose("reset");
  await simulation.run(1);
  assert.deepEqual(answer, { value: "hi" });
  for (const user of [a, b]) {
    assert.deepEqual(user?.told, ["opened", "pinged: 3", "reported: 0.5", "closed: reset"]);
  }
});

test("who comes late is told that it is open, not before it has returned", async () => {
  const { simulation, runtime, script, connect } = setUp();
  users(connect, runtime, 1);
  script.last.open();
  const [late, gone] = users(connect, runtime, 2);
  assert.deepEqual(late?.told, []);
  gone?.connection.close(0);
  await simulation.run(1);
  assert.deepEqual(late?.told, ["opened"]);
  assert.deepEqual(gone?.told, [], "who left meanwhile hears nothing");
});

test("the last to close closes the connection; the next user makes another", () => {
  const { runtime, script, connect } = setUp();
  const [a, b] = users(connect, runtime, 2);
  script.last.open();
  a?.connection.close(10);
  a?.connection.close(10);
  assert.equal(script.last.closedWithMs, undefined);
  b?.connection.close(20);
  assert.equal(script.last.closedWithMs, 20);
  users(connect, runtime, 1);
  assert.equal(script.connections.length, 2);
});

test("a connection that drains or is lost is not given to newcomers", () => {
  const { runtime, script, connect } = setUp();
  const [a] = users(connect, runtime, 1);
  script.last.open();
  script.last.events.draining("shutting down");
  const [b] = users(connect, runtime, 1);
  assert.equal(script.connections.length, 2);
  script.last.lose("refused");
  users(connect, runtime, 1);
  assert.equal(script.connections.length, 3);
  assert.deepEqual(a?.told, ["opened", "draining: shutting down"]);
  assert.deepEqual(b?.told, ["closed: refused"]);
  // The old one ends now, and takes nothing of the newest with it.
  script.connections[0]?.events.closed(undefined);
  users(connect, runtime, 1);
  assert.equal(script.connections.length, 3);
});

test("addresses and runtimes have connections of their own", () => {
  const { simulation, runtime, script, connect } = setUp();
  connect(runtime, "server:1", listener());
  connect(runtime, "server:2", listener());
  connect(simulation.host("other"), "server:1", listener());
  assert.equal(script.connections.length, 3);
});
