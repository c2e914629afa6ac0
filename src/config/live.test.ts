import assert from "node:assert/strict";
import { test } from "node:test";
import { Calculator, simulated } from "../../test/config/simulated.ts";
import { RpcError } from "../core/index.ts";
import { configDiff } from "./index.ts";

const base = `region: eu-west
discovery: { static: { calc.v1.Calculator: [{ address: "server:1", region: eu-west }] } }
`;
const yaml = (more: string): string => base + more;
const failed = (call: Promise<unknown>): Promise<RpcError> =>
  call.then(() => assert.fail("it succeeded"), (error: unknown) => RpcError.from(error));
const thrice = "{ retry: { maxAttempts: 3, codes: [unavailable] } }";

test("a client goes by the file, and by what it says next, with no call failed between", async () => {
  const world = await simulated(yaml("client: { timeoutMs: 400, retry: false }\n"), { delayMs: 300 });
  const live = await world.open("here");
  const client = live.client(Calculator);
  assert.deepEqual(await world.run(client.add({ a: 1, b: 2 })), { sum: 3 });
  const inFlight = client.add({ a: 2, b: 2 });
  world.file.set(yaml("client: { timeoutMs: 100, retry: false, picker: roundRobin }\n"));
  const result = await world.run(live.reload());
  assert.equal(result.kind, "changed");
  assert.deepEqual(await world.run(inFlight), { sum: 4 }, "what was in flight ends as it began");
  const late = await world.run(failed(client.add({ a: 1, b: 2 })));
  assert.equal(late.code, "deadline_exceeded");
  assert.deepEqual(world.events.filter(([name]) => name === "config.changed").map(([, fields]) => fields), [
    { key: "client.timeoutMs", old: "400", new: "100", effect: "at once" },
    { key: "client.picker", old: "(nothing)", new: '"roundRobin"', effect: "at once" },
  ]);
  await world.run(live.close());
});

test("methods have timeout, retry and repeatability of their own, changed in place", async () => {
  const policy = (add: string, all = ""): string =>
    yaml(`client: { retry: false${all} }\nservices: { calc.v1.Calculator: { methods: { add: ${add} } } }\n`);
  const world = await simulated(policy(thrice));
  const live = await world.open("here");
  const client = live.client(Calculator);
  world.behaviour.fail = 1;
  assert.deepEqual(await world.run(client.add({ a: 1, b: 2 })), { sum: 3 }, "repeated, though others are not");
  world.behaviour.fail = 1;
  assert.equal((await world.run(failed(client.sub({ a: 1, b: 2 })))).code, "unavailable");
  for (const add of [thrice.replace("{", "{ idempotent: false,"), "{ retry: { maxAttempts: 1 } }", "{}"]) {
    world.file.set(policy(add));
    assert.equal((await world.run(live.reload())).kind, "changed");
    world.behaviour.fail = 1;
    const before = world.behaviour.calls;
    assert.equal((await world.run(failed(client.add({ a: 1, b: 2 })))).code, "unavailable", add);
    assert.equal(world.behaviour.calls, before + 1, add);
  }
  world.file.set(policy(thrice));
  await world.run(live.reload());
  world.behaviour.fail = 1;
  assert.deepEqual(await world.run(client.add({ a: 1, b: 2 })), { sum: 3 }, "it was not for want of a budget");
  world.behaviour.delayMs = 200;
  world.file.set(policy("{ retry: { maxAttempts: 1 }, timeoutMs: 50 }"));
  await world.run(live.reload());
  assert.equal((await world.run(failed(client.add({ a: 1, b: 2 })))).code, "deadline_exceeded");
  assert.deepEqual(await world.run(client.sub({ a: 3, b: 1 })), { sum: 4 });
  assert.deepEqual(await world.run(client.add({ a: 3, b: 1 }, { timeoutMs: 5_000 })), { sum: 4 }, "its own");
  await world.run(live.close());
});

test("a file never says of a method what its contract does not", async () => {
  const methods = (text: string): string => yaml(`services: { calc.v1.Calculator: { methods: ${text} } }\n`);
  const world = await simulated(methods("{}"));
  const live = await world.open("here");
  const client = live.client(Calculator);
  for (const [text, why] of [
    ["{ sub: { idempotent: true } }", /sub\.idempotent is true, but the contract says that a repeat may act twice/],
    ["{ sub: { hedge: { delayMs: 5 } } }", /methods\.sub\.hedge: a hedge carries a call out twice/],
    ["{ ad: { timeoutMs: 5 } }", /methods\.ad: the contract has no method of that name; did you mean "add"\?/],
  ] as const) {
    world.file.set(methods(text));
    const result = await world.run(live.reload());
    assert.ok(result.kind === "refused", text);
    assert.match(result.why, why);
    assert.deepEqual(live.current.services, { "calc.v1.Calculator": { methods: {} } });
  }
  assert.deepEqual(await world.run(client.add({ a: 1, b: 1 })), { sum: 2 });
  await world.run(live.close());
});

test("a gateway changes rules, timeouts, policies, limits and regions at one instant, or not at all", async () => {
  const file = (gateway: string, more = ""): string =>
    yaml(`gateways: { main: { host: gateway, port: 1${gateway} } }\n${more}`);
  const world = await simulated(file(""));
  const live = await world.open("gateway");
  const made = await world.run(live.gateway("main"));
  const client = world.through("gateway:1");
  assert.deepEqual(await world.run(client.add({ a: 1, b: 1 })), { sum: 2 });
  world.behaviour.delayMs = 300;
  const inFlight = client.add({ a: 5, b: 1 });
  await world.run(new Promise<void>((resolve) => world.simulation.at(world.simulation.nowMs + 50, resolve)));

  const shut = ", rules: [{ name: shut, match: { method: sub }, to: { reject: { code: aborted, message: shut } } }]";
  world.file.set(file(shut, "client: { picker: roundRobin }\nservices: { calc.v1.Calculator: { methods: { add: " +
    "{ timeoutMs: 100 } } } }\nregions: { eu-west: {}, us-east: { drained: true } }\n"));
  assert.equal((await world.run(live.reload())).kind, "changed");
  assert.deepEqual(await world.run(inFlight), { sum: 6 }, "what was in flight ends as it began");
  assert.equal((await world.run(failed(client.sub({ a: 1, b: 1 })))).message, "shut");
  assert.equal((await world.run(failed(client.add({ a: 1, b: 1 }, { timeoutMs: 5_000 })))).code, "deadline_exceeded");
  assert.deepEqual(live.control.drained(), ["us-east"]);

  const before = JSON.stringify([live.current, made.rules.current, live.control.version]);
  world.file.set(file(`${shut}, weight: -1`, "regions: { eu-west: { drained: true } }\n"));
  const refused = await world.run(live.reload());
  assert.ok(refused.kind === "refused");
  assert.match(refused.why, /^meridian\.yaml:3:\d+: gateways\.main\.weight: expected a number from 0/);
  world.file.set(undefined);
  assert.equal((await world.run(live.reload())).kind, "refused");
  assert.equal(JSON.stringify([live.current, made.rules.current, live.control.version]), before);
  assert.equal(world.events.filter(([name]) => name === "config.refused").length, 2);

  world.file.set(file(", weight: 3, region: us-east").replace("port: 1", "port: 2"));
  assert.equal((await world.run(live.reload())).kind, "changed");
  assert.deepEqual([...live.waiting].sort(), ["gateways.main.port", "gateways.main.region"]);
  assert.deepEqual(live.control.drained(), []);
  world.behaviour.delayMs = 0;
  assert.deepEqual(await world.run(client.sub({ a: 1, b: 1 })), { sum: 2 }, "where it listened, it listens");
  client.$.close(0);
  await world.run(live.close());
});

test("what others drained is theirs to let back; a file's own drains go with it", async () => {
  const world = await simulated(yaml("regions: { eu-west: {}, us-east: { drained: true } }\n"));
  const live = await world.open("here");
  live.control.drain("eu-west");
  world.file.set(yaml("regions: { eu-west: {}, us-east: {} }\n"));
  await world.run(live.reload());
  assert.deepEqual(live.control.drained(), ["eu-west"]);
  await world.run(live.close());
});

test("a server changes weight and limits while it serves, and what it cannot is told to wait", async () => {
  const file = (weight: number, more = ""): string =>
    yaml(`servers: { one: { host: here, port: 5, weight: ${weight}, limits: { maxInFlight: 1 }${more} } }\n`);
  const world = await simulated(file(1));
  const live = await world.open("here");
  const made = await world.run(live.server("one", { setup: (server) => {
    server.implement(Calculator, {
      add: async ({ a, b }) => {
        await new Promise<void>((resolve) => world.simulation.at(world.simulation.nowMs + 100, resolve));
        return { sum: a + b };
      },
      sub: ({ a, b }) => ({ sum: a - b }),
    });
  } }));
  const client = world.through("here:5");
  const both = () => Promise.allSettled([client.add({ a: 1, b: 1 }), client.add({ a: 1, b: 1 })]);
  assert.deepEqual((await world.run(both())).map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  world.file.set(file(5, ", zone: b").replace("maxInFlight: 1 ", "maxInFlight: 10 "));
  assert.equal((await world.run(live.reload())).kind, "changed");
  assert.deepEqual(live.waiting, ["servers.one.zone"]);
  assert.deepEqual((await world.run(both())).map(({ status }) => status), ["fulfilled", "fulfilled"]);
  assert.equal(made.address, "here:5");
  client.$.close(0);
  await world.run(live.close());
});

test("who may call what changes with the file, and the section never vanishes by a slip", async () => {
  const file = (methods: string): string => yaml(`gateways: { main: { host: gateway, port: 1 } }
security: { rules: [{ name: all, who: anyone, service: calc.v1.Calculator, method: ${methods} }] }
`);
  const world = await simulated(file("add"));
  const live = await world.open("gateway");
  await world.run(live.gateway("main"));
  const client = world.through("gateway:1");
  assert.deepEqual(await world.run(client.add({ a: 1, b: 1 })), { sum: 2 });
  assert.equal((await world.run(failed(client.sub({ a: 1, b: 1 })))).code, "unauthenticated");
  world.file.set(file("[add, sub]"));
  assert.equal((await world.run(live.reload())).kind, "changed");
  assert.deepEqual(live.waiting, []);
  assert.deepEqual(await world.run(client.sub({ a: 1, b: 1 })), { sum: 2 });
  world.file.set(file("add"));
  await world.run(live.reload());
  world.file.set(yaml("gateways: { main: { host: gateway, port: 1 } }\n"));
  assert.equal((await world.run(live.reload())).kind, "changed");
  assert.deepEqual(live.waiting, ["security"]);
  assert.equal((await world.run(failed(client.sub({ a: 1, b: 1 })))).code, "unauthenticated");
  client.$.close(0);
  await world.run(live.close());
});

test("a section that only begins to be there is a change too", () => {
  const told = configDiff({ client: {} }, { client: { probes: {} }, admin: {} });
  assert.deepEqual(told.map(({ key, old, new: now, needsRestart }) => [key, old, now, needsRestart]),
    [["client.probes", undefined, "{}", false], ["admin", undefined, "{}", true]]);
});
