// The in-process stand-in passes the suite; leases by our own clock; options that cannot be meant; fences.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RpcError } from "../core/error.ts";
import type { Clock, Runtime } from "../core/runtime.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { electionCases } from "../testing/election.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import {
  arbiterElectionOn, createArbiter, createFence, electionOver, hostArbiterOn, memoryElectionOn, requireToken, type Term,
} from "./index.ts";

describe("elections in memory", () => {
  const suite = electionCases(() => {
    const arbiter = createArbiter();
    return {
      clock: nodeRuntime.clock,
      elections: () => memoryElectionOn(nodeRuntime, { arbiter, ttlMs: 300 }),
      stop: () => arbiter.stop(), start: () => arbiter.start(),
    };
  }, { failures: true });
  for (const { name, run } of suite) test(name, { timeout: 30_000 }, run);
});

describe("elections by an arbiter over the wire", () => {
  const suite = electionCases(async () => {
    const arbiter = await hostArbiterOn(nodeRuntime, { quietMs: 0 });
    return {
      clock: nodeRuntime.clock,
      elections: () => arbiterElectionOn(nodeRuntime, { address: arbiter.address, ttlMs: 500 }),
      close: () => arbiter.close(),
    };
  });
  for (const { name, run } of suite) test(name, { timeout: 30_000 }, run);

  test("an arbiter that was started again grants nothing while a lease may last, and greater tokens then", async () => {
    const simulation = createSimulation({ seed: 1 });
    const first = simulation.host("arbiter");
    await simulation.runUntil(hostArbiterOn(first, { host: "arbiter", port: 1, quietMs: 0 }), 1_000);
    const terms: { atMs: number; term: Term }[] = [];
    const elections = arbiterElectionOn(simulation.host("one"), { address: "arbiter:1", ttlMs: 1_000 });
    elections.campaign("seat", { id: "one" }, { elected: (term) => void terms.push({ atMs: simulation.nowMs, term }) });
    await simulation.run(1_000);
    assert.ok(terms[0]?.term.holds());
    simulation.crash("arbiter");
    await simulation.run(1_100);
    void hostArbiterOn(simulation.restart("arbiter"), { host: "arbiter", port: 1, quietMs: 3_000 });
    await simulation.run(10_000);
    const [before, after] = terms;
    assert.ok(before !== undefined && after !== undefined && terms.length === 2);
    assert.ok(!before.term.holds() && after.term.token > before.term.token);
    assert.ok(after.atMs >= 4_100, `${after.atMs}`);
  });
});

test("a stopped leader that wakes knows at once that it is none, before any timer has rung", async () => {
  const simulation = createSimulation({ seed: 1 });
  const arbiter = createArbiter();
  const [one, two] = [simulation.host("one"), simulation.host("two")];
  let term: Term | undefined;
  let ended = "";
  memoryElectionOn(one, { arbiter, ttlMs: 1_000 }).campaign("seat", { id: "one" }, {
    elected: (elected) => term = elected,
    ended: (_term, why) => ended = why,
  });
  await simulation.run(500);
  const held = term as unknown as Term;
  assert.ok(held.holds());
  simulation.silence("one");
  let next: Term | undefined;
  memoryElectionOn(two, { arbiter, ttlMs: 1_000 }).campaign("seat", { id: "two" }, { elected: (one_) => next = one_ });
  await simulation.run(held.endsAtMs);
  assert.equal(ended, "", "nothing has rung in a process that stands still");
  assert.equal(held.holds(), false, "but whoever asks is told the truth");
  await simulation.run(3_000);
  const risen = next as unknown as Term;
  assert.ok(risen.token > held.token);
  simulation.wake("one");
  await simulation.run(3_100);
  assert.match(ended, /ran out/);
  assert.ok(risen.holds());
});

test("a renewal that comes after the end revives no term, and a wall clock that jumped ends one", async () => {
  const simulation = createSimulation({ seed: 1 });
  const host = simulation.host("one");
  let jumpMs = 0;
  const wallMs = (): number => host.clock.wallMs() + jumpMs;
  const clock: Clock = Object.assign(Object.create(host.clock) as Clock, { wallMs });
  for (const name of ["now", "set", "clear", "after", "defer"] as const) {
    Object.assign(clock, { [name]: (host.clock[name] as (...args: unknown[]) => unknown).bind(host.clock) });
  }
  const runtime: Runtime = { ...host, clock };
  let renew: ((sentMs: number) => void) | undefined;
  const terms: Term[] = [];
  const elections = electionOver(runtime, {
    name: "a scripted engine", follow: () => Promise.resolve(), close: () => Promise.resolve(),
    stand: (ballot, signal) => new Promise((resolve) => {
      renew = (sentMs) => ballot.renewed(sentMs, 1_000);
      renew(clock.now());
      ballot.elected({ token: BigInt(terms.length + 1), record: undefined, save: () => Promise.resolve() });
      signal.addEventListener("abort", () => resolve());
    }),
  }, 1_000);
  elections.campaign("seat", { id: "one" }, { elected: (term) => void terms.push(term) });
  await simulation.run(0);
  const [first] = terms;
  assert.equal(first?.endsAtMs, 900);
  await simulation.run(500);
  renew?.(400);
  assert.equal(first.endsAtMs, 1_300);
  // Told later than it happened, and out of order: never shorter.
  renew?.(300);
  assert.equal(first.endsAtMs, 1_300);
  const before = renew;
  await simulation.run(1_301);
  assert.equal(first.holds(), false);
  before?.(1_200);
  assert.equal(first.holds(), false);
  await simulation.run(2_000);
  assert.equal(terms.length, 2);
  assert.ok(terms[1]?.holds());
  jumpMs = 1_001;
  assert.equal(terms[1]?.holds(), false, "a suspended machine's monotonic clock stood still");
});

test("options that cannot be meant are refused by name", () => {
  const arbiter = createArbiter();
  const refused = (options: Partial<Parameters<typeof memoryElectionOn>[1]>, pattern: RegExp) =>
    assert.throws(() => memoryElectionOn(nodeRuntime, { arbiter, ...options }),
      (error: unknown) => RpcError.is(error) && error.code === "invalid_argument" && pattern.test(error.message));
  refused({ ttlMs: 1 }, /^ttlMs is 1: /);
  refused({ ttlMs: 1_000, marginMs: 600 }, /^marginMs is 600: half of the lease/);
  refused({ marginMs: -1 }, /^marginMs is -1/);
  refused({ retryMinMs: 100, retryMaxMs: 50 }, /^retryMaxMs is 50: it is less than retryMinMs 100/);
});

test("a fence lets the newest leader through, and whoever is as new", () => {
  const fence = createFence(3n);
  fence.require(5n);
  fence.require(5n);
  assert.equal(fence.admits(4n), false);
  assert.equal(fence.highest, 5n);
  assert.throws(() => fence.require(4n), { code: "failed_precondition", reason: "StaleToken" });
  assert.equal(requireToken(6n, fence.highest), 6n);
  assert.throws(() => requireToken(4n, fence.highest), /the fencing token 4 is of a former leader: 5 has been here/);
});
