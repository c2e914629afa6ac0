// What each mode promises and reports, catch-up, keys, redirects, and options that cannot be meant: in the simulator.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn } from "../client/index.ts";
import { rpc, service } from "../contract/index.ts";
import { RpcError } from "../core/error.ts";
import { createSimulation, type Simulation } from "../runtime/sim/index.ts";
import { createServerOn } from "../server/index.ts";
import {
  arbiterElectionOn, createArbiter, createStandbyOn, hostArbiterOn, memoryElectionOn, type Standby, type StandbyOptions,
  toPrimaryOn,
} from "./index.ts";

const Log = service("test.v1.Log", {
  append: rpc({ input: z.object({ text: z.string() }), output: z.object({ length: z.int32() }), idempotent: "keyed" }),
});
const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

interface Event {
  readonly member: string;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface Group {
  readonly simulation: Simulation;
  readonly members: Map<string, Standby>;
  readonly texts: Map<string, string[]>;
  readonly events: Event[];
  start(name: string): Promise<void>;
  primary(): string;
  run(forMs: number): Promise<void>;
  append(text: string, options?: { key?: string }): Promise<unknown>;
}

/** Members whose elections an arbiter holds. */
async function group(names: readonly string[], options: Partial<StandbyOptions> = {}): Promise<Group> {
  const simulation = createSimulation({ seed: 3, link: { latencyMs: 0.5 } });
  await simulation.runUntil(
    hostArbiterOn(simulation.host("arbiter"), { host: "arbiter", port: 1, quietMs: 0 }), 1_000);
  const members = new Map<string, Standby>();
  const texts = new Map<string, string[]>();
  const events: Event[] = [];
  async function start(name: string): Promise<void> {
    const runtime = members.has(name) ? simulation.restart(name) : simulation.host(name);
    const own: string[] = [];
    texts.set(name, own);
    const standby = createStandbyOn(runtime, {
      name: "log", id: name, address: `${name}:1`,
      election: arbiterElectionOn(runtime, { address: "arbiter:1", ttlMs: 500 }),
      state: {
        snapshot: () => encoder.encode(own.join("\n")),
        restore: (bytes) => void own.splice(0, own.length,
          ...(bytes.length === 0 ? [] : decoder.decode(bytes).split("\n"))),
        apply(change) {
          const text = decoder.decode(change);
          if (text === "bad") throw new RpcError("invalid_argument", "no bad text");
          return encoder.encode(String(own.push(text)));
        },
      },
      observer: { event: (what, fields) => void events.push({ member: name, name: what, fields }) },
      ...options,
    });
    members.set(name, standby);
    const server = createServerOn(runtime).implement(Log, {
      append: async ({ text }, context) => ({
        length: Number(decoder.decode(await standby.change(encoder.encode(text), { context }))),
      }),
    });
    standby.implementOn(server);
    await server.listen({ host: name, port: 1 });
  }
  for (const name of names) await simulation.runUntil(start(name), 10_000);
  const caller = simulation.host("caller");
  const client = createClientOn(caller, Log, {
    address: names.map((name) => `${name}:1`), timeoutMs: 5_000, ...toPrimaryOn(caller),
  });
  const run = (forMs: number): Promise<void> => simulation.run(simulation.nowMs + forMs);
  await run(2_000);
  return {
    simulation, members, texts, events, start, run,
    primary: () => names.find((name) => members.get(name)?.isPrimary === true) ?? "nobody",
    append: (text, { key } = {}) =>
      simulation.runUntil(client.append({ text }, { idempotencyKey: key }), simulation.nowMs + 10_000),
  };
}

const alone: Partial<StandbyOptions> = { mode: { kind: "semi-synchronous", backups: 1, alone: true } };

test("with too few backups in sync changes are refused, and certainly not made", async () => {
  const { append, primary, members, texts, simulation } = await group(["a"]);
  assert.equal(primary(), "a");
  await assert.rejects(append("one"), (error: unknown) => RpcError.is(error) && error.neverStarted);
  assert.deepEqual(texts.get("a"), []);
  const change = members.get("a")?.change(encoder.encode("two"));
  await assert.rejects(simulation.runUntil(change as Promise<unknown>, 60_000), { reason: "TooFewBackups" });
});

test("a backup has every change, and as the primary the figures of its recovery", async () => {
  const { append, primary, members, texts, simulation, run, events } = await group(["a", "b"], alone);
  for (let i = 0; i < 10; i++) await append(`text ${i}`);
  await run(200);
  const first = primary();
  const second = first === "a" ? "b" : "a";
  assert.deepEqual(texts.get(second), texts.get(first));
  assert.equal(members.get(second)?.status().inSync, true);
  assert.equal(members.get(second)?.status().lagChanges, 0);
  simulation.crash(first, { isSilent: true });
  await append("after");
  assert.equal(primary(), second);
  const { recovery } = members.get(second)?.status() ?? {};
  assert.equal(recovery?.missedChanges, 0);
  // The lease is half a second; before that nobody rises, and a second later somebody counts again.
  const ms = recovery.recoveredAfterMs ?? NaN;
  assert.ok(ms > 300 && ms < 3_000, `${ms}`);
  assert.ok((recovery.promotedAfterMs ?? NaN) <= ms);
  assert.equal(events.filter(({ name }) => name === "standby.recovered").length, 1);
  assert.equal(texts.get(second)?.length, 11);
});

test("a repeat is answered from the record, by the next primary too, and counts once", async () => {
  const { append, primary, texts, simulation } = await group(["a", "b"], alone);
  assert.deepEqual(await append("one", { key: "k1" }), { length: 1 });
  assert.deepEqual(await append("one", { key: "k1" }), { length: 1 });
  const first = primary();
  simulation.crash(first);
  assert.deepEqual(await append("one", { key: "k1" }), { length: 1 });
  assert.deepEqual(await append("two", { key: "k2" }), { length: 2 });
  assert.deepEqual(texts.get(primary()), ["one", "two"]);
  assert.notEqual(primary(), first);
});

test("a member that comes late gets a snapshot when the log does not reach back, with the keys", async () => {
  const { append, start, run, texts, events, simulation, primary } = await group(["a", "b"],
    { ...alone, maxLogChanges: 5 });
  for (let i = 0; i < 20; i++) await append(`text ${i}`, { key: `k${i}` });
  const first = primary();
  const other = first === "a" ? "b" : "a";
  simulation.crash(other);
  await run(3_000);
  await simulation.runUntil(start(other), simulation.nowMs + 10_000);
  await run(2_000);
  assert.ok(events.some(({ name, fields }) => name === "standby.snapshot" && fields["sequence"] === 20));
  assert.equal(texts.get(other)?.length, 20);
  simulation.crash(first);
  assert.deepEqual(await append("text 3", { key: "k3" }), { length: 4 });
  assert.equal(texts.get(other)?.length, 20);
});

test("who may lack acknowledged changes is not promoted, unless that is wanted", async () => {
  for (const unclean of [false, true]) {
    const { append, primary, members, events, run, simulation } = await group(["a", "b"], { ...alone, unclean });
    const first = primary();
    const other = first === "a" ? "b" : "a";
    simulation.partition(first, other);
    await run(3_000);
    await append("alone");
    simulation.crash(first);
    simulation.heal();
    await run(5_000);
    assert.equal(members.get(other)?.isPrimary, unclean);
    assert.equal(events.some(({ name, member }) => name === "standby.ineligible" && member === other), !unclean);
  }
});

test("without waiting for backups what had not arrived is lost, and that is reported afterwards", async () => {
  const { append, primary, members, texts, run, simulation, events } = await group(["a", "b"],
    { mode: { kind: "asynchronous" }, dropAfterMs: 60_000 });
  await append("both");
  await run(500);
  const first = primary();
  const other = first === "a" ? "b" : "a";
  simulation.partition(first, other);
  for (const text of ["x", "y", "z"]) {
    const change = members.get(first)?.change(encoder.encode(text)) as Promise<unknown>;
    await simulation.runUntil(change, simulation.nowMs + 1_000);
  }
  simulation.partition(first, "arbiter");
  await run(3_000);
  assert.equal(primary(), other);
  simulation.heal();
  await run(5_000);
  const lost = events.find(({ name }) => name === "standby.lost");
  assert.equal(lost?.fields["acknowledgedChanges"], 3);
  assert.deepEqual(texts.get(first), ["both"], "and the former primary has what the present one has");
});

test("a change that its state refuses is refused to its caller alone; backups say where the primary is", async () => {
  const { append, primary, members, simulation } = await group(["a", "b"], alone);
  await assert.rejects(append("bad"), { code: "invalid_argument", message: /no bad text/ });
  assert.deepEqual(await append("good"), { length: 1 });
  const backup = primary() === "a" ? "b" : "a";
  const refused = members.get(backup)?.change(encoder.encode("x")) as Promise<unknown>;
  await assert.rejects(simulation.runUntil(refused, 60_000),
    (error: unknown) => RpcError.is(error) && error.reason === "NotPrimary" && error.neverStarted &&
      error.message.includes(`at ${primary()}:1 is`));
});

test("who leaves in order is followed at once", async () => {
  const { append, primary, members, simulation } = await group(["a", "b"], alone);
  await append("one");
  const first = primary();
  const atMs = simulation.nowMs;
  const closing = members.get(first)?.close() as Promise<void>;
  await simulation.runUntil(closing, atMs + 5_000);
  assert.deepEqual(await append("two"), { length: 2 });
  assert.notEqual(primary(), first);
  assert.ok(simulation.nowMs - atMs < 1_500, `${simulation.nowMs - atMs} ms`);
});

test("options that cannot be meant are refused by name", () => {
  const runtime = createSimulation({ seed: 1 }).host("a");
  const base: StandbyOptions = {
    name: "x", id: "a", address: "a:1", election: memoryElectionOn(runtime, { arbiter: createArbiter() }),
    state: { snapshot: () => new Uint8Array(0), restore: () => undefined, apply: () => undefined },
  };
  const refused = (options: Partial<StandbyOptions>, pattern: RegExp): void => {
    assert.throws(() => createStandbyOn(runtime, { ...base, ...options }),
      (error: unknown) => RpcError.is(error) && error.code === "invalid_argument" && pattern.test(error.message));
  };
  refused({ mode: { kind: "semi-synchronous", backups: 0 } }, /^mode\.backups is 0/);
  refused({ mode: { kind: "sync" } as never }, /^mode\.kind is "sync"/);
  refused({ address: "" }, /^address is ""/);
  refused({ dropAfterMs: 100, tickMs: 100 }, /^dropAfterMs is 100: expected twice as long as tickMs/);
  refused({ maxLogChanges: 1.5 }, /^maxLogChanges is 1\.5/);
  refused({ name: "a/b" }, /^the election's name is "a\/b"/);
  assert.throws(() => toPrimaryOn(runtime, { minPauseMs: 10, maxPauseMs: 5 }), /^RpcError: maxPauseMs is 5/);
});
