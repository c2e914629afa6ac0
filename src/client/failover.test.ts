// Who takes over from whom: tiers, N+1, groups, drains, servers that are full; and what the table says of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, callContext, outcomeOf, scripted } from "../../test/client/scripted.ts";
import { roundRobin } from "../balance/index.ts";
import type { Discovery, EndpointAddress, EndpointFields, LoadReport, Watcher } from "../core/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { Balancer, type BalancerOptions } from "./balancer.ts";
import { endpointTable } from "./endpoint-table.ts";

type Servers = Readonly<Record<string, Partial<EndpointFields>>>;

function setUp(servers: Servers, options: Partial<BalancerOptions> = {}) {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const refused = new Set<string>();
  const script = scripted((connection) => {
    connection.onPing = () => void runtime.clock.after(1, () => connection.pong(1));
    runtime.clock.after(1, () => {
      if (refused.has(connection.address)) connection.lose("refused");
      else connection.open();
    });
  });
  let watcher: Watcher | undefined;
  const events: [string, Readonly<Record<string, unknown>>][] = [];
  const discovery: Discovery = {
    watch(_name, one) {
      watcher = one;
      return () => undefined;
    },
  };
  const balancer = new Balancer(runtime, {
    name: "test.v1.Echo", discovery, picker: roundRobin(), connect: script.connect,
    observer: { event: (name, fields) => void events.push([name, fields]) }, ...options,
  });
  const tell = (now: Servers): void =>
    watcher?.snapshot(Object.entries(now).map(([name, fields]): EndpointAddress => addressOf(`${name}:1`, fields)));
  tell(servers);
  const latest = (name: string) => script.connections.filter(({ address }) => address === `${name}:1`).at(-1);
  const wait = (ms: number): Promise<void> => simulation.run(simulation.nowMs + ms);
  /** How many calls each is given. */
  const counted = async (calls: number): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < calls; i++) {
      outcomeOf(balancer.service("x", callContext(runtime.clock, 1_000)));
      await wait(2);
      for (const { address, calls: given } of script.connections) {
        for (const call of given.splice(0)) {
          const name = address.replace(":1", "");
          counts[name] = (counts[name] ?? 0) + 1;
          call.answer("y");
        }
      }
    }
    return counts;
  };
  return {
    simulation, balancer, events, tell, wait, latest, clock: runtime.clock,
    /** The names of those who are given calls. */
    used: async (calls = 24): Promise<string> => Object.keys(await counted(calls)).sort().join(" "),
    counted,
    down(name: string) {
      refused.add(`${name}:1`);
      latest(name)?.lose("gone");
    },
    up: (name: string) => void refused.delete(`${name}:1`),
    report: (name: string, report: Partial<LoadReport>) => latest(name)?.events.reported({
      cpu: 0.1, memory: 0.1, inFlight: 1, callsPerSecond: 10, errorsPerSecond: 0, loopLagMs: 0, ...report,
    }),
  };
}

test("a backup waits until nobody else is left, and hands back", async () => {
  const { used, down, up, wait } = setUp({ a: {}, b: { priority: 1 }, spare: { backup: true } });
  assert.equal(await used(), "a");
  down("a");
  assert.equal(await used(), "b");
  down("b");
  assert.equal(await used(), "spare");
  up("a");
  await wait(5_000);
  assert.equal(await used(), "a");
});

test("a backup that is there first takes no call while its primary still connects", async () => {
  const { used } = setUp({ spare: { backup: true }, a: {} });
  assert.equal(await used(1), "a");
});

test("the next priority joins below 71 %, and with a factor of 1 as soon as one is missing (N+1)", async () => {
  const servers: Servers = { a: {}, b: {}, c: {}, d: {}, spare: { priority: 1 } };
  const usual = setUp(servers);
  usual.down("a");
  assert.equal(await usual.used(), "b c d", "three of four bear it");
  usual.down("b");
  assert.equal(await usual.used(), "c d spare");
  const spared = setUp(servers, { failover: { overprovisioning: 1 } });
  assert.equal(await spared.used(), "a b c d");
  spared.down("a");
  assert.equal(await spared.used(), "b c d spare");
  spared.up("a");
  await spared.wait(5_000);
  assert.equal(await spared.used(), "a b c d");
});

test("weight 0 takes a primary out of rotation, and its backup takes over", async () => {
  const { used, tell } = setUp({ a: {}, spare: { backup: true } });
  tell({ a: { weight: 0 }, spare: { backup: true } });
  assert.equal(await used(), "spare");
});

test("groups take over from one another as a whole, and hand back once they were well for a while", async () => {
  const { used, down, up, wait, events } = setUp({
    b1: { attributes: { set: "blue" } }, b2: { attributes: { set: "blue" } }, b3: { attributes: { set: "blue" } },
    g1: { attributes: { set: "green" } }, g2: { attributes: { set: "green" } },
  }, { failover: { groups: { by: ["set"], order: ["blue", "green"], failBackMs: 5_000 } } });
  assert.equal(await used(), "b1 b2 b3");
  down("b1");
  assert.equal(await used(), "g1 g2", "two of three are less than 71 %");
  up("b1");
  await wait(4_000);
  assert.equal(await used(), "g1 g2", "it has not been well for long enough");
  await wait(5_000);
  assert.equal(await used(), "b1 b2 b3");
  down("b1");
  assert.equal(await used(), "g1 g2");
  for (const each of ["g1", "g2"]) down(each);
  assert.equal(await used(), "b2 b3", "with nobody else, half a group is better");
  assert.deepEqual(events.filter(([name]) => name === "failover.groups").map(([, { active }]) => active),
    [["blue"], ["green"], ["blue"], ["green"], ["blue"]]);
});

test("groups are made by any labels, and several may be active", async () => {
  const of = (shard: string, version: string) => ({ attributes: { shard, version } });
  const { used } = setUp({
    a: of("1", "old"), b: of("1", "new"), c: of("2", "new"),
  }, { failover: { groups: { by: ["shard", "version"], order: ["2/new", "1/new"], active: 2 } } });
  assert.equal(await used(), "b c");
});

test("an operator drains one by its id, for good, and lets it back with slow start", async () => {
  const { used, balancer, tell, clock } = setUp({ a: {}, b: {} });
  assert.equal(await used(), "a b");
  assert.equal(balancer.drain("nobody:1", true), false);
  assert.equal(balancer.drain("a:1", true), true);
  assert.equal(balancer.endpoints[0]?.status, "draining");
  assert.equal(await used(), "b");
  tell({ b: {} });
  tell({ a: {}, b: {} });
  assert.equal(await used(), "b", "who leaves and comes back is drained still");
  balancer.drain("b:1", true);
  await assert.rejects(async () => balancer.service("x", callContext(clock)), /none of the 2 endpoints/);
  balancer.drain("a:1", false);
  assert.equal(await used(), "a");
  assert.ok((balancer.endpoints.find(({ address }) => address.id === "a:1")?.load.returnedAtMs ?? 0) > 0);
});

test("a busy server is picked when nobody else is ready; one whose memory ends is not", async () => {
  const { used, report, wait, down, balancer } = setUp({ a: {}, b: {}, c: {}, d: {} });
  await used();
  for (let i = 0; i < 8; i++) {
    report("a", { cpu: 0.99 });
    report("b", { memory: 0.99 });
    await wait(100);
  }
  assert.deepEqual(balancer.endpoints.map(({ status }) => status), ["busy", "draining", "ready", "ready"]);
  assert.equal(await used(), "c d");
  for (const each of ["c", "d"]) down(each);
  report("a", { cpu: 0.99 });
  assert.equal(await used(4), "a");
  await wait(4_000);
  assert.equal(balancer.endpoints[0]?.status, "ready", "what it said is stale");
});

test("the table says of each endpoint what it is, how it is, since when and why", async () => {
  const { balancer, used, wait, events, clock } = setUp({ a: { zone: "z" }, b: { backup: true, weight: 3 } });
  await used();
  balancer.endpoints[0]?.eject(true, "14 of 120 attempts failed");
  balancer.endpoints[0]?.probed("3 probes in a row failed: NOT_SERVING");
  await wait(250);
  const rows = endpointTable(balancer.endpoints, clock.now());
  const [b, a] = rows;
  assert.deepEqual(rows.map(({ id }) => id), ["b:1", "a:1"]);
  assert.deepEqual([a?.status, a?.from, a?.why, a?.role, a?.zone],
    ["ejected", "ready", "14 of 120 attempts failed", "primary", "z"]);
  assert.equal(Math.round(a?.forMs ?? 0), 250);
  assert.deepEqual(a?.evidence, ["outlier: 14 of 120 attempts failed", "probe: 3 probes in a row failed: NOT_SERVING"]);
  assert.deepEqual([b?.status, b?.role, b?.weight, b?.evidence], ["ready", "backup", 3, []]);
  assert.deepEqual(events.filter(([name]) => name === "endpoint.judged").map(([, { from, to, evidence }]) =>
    [from, to, evidence]), [["fit", "ejected", ["outlier: 14 of 120 attempts failed"]]]);
  balancer.endpoints[0]?.eject(false, "ejection over");
  assert.equal(balancer.endpoints[0]?.status, "ejected", "the probe's evidence holds");
  balancer.endpoints[0]?.probed(undefined);
  assert.equal(balancer.endpoints[0]?.status, "ready");
});

test("spares take what is missing and no more, without regions too", async () => {
  const spare = { priority: 1 };
  const world = setUp({ a: {}, b: {}, c: {}, d: {}, w: spare, x: spare, y: spare, z: spare });
  await world.wait(50);
  assert.equal(await world.used(), "a b c d");
  for (const name of ["a", "b"]) world.down(name);
  await world.wait(1_500);
  const counts = await world.counted(200);
  const first = (counts["c"] ?? 0) + (counts["d"] ?? 0);
  assert.ok(Math.abs(first - 140) <= 2, `${first} of 200 stayed: ${JSON.stringify(counts)}`);
  assert.ok(["w", "x", "y", "z"].every((name) => (counts[name] ?? 0) >= 10), JSON.stringify(counts));
});
