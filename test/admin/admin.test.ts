// The admin of a gateway in the simulator: what it shows, and what it changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Happening, mergedAdminOn, type Snapshot } from "../../src/admin/index.ts";
import { type Metadata, RpcError } from "../../src/core/index.ts";
import { createPlace, Shop, within } from "./world.ts";

async function place() {
  const world = await createPlace();
  await world.run(Promise.all([
    world.serve("eu", "eu-a", { version: "1" }), world.serve("eu", "eu-b", { version: "2" }), world.serve("us", "us-a"),
  ]));
  const eu = await world.run(world.stand("eu"));
  const us = await world.run(world.stand("us"));
  const shop = world.client("eu");
  // Everybody is connected to: so far apart that takes a while.
  await world.run(shop.read({ ms: 1 }));
  await world.pass(500);
  const many = async (count: number, ms = 1): Promise<string[]> => {
    const by: string[] = [];
    for (let i = 0; i < count; i++) by.push((await world.run(shop.read({ ms }))).by);
    return by;
  };
  return { ...world, eu, us, shop, many, ask: within(eu.admin) };
}

async function failure(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    return RpcError.from(error);
  }
  assert.fail("expected a failure");
}

test("a snapshot has regions, flows, services and methods with the figures of the interval", async () => {
  const { many, pass, eu, shop, run } = await place();
  await many(1);
  await pass(1_000 - (await many(1)).length);
  const before = eu.admin.snapshot();
  assert.equal(before, eu.admin.snapshot(), "one a tick");
  await many(40, 2);
  await run(shop.pay({ ms: -1 }).catch(() => undefined));
  await pass(1_000);
  await pass(1);
  const { flows, services, regions, intervalMs } = eu.admin.snapshot();
  void before;
  assert.equal(intervalMs, 1_000);
  const seen: Snapshot = eu.admin.snapshot();
  assert.deepEqual(flows.map(({ from, to }) => `${from}>${to}`), seen.flows.length === 0 ? [] : ["eu>eu"]);
  assert.deepEqual(regions.map(({ name, endpoints, ready, drained }) => [name, endpoints, ready, drained]),
    [["eu", 2, 2, false], ["us", 1, 1, false]]);
  const [one] = services;
  assert.deepEqual([one?.service, one?.endpoints, one?.ready, one?.endpointsHere], ["shop.v1.Shop", 3, 3, 2]);
  assert.deepEqual(one?.methods.map(({ method }) => method).sort(), ["pay", "read"]);
});

test("figures add up to the calls that were made", async () => {
  const { many, pass, eu, shop, run, simulation } = await place();
  await many(5);
  let [calls, errors, attempts] = [0, 0, 0];
  let worst = 0;
  let seen = eu.admin.snapshot();
  const watch = (): void => {
    const now = eu.admin.snapshot();
    if (now === seen) return;
    seen = now;
    for (const { figures } of now.services) {
      calls += figures.callsPerSecond * now.intervalMs / 1_000;
      errors += figures.errorsPerSecond * now.intervalMs / 1_000;
      worst = Math.max(worst, figures.latency.maxMs);
    }
    for (const { figures } of now.flows) attempts += figures.callsPerSecond * now.intervalMs / 1_000;
  };
  await pass(1_001);
  watch();
  [calls, errors, attempts, worst] = [0, 0, 0, 0];
  for (let i = 0; i < 100; i++) {
    await run(shop.read({ ms: 15 }));
    watch();
  }
  for (let i = 0; i < 10; i++) {
    await run(shop.pay({ ms: -1 }).catch(() => undefined));
    // Many failures in a row would send the client elsewhere.
    await run(shop.read({ ms: 1 }));
    watch();
  }
  for (let i = 0; i < 12; i++) {
    await pass(100);
    watch();
  }
  assert.equal(Math.round(calls), 120, `at ${simulation.nowMs}`);
  assert.equal(Math.round(errors), 10);
  assert.equal(Math.round(attempts), 120);
  assert.ok(worst >= 15 && worst < 30, `${worst}`);
});

test("a failed call leaves a record: where it went, why, and where its time went", async () => {
  const { shop, run, ask, many } = await place();
  await many(2);
  const error = await failure(run(shop.pay({ ms: -1 })));
  assert.equal(error.code, "internal");
  const { decisions } = await ask.decisions({ code: "internal" });
  const [one] = decisions;
  assert.equal(decisions.length, 1);
  assert.equal(one?.kept, "failed");
  assert.equal(one?.service, "shop.v1.Shop");
  assert.equal(one?.method, "pay");
  assert.equal(one?.from, "eu");
  const [attempt] = one?.attempts ?? [];
  assert.match(attempt?.endpoint ?? "", /^eu-[ab]:1$/);
  assert.equal(attempt?.code, "internal");
  assert.match(attempt?.route ?? "", /^eu 100 %/);
  assert.equal(attempt?.seen, "end");
  assert.deepEqual(attempt?.candidates.map(({ region }) => region).sort(), ["eu", "eu", "us"]);
  assert.equal(attempt?.candidates[0]?.chosen, true);
  const far = attempt?.candidates.find(({ region }) => region === "us");
  assert.equal(far?.rejected, "nearer regions have room for all");
  assert.deepEqual(one?.phases.map(({ name }) => name), ["network and server"]);
  assert.deepEqual(await ask.why({ id: one?.id ?? "" }), one);
  assert.equal((await failure(ask.why({ id: "nobody" }))).code, "not_found");
});

test("a call that asks is answered with the id of its record, which parts network and server", async () => {
  const { shop, run, ask, many } = await place();
  await many(2);
  let trailer: Metadata = {};
  await run(shop.read({ ms: 20 }, {
    metadata: { "meridian-why": "1", "traceparent": `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01` },
    onMetadata: (kind, metadata) => {
      if (kind === "trailer") trailer = { ...trailer, ...metadata };
    },
  }));
  const id = trailer["meridian-decision"] ?? "";
  assert.match(id, /^[0-9a-f]{16}$/);
  const record = await ask.why({ id });
  assert.equal(record.kept, "asked");
  assert.equal(record.code, "ok");
  assert.equal(record.attempts[0]?.seen, "pick");
  assert.equal(record.attempts[0]?.candidates.filter(({ chosen }) => chosen).length, 1);
  assert.ok(record.attempts[0]?.candidates.some(({ score }) => score !== undefined));
  assert.deepEqual(record.phases.map(({ name }) => name), ["network", "server", "network"]);
  const server = record.phases.find(({ name }) => name === "server");
  assert.ok(server !== undefined && Math.abs(server.endMs - server.startMs - 20) < 2, JSON.stringify(record.phases));
  assert.equal((await ask.why({ id: "ab".repeat(16) })).id, id, "by its trace id too");
});

test("a call that was repeated tells of each attempt, and why it was made", async () => {
  const { shop, run, ask, many, eu } = await place();
  // So many that the budget of retries allows two.
  await many(60);
  await ask.inject({
    service: "shop.*", region: "eu", percent: 100, code: "unavailable", seconds: 60, reason: "drill",
  });
  const { by } = await run(shop.read({ ms: 1 }));
  assert.equal(by, "us-a");
  const { decisions } = await ask.decisions({ kept: "repeated" });
  const [one] = decisions;
  assert.ok(one !== undefined && one.attempts.length >= 2, JSON.stringify(decisions));
  assert.equal(one.code, "ok");
  const [first, second] = one.attempts;
  assert.deepEqual([first?.kind, first?.code, second?.kind], ["first", "unavailable", "retry"]);
  assert.match(second?.because ?? "", /unavailable: a fault was injected here to rehearse it/);
  assert.equal(second?.seen, "pick");
  const tried = second?.candidates.find(({ endpoint }) => endpoint === first?.endpoint);
  assert.equal(tried?.rejected, "an earlier attempt of the call went there");
  assert.equal(one.attempts.at(-1)?.region, "us");
  assert.ok(eu.admin.happenings.since(undefined, 50).some(({ name }) => name === "fault.injected"));
  assert.equal((await ask.faults({})).faults.length, 1);
  assert.match((await ask.clearFault({ reason: "over" })).text, /1 fault ended/);
  assert.ok((await many(6)).every((one) => one.startsWith("eu-")));
});

test("a region is drained and let back, with reason, and no call fails", async () => {
  const { many, ask, pass, eu } = await place();
  await many(2);
  assert.equal((await failure(ask.drain({ region: "moon", reason: "" }))).code, "not_found");
  assert.equal((await failure(ask.drain({ reason: "" }))).code, "invalid_argument");
  await ask.drain({ region: "eu", reason: "new racks" });
  assert.deepEqual(new Set(await many(6)), new Set(["us-a"]));
  await pass(1_001);
  const row = eu.admin.snapshot().regions.find(({ name }) => name === "eu");
  assert.deepEqual([row?.drained, row?.drainReason], [true, "new racks"]);
  await ask.undrain({ region: "eu", reason: "racks are in" });
  // It is held down and comes back by a ramp, as after a failure.
  for (let i = 0; i < 12; i++) {
    await pass(10_000);
    await many(2);
  }
  assert.deepEqual(new Set(await many(40)), new Set(["eu-a", "eu-b"]));
  const { lines } = await ask.audit({});
  assert.deepEqual(lines.map(({ action, target, reason, allowed }) => [action, target, reason, allowed]).slice(0, 2), [
    ["undrain", "region eu", "racks are in", true], ["drain", "region eu", "new racks", true],
  ]);
  assert.ok(lines.some(({ outcome }) => outcome.startsWith("failed: no region is called")));
});

test("an endpoint is drained by its id, shown so, and let back", async () => {
  const { many, ask, pass } = await place();
  await many(2);
  assert.equal((await failure(ask.drain({ endpoint: "nobody:1", reason: "" }))).code, "not_found");
  await ask.drain({ endpoint: "eu-a:1", reason: "disk" });
  // Half of the region's servers carry 70 % of its calls (overprovisioning), so another may have the rest.
  assert.ok(!(await many(10)).includes("eu-a"));
  const { endpoints, total } = await ask.endpoints({ region: "eu" });
  assert.equal(total, 2);
  const row = endpoints.find(({ id }) => id === "eu-a:1");
  assert.deepEqual([row?.status, row?.evidence, row?.role, row?.seenBy],
    ["draining", ["operator: drained by the operator"], "active", "eu/gateway"]);
  assert.deepEqual((await ask.endpoints({ search: "version=2" })).endpoints.map(({ id }) => id), ["eu-b:1"]);
  assert.deepEqual((await ask.endpoints({ status: "ready", region: "eu" })).endpoints.map(({ id }) => id), ["eu-b:1"]);
  await ask.undrain({ endpoint: "eu-a:1", reason: "disk replaced" });
  await pass(11_000);
  assert.ok((await many(20)).includes("eu-a"));
});

test("rules are read and set by version, and a split is a rule that another replaces", async () => {
  const { many, ask, pass, eu } = await place();
  await many(2);
  const { version, rulesJson } = await ask.rules({});
  assert.equal(rulesJson, "[]");
  const wanted = JSON.stringify([{ name: "two", match: { method: "read" }, to: { attributes: { version: "2" } } }]);
  assert.equal((await failure(ask.setRules({ version: version + 1n, rulesJson: wanted, reason: "" }))).code, "aborted");
  assert.match((await failure(ask.setRules({ version, rulesJson: '[{"name":1}]', reason: "" }))).message, /rules/);
  assert.match((await failure(ask.setRules({ version, rulesJson: "[", reason: "" }))).message, /no JSON/);
  const set = await ask.setRules({ version, rulesJson: wanted, reason: "try" });
  assert.equal(set.text, "rules: added two");
  assert.deepEqual(new Set(await many(8)), new Set(["eu-b"]));
  await pass(1_001);
  assert.ok(((await ask.rules({})).shares.find(({ rule }) => rule === "two")?.callsPerSecond ?? 0) > 0);
  await ask.setRules({ version: set.version, rulesJson: "[]", reason: "done" });
  const nowhere = await failure(ask.split({ service: "shop.v1.Shop", percent: 10, reason: "" }));
  assert.equal(nowhere.code, "invalid_argument");
  await ask.split({ service: "shop.v1.Shop", percent: 100, attributes: { version: "1" }, reason: "" });
  assert.deepEqual(new Set(await many(8)), new Set(["eu-a"]));
  const half = await ask.split({ service: "shop.v1.Shop", percent: 50, attributes: { version: "2" }, reason: "" });
  assert.equal(half.text, "50 % of shop.v1.Shop goes to version=2");
  assert.equal(eu.admin.rules.current.length, 1);
  assert.match((await ask.split({ service: "shop.v1.Shop", percent: 0, reason: "" })).text, /split no more/);
  assert.equal(eu.admin.rules.current.length, 0);
});

test("a decision names the rule that sent it where it went", async () => {
  const { shop, run, ask, many } = await place();
  await many(2);
  await ask.split({ service: "shop.v1.Shop", percent: 100, attributes: { version: "2" }, reason: "canary" });
  let id = "";
  await run(shop.read({ ms: 1 }, {
    metadata: { "meridian-why": "1" },
    onMetadata: (_kind, metadata) => void (id = metadata["meridian-decision"] ?? id),
  }));
  const [attempt] = (await ask.why({ id })).attempts;
  assert.equal(attempt?.rule, "split:shop.v1.Shop");
  assert.match(attempt?.candidates.find(({ endpoint }) => endpoint === "eu-a:1")?.rejected ?? "",
    /rule "split:shop\.v1\.Shop" sends elsewhere: to attributes version=2/);
});

test("copies go to a mirror, of safe methods alone, and neither delay nor fail the call", async () => {
  const { serve, run, ask, many, shop, handled, pass } = await place();
  await run(serve("eu", "shadow", {}, "shop.v2.Shop"));
  await many(2);
  await ask.mirror({ service: "shop.v1.Shop", percent: 100, toService: "shop.v2.Shop", reason: "try v2" });
  handled.length = 0;
  const by = await many(5);
  await run(shop.pay({ ms: 1 }));
  await pass(100);
  assert.ok(by.every((one) => one.startsWith("eu-")));
  assert.equal(handled.filter((one) => one === "shadow read 1").length, 5);
  assert.equal(handled.filter((one) => one.startsWith("shadow pay")).length, 0);
  const [mirror] = (await ask.faults({})).mirrors;
  assert.deepEqual([mirror?.sent, mirror?.dropped, mirror?.toService], [5n, 1n, "shop.v2.Shop"]);
  await ask.mirror({ service: "shop.v1.Shop", percent: 100, toService: "shop.v9.Gone", reason: "nobody there" });
  await many(3);
  await pass(6_000);
  assert.equal((await ask.faults({})).mirrors[0]?.failed, 3n);
  const over = await ask.mirror({ service: "shop.v1.Shop", percent: 0, toService: "-", reason: "" });
  assert.match(over.text, /any more/);
});

test("an operator calls by contract, in JSON, and gets the record beside the reply", async () => {
  const { run, ask, many } = await place();
  await many(2);
  const collect = async (items: AsyncIterable<{ replyJson?: string | undefined; code?: string | undefined }>) => {
    const all = [];
    for await (const one of items) all.push(one);
    return all as { replyJson?: string; code?: string; message?: string; decision?: { kept: string } }[];
  };
  const unary = await run(collect(ask.call({ service: Shop.name, method: "read", requestJson: '{"ms":1}' })));
  assert.match(unary[0]?.replyJson ?? "", /^\{"by":"eu-[ab]"\}$/);
  assert.deepEqual([unary[1]?.code, unary[1]?.decision?.kept], ["ok", "asked"]);
  const stream = await run(collect(ask.call({ service: Shop.name, method: "watch", requestJson: '{"count":3}' })));
  assert.deepEqual(stream.map(({ code }) => code), [undefined, undefined, undefined, "ok"]);
  const failed = await run(collect(ask.call({ service: Shop.name, method: "pay", requestJson: '{"ms":-1}' })));
  assert.deepEqual([failed[0]?.code, failed[0]?.message], ["internal", "the till is broken"]);
  const wrong = [
    [{ service: "no.Such", method: "x", requestJson: "{}" }, /no contract is called "no.Such"/],
    [{ service: Shop.name, method: "sell", requestJson: "{}" }, /has no method "sell": it has read, pay, watch/],
    [{ service: Shop.name, method: "read", requestJson: '{"ms":"many"}' }, /ms/],
  ] as const;
  for (const [request, message] of wrong) {
    assert.match((await failure(run(collect(ask.call(request))))).message, message);
  }
  const { methods } = await ask.contracts({});
  assert.deepEqual(methods.map(({ method, kind }) => [method, kind]),
    [["read", "unary"], ["pay", "unary"], ["watch", "server_stream"]]);
  assert.match(methods[0]?.inputSchemaJson ?? "", /"ms"/);
});

test("a merged admin adds up, follows who comes, and says who is missing; changes reach all", async () => {
  const { eu, us, run, pass, many, simulation, client } = await place();
  await run(client("us").read({ ms: 1 }));
  const runtime = simulation.host("console");
  const merged = mergedAdminOn(runtime, [
    { name: "eu", calls: within(eu.admin) }, { name: "us", calls: within(us.admin) },
  ]);
  const dead = new RpcError("unavailable", "connection refused");
  await many(20);
  await pass(1_500);
  const all = merged.snapshot();
  assert.deepEqual(all.missing, []);
  assert.deepEqual(all.regions.map(({ name, endpoints, ready }) => [name, endpoints, ready]),
    [["eu", 2, 2], ["us", 1, 1]]);
  assert.deepEqual([all.services[0]?.endpoints, all.services[0]?.ready], [3, 3]);
  const ask = within(merged);
  await run(ask.drain({ region: "us", reason: "storm" }));
  assert.ok(eu.admin.control.isDrained("us") && us.admin.control.isDrained("us"));
  await pass(1_500);
  assert.deepEqual(merged.snapshot().regions.map(({ drained }) => drained), [false, true]);
  assert.ok(merged.snapshot().happenings.some(({ text }) => text.startsWith("us: region us is drained: storm")));
  await run(ask.undrain({ region: "us", reason: "" }));
  const { version } = await run(ask.rules({}));
  await run(ask.setRules({ version, rulesJson: '[{"name":"r","to":{}}]', reason: "" }));
  assert.deepEqual([eu.admin.rules.current.length, us.admin.rules.current.length], [1, 1]);
  const { endpoints } = await run(ask.endpoints({}));
  assert.equal(new Set(endpoints.map(({ id }) => id)).size, endpoints.length, "each once");
  const broken = { ...within(us.admin), describe: () => Promise.reject(dead), drain: () => Promise.reject(dead) };
  merged.follow([{ name: "eu", calls: within(eu.admin) }, { name: "us", calls: broken }]);
  await pass(1_500);
  assert.deepEqual(merged.snapshot().missing, [{ name: "us", why: "connection refused" }]);
  assert.match((await run(ask.drain({ region: "us", reason: "" }))).text, /us did not: connection refused/);
  merged.close();
});

test("a watch tells the state at once, then every interval, with what is new", async () => {
  const { eu, ask, pass } = await place();
  eu.admin.happenings.note("first", "one");
  const items = ask.watch({})[Symbol.asyncIterator]();
  const one = await items.next();
  assert.ok(one.value?.happenings.some(({ text }: Happening) => text === "one"));
  eu.admin.happenings.note("second", "two");
  const next = items.next();
  await pass(1_001);
  const two = await next;
  assert.deepEqual(two.value?.happenings.filter(({ name }: Happening) => name === "first" || name === "second")
    .map(({ text }: Happening) => text), ["two"]);
  await items.return?.();
  eu.admin.close();
});
