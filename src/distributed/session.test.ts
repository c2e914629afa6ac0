import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as z from "zod";
import { failureOf } from "../../test/distributed/fleet.ts";
import { createClientOn } from "../client/index.ts";
import { rpc, service } from "../contract/index.ts";
import { RpcError } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { createServerOn } from "../server/server.ts";
import { checkSessions, type SessionOperation } from "../sim/check-sessions.ts";
import { covers, hybridClock, joined, readVector, replicaVersions, session, writeVector } from "./index.ts";

const Notes = service("test.v1.Notes", {
  write: rpc({ input: z.object({ key: z.string() }), output: z.object({ version: z.int32() }), idempotent: "keyed" }),
  read: rpc({ input: z.object({ key: z.string() }), output: z.object({ version: z.int32() }), safe: true }),
});

/** One region takes the writes, and tells the two others so much later, each write at its own time. */
async function setUp(lagMs: (nth: number) => number, seed = 1, maxWaitMs = 50) {
  const simulation = createSimulation({ seed, link: { latencyMs: 1, jitterMs: 1 } });
  const data = new Map(["main", "copy-1", "copy-2"].map((name) => [name, new Map<string, number>()]));
  const events: string[] = [];
  const replicas = await simulation.runUntil(Promise.all([...data].map(async ([name, values]) => {
    const runtime = simulation.host(name, { region: name });
    const versions = replicaVersions(runtime, {
      origin: name, maxWaitMs, observer: { event: (what, fields) => events.push(`${what} ${String(fields["at"])}`) },
    });
    const server = createServerOn(runtime, { region: name, stack: { versions: versions.layer } }).implement(Notes, {
      write: ({ key }, context) => {
        if (name !== "main") throw new RpcError("failed_precondition", "not here");
        const version = (values.get(key) ?? 0) + 1;
        values.set(key, version);
        const number = versions.wrote(context);
        for (const other of replicas) if (other.name !== "main") other.copy(number, key, version);
        return { version };
      },
      read: ({ key }) => ({ version: values.get(key) ?? 0 }),
    });
    await server.listen({ host: name, port: 1 });
    // Writes arrive in any order and are applied in theirs, as a log's reader would.
    const arrived = new Map<number, () => void>();
    let next = 1;
    const copy = (number: number, key: string, version: number): void => {
      simulation.at(simulation.nowMs + lagMs(number), () => {
        arrived.set(number, () => values.set(key, version));
        for (let apply = arrived.get(next); apply !== undefined; apply = arrived.get(++next)) {
          apply();
          versions.applied("main", next);
        }
      });
    };
    return { name, versions, copy };
  })), 1_000);
  const at = (names: readonly string[], caller: string) => createClientOn(simulation.host(caller), Notes,
    { address: names.map((name) => ({ address: `${name}:1`, region: name })), view: false });
  const run = <T>(body: Promise<T>) => simulation.runUntil(body, simulation.nowMs + 60_000);
  return { simulation, replicas, at, run, events };
}

test("a session reads what it wrote: a replica that is behind waits, and then another is asked", async () => {
  const { at, run, events, replicas, simulation } = await setUp(() => 2_000);
  const main = session(at(["main"], "writer"));
  assert.deepEqual(await run(main.write({ key: "k" })), { version: 1 });
  assert.equal(main.$session.token, "main=1");
  const copies = at(["copy-1"], "reader");
  assert.deepEqual(await run(copies.read({ key: "k" })), { version: 0 });
  const elsewhere = session(copies, { token: main.$session.token });
  const error = await run(failureOf(elsewhere.read({ key: "k" }, { timeoutMs: 400 })));
  assert.deepEqual([error.code, error.neverStarted], ["aborted", true]);
  assert.match(error.message, /behind what the session has seen: it has 0 of 1 of main/);
  const everywhere = session(at(["copy-1", "main"], "both"), { token: "main=1" });
  for (let i = 0; i < 10; i++) assert.deepEqual(await run(everywhere.read({ key: "k" })), { version: 1 });
  assert.ok(events.includes("session.lagging copy-1"));
  await simulation.run(simulation.nowMs + 2_500);
  assert.deepEqual(await run(elsewhere.read({ key: "k" })), { version: 1 });
  assert.deepEqual(replicas.map(({ versions }) => versions.waiting), [0, 0, 0]);
});

test("a replica that catches up within its patience answers then", async () => {
  const { at, run, simulation, events } = await setUp(() => 30);
  const main = session(at(["main"], "writer"));
  await run(main.write({ key: "k" }));
  const startedMs = simulation.nowMs;
  assert.deepEqual(await run(session(at(["copy-2"], "reader"), { token: main.$session.token }).read({ key: "k" })),
    { version: 1 });
  assert.ok(simulation.nowMs - startedMs < 45);
  assert.deepEqual(events, []);
});

for (const guarantees of [true, false]) {
  test(guarantees
    ? "under replication lag no session goes back in time, nor misses its own writes"
    : "without sessions the same lag shows both, so that the checker is known to see them", async () => {
    const { at, run, simulation } = await setUp((nth) => 20 + ((nth * 7_919) % 100), 5, 90);
    const operations: SessionOperation[] = [];
    let refused = 0;
    const one = async (name: string): Promise<void> => {
      const client = at(["main", "copy-1", "copy-2"], name);
      const writer = at(["main"], `${name}-w`);
      const [reads, writes] = guarantees ? [session(client), session(writer)] : [client, writer];
      for (let i = 0; i < 60; i++) {
        const object = `k${i % 3}`;
        const startedMs = simulation.nowMs;
        const kind = i % 4 === 0 ? "write" as const : "read" as const;
        try {
          const { version } = await (kind === "write" ? writes.write({ key: object }) : reads.read({ key: object }));
          operations.push({ session: name, object, kind, version, startedMs, endedMs: simulation.nowMs });
        } catch {
          refused++;
        }
        if ("$session" in reads && "$session" in writes) reads.$session.join(writes.$session.token);
        await new Promise<void>((resolve) => void client.$.runtime.clock.after(15, resolve));
      }
    };
    await run(Promise.all(["u1", "u2", "u3"].map(one)));
    const { count, figures, violations } = checkSessions(operations);
    if (guarantees) assert.deepEqual([violations, refused], [[], 0]);
    else assert.ok(count > 0 && (figures["readYourWritesBroken"] ?? 0) > 0, JSON.stringify(figures));
  });
}

test("tokens are vectors that only grow; what is none is refused", () => {
  const vector = fc.dictionary(fc.string({ minLength: 1, maxLength: 12, unit: "grapheme-ascii" }),
    fc.integer({ min: 1, max: 1e9 }), { maxKeys: 8 });
  fc.assert(fc.property(vector, vector, (a, b) => {
    assert.deepEqual({ ...readVector(writeVector(a)) }, { ...a });
    const both = joined(a, b);
    assert.ok(covers(both, a) && covers(both, b) && covers(a, {}));
    assert.deepEqual(joined(b, a), both);
    if (covers(a, b) && covers(b, a)) assert.deepEqual({ ...a }, { ...b });
  }), { seed: 9, numRuns: 200 });
  const wrong = ["x", "a=", "=1", "a=1=2", "a=-1", "a=1.5", "a=1,", "%=1", Array(65).fill("a=1").join()];
  for (const text of wrong) {
    assert.throws(() => readVector(text), { code: "invalid_argument", message: /no session token/ });
  }
});

test("stamps grow with what was seen, also when clocks jump, differ or stand still", () => {
  let wallMs = 1_000_000;
  const clock = { clock: { ...createSimulation({ seed: 1 }).host("h").clock, wallMs: () => wallMs } };
  const [a, b] = [hybridClock(clock, { node: "a" }), hybridClock(clock, { node: "b" })];
  let last = "";
  const jumps = fc.array(fc.integer({ min: -5_000, max: 5_000 }), { maxLength: 50 });
  fc.assert(fc.property(jumps, (all) => {
    for (const jump of all) {
      wallMs = Math.max(0, wallMs + jump);
      const [from, to] = jump % 2 === 0 ? [a, b] : [b, a];
      const stamp = from.now();
      assert.ok(stamp > last);
      try {
        to.seen(stamp);
      } catch (error) {
        assert.equal((error as RpcError).code, "out_of_range");
        wallMs = Number.parseInt(stamp, 16);
        to.seen(stamp);
      }
      last = to.now();
      assert.ok(last > stamp);
      from.seen(last);
    }
  }), { seed: 10, numRuns: 100 });
  assert.throws(() => a.seen("yesterday"), { code: "invalid_argument" });
  assert.throws(() => hybridClock(clock, { node: "" }), { code: "invalid_argument", message: /^node is ""/ });
});

test("options that cannot be are refused", () => {
  const runtime = createSimulation({ seed: 1 }).host("h");
  const invalid = (message: RegExp) => ({ code: "invalid_argument", message });
  assert.throws(() => replicaVersions(runtime, { origin: "" }), invalid(/^origin is ""/));
  assert.throws(() => replicaVersions(runtime, { origin: "x", maxWaitMs: -1 }), invalid(/^maxWaitMs is -1/));
  const client = createClientOn(runtime, Notes, { address: "nowhere:1" });
  assert.throws(() => session(client, { readYourWrites: false, monotonicReads: false }), invalid(/^readYourWrites is/));
  assert.throws(() => session(client, { token: "x" }), invalid(/no session token/));
});
