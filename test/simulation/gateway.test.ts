// A gateway in the simulator: who gets a call, what becomes of it when servers and gateways come and go.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { type ClientOptions, createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { type Context, type Metadata, RpcError, type Runtime } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import {
  byRules, createGatewayOn, createRules, type GatewayOptions, gatewayServiceName, proxyTimes, type Rule,
  upstreamTrailer,
} from "../../src/gateway/index.ts";
import { regionControl } from "../../src/region/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn, type Server, type ServerOptions } from "../../src/server/index.ts";

const answer = z.object({ by: z.string(), times: z.int32(), leftMs: z.number() });
const Shop = service("shop.v1.Shop", {
  read: rpc({ input: z.object({ ms: z.int32() }), output: answer, idempotent: true }),
  pay: rpc({ input: z.object({ ms: z.int32() }), output: answer }),
  book: rpc({ input: z.object({ ms: z.int32() }), output: answer, idempotent: "keyed" }),
  find: rpc({
    input: z.object({ tenant: z.string() }), output: answer, idempotent: true, routeKey: ({ tenant }) => tenant,
  }),
  watch: rpc({ kind: "server_stream", input: z.object({ ms: z.int32() }), output: answer }),
});

/** One simulated world with a directory of who serves what, and everything that was ever handled. */
function createPlace(seed = 1) {
  const simulation = createSimulation({ seed, link: { latencyMs: 1 } });
  simulation.link("us", "eu", { latencyMs: 40 });
  const known = memoryDiscovery();
  const handled: { by: string; method: string; key: string | undefined }[] = [];
  const cancelled: string[] = [];

  const serve = async (region: string, name: string, options: ServerOptions = {}): Promise<Server> => {
    const runtime = simulation.host(name, { region });
    const wait = (ms: number) => new Promise<void>((resolve) => void runtime.clock.after(ms, resolve));
    const handle = async ({ ms = 0 }: { ms?: number }, context: Context) => {
      const { idempotencyKey: key, method } = context;
      handled.push({ by: name, method: method.name, key });
      context.onCancel({ cancelled: (reason) => void cancelled.push(`${name} ${reason.code}`) });
      const times = handled.filter((one) => key !== undefined && one.key === key).length;
      const leftMs = context.deadline - runtime.clock.now();
      await wait(ms);
      return { by: name, times, leftMs };
    };
    const server = createServerOn(runtime, { region, registry: known, ...options }).implement(Shop, {
      read: handle, pay: handle, book: handle, find: (_input, context) => handle({}, context),
      async *watch({ ms }) {
        for (let i = 0; i < 3; i++) {
          await wait(ms);
          yield { by: name, times: i, leftMs: 0 };
        }
      },
    });
    await server.listen({ host: name, port: 1 });
    return server;
  };
  const stand = async (region: string, name: string, options: Partial<GatewayOptions> = {}) => {
    const runtime = simulation.host(name, { region });
    const gateway = createGatewayOn(runtime, { region, discovery: known, registry: known, ...options });
    await gateway.listen({ host: name, port: 1 });
    return gateway;
  };
  const client = (region: string, options: Partial<ClientOptions> = {}) => {
    const runtime = simulation.host(`client-${region}-${handled.length}`, { region });
    const shop = createClientOn(runtime, Shop, { region, discovery: known, name: gatewayServiceName, ...options });
    return { runtime, shop };
  };
  const run = (main: () => Promise<void>) => simulation.runUntil(main(), 600_000);
  return { simulation, known, handled, cancelled, serve, stand, client, run };
}

async function failure(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    return RpcError.from(error);
  }
  throw new assert.AssertionError({ message: "expected the call to fail" });
}

const sleep = (runtime: Runtime, ms: number) => new Promise<void>((resolve) => void runtime.clock.after(ms, resolve));

test("a service that nobody serves is named; once somebody does, the next call is answered", async () => {
  const { run, stand, serve, client } = createPlace();
  await run(async () => {
    await stand("eu", "gateway");
    const { shop, runtime } = client("eu");
    const error = await failure(shop.read({ ms: 0 }));
    assert.equal(error.code, "unavailable");
    assert.match(error.message, /nobody serves "shop\.v1\.Shop"/);
    await serve("eu", "server");
    await sleep(runtime, 100);
    assert.equal((await shop.read({ ms: 0 })).by, "server");
  });
});

test("servers join and leave under load without a failed call", async () => {
  const { run, stand, serve, client, handled } = createPlace();
  await run(async () => {
    await stand("eu", "gateway");
    let server = await serve("eu", "server-0");
    const { shop, runtime } = client("eu", { retry: false });
    const calls: Promise<unknown>[] = [];
    const until = new AbortController();
    const load = (async () => {
      for (; !until.signal.aborted; await sleep(runtime, 2)) calls.push(shop.pay({ ms: 5 }));
    })();
    for (let i = 1; i <= 10; i++) {
      const next = await serve("eu", `server-${i}`);
      await sleep(runtime, 50);
      await server.close();
      await sleep(runtime, 50);
      server = next;
    }
    until.abort();
    await load;
    await Promise.all(calls);
    assert.ok(calls.length > 400);
    assert.equal(handled.length, calls.length);
    assert.equal(new Set(handled.map(({ by }) => by)).size, 11);
  });
});

test("a server dies in mid-call: what bears a repeat is repeated under its key; what does not, never", async () => {
  const { run, simulation, stand, serve, client, handled } = createPlace();
  await run(async () => {
    await stand("eu", "gateway");
    await serve("eu", "server-a");
    const { shop, runtime } = client("eu");
    await shop.read({ ms: 0 });
    handled.length = 0;
    const calls = [shop.read({ ms: 500 }), shop.book({ ms: 500 }), failure(shop.pay({ ms: 500 }))] as const;
    await sleep(runtime, 50);
    assert.equal(handled.length, 3);
    await serve("eu", "server-b");
    await sleep(runtime, 50);
    simulation.crash("server-a", { isSilent: false });
    const [read, book, error] = await Promise.all(calls);
    assert.equal(read.by, "server-b");
    assert.equal(book.by, "server-b");
    assert.equal(book.times, 2, "the repeat bears the key of the first attempt");
    assert.equal(error.code, "unavailable");
    assert.equal(error.neverStarted, false, "nobody knows whether it happened");
    assert.match(error.message, /connection was lost before the reply/);
    assert.equal(handled.filter(({ method }) => method === "pay").length, 1);
  });
});

test("the deadline shrinks by what the gateway took, and a passed one ends the call everywhere", async () => {
  const { run, stand, serve, client, cancelled } = createPlace();
  await run(async () => {
    await stand("eu", "gateway");
    await serve("eu", "server");
    const { shop, runtime } = client("eu");
    // The first call waits at the gateway for its connection to the server.
    const { leftMs } = await shop.read({ ms: 0 }, { timeoutMs: 1_000 });
    assert.ok(leftMs <= 997 && leftMs > 950, `${leftMs} ms are left of 1,000`);
    const error = await failure(shop.pay({ ms: 5_000 }, { timeoutMs: 200 }));
    assert.equal(error.code, "deadline_exceeded");
    await sleep(runtime, 50);
    assert.deepEqual(cancelled, ["server deadline_exceeded"]);
  });
});

test("a cancellation arrives at the server", async () => {
  const { run, stand, serve, client, cancelled } = createPlace();
  await run(async () => {
    await stand("eu", "gateway");
    await serve("eu", "server");
    const { shop, runtime } = client("eu");
    const stop = new AbortController();
    const call = failure(shop.pay({ ms: 5_000 }, { signal: stop.signal }));
    await sleep(runtime, 50);
    stop.abort();
    assert.equal((await call).code, "cancelled");
    await sleep(runtime, 50);
    assert.deepEqual(cancelled, ["server cancelled"]);
  });
});

test("a region without servers is served by another's gateway; no two gateways send a call to and fro", async () => {
  const { run, stand, serve, client, known, handled } = createPlace();
  await run(async () => {
    const [us] = await Promise.all([stand("us", "gateway-us"), stand("eu", "gateway-eu")]);
    const server = await serve("eu", "server-eu");
    const { shop, runtime } = client("us");
    assert.equal((await shop.read({ ms: 0 })).by, "server-eu");
    assert.deepEqual(us.endpoints(Shop.name).map(({ address }) => address.address), ["gateway-eu:1"]);
    // Each gateway is told that only the other one's region serves: the worst that a stale registry can say.
    await server.close();
    known.register(Shop.name, { address: "nobody:1", region: "us" });
    known.register(Shop.name, { address: "nobody:2", region: "eu" });
    await sleep(runtime, 100);
    const startedMs = runtime.clock.now();
    const error = await failure(shop.read({ ms: 0 }, { timeoutMs: 5_000 }));
    assert.equal(error.code, "unavailable");
    assert.ok(runtime.clock.now() - startedMs < 4_000);
    assert.equal(handled.length, 1);
  });
});

test("one switch drains a region, at gateway and client; the other one serves meanwhile", async () => {
  const { run, stand, serve, client } = createPlace();
  await run(async () => {
    const control = regionControl();
    await Promise.all([stand("us", "gateway-us", { control }), stand("eu", "gateway-eu", { control })]);
    await Promise.all([serve("us", "server-us"), serve("eu", "server-eu")]);
    const { shop, runtime } = client("us");
    const direct = client("us", { name: Shop.name, regions: { control } }).shop;
    assert.equal((await shop.read({ ms: 0 })).by, "server-us");
    const running = shop.pay({ ms: 300 });
    await sleep(runtime, 10);
    control.drain("us");
    for (let i = 0; i < 20; i++) {
      assert.equal((await shop.read({ ms: 0 })).by, "server-eu");
      assert.equal((await direct.read({ ms: 0 })).by, "server-eu");
    }
    assert.equal((await running).by, "server-us", "a call in flight goes on");
    control.undrain("us");
    // It comes back as after a failure: held down for a while, then by a ramp.
    const home: boolean[] = [];
    for (let i = 0; i < 600; i++) {
      home.push((await shop.read({ ms: 0 })).by === "server-us");
      await sleep(runtime, 100);
    }
    assert.ok(home.slice(0, 30).every((isHome) => !isHome));
    assert.ok(home.slice(-100).every((isHome) => isHome));
  });
});

const residency: readonly Rule[] = [
  { name: "eu-residency", match: { routeKey: "eu-*" }, to: { regions: ["eu"] } },
];

test("residency: no call ever leaves, not even when all allowed are down, at gateway or client", async () => {
  const { run, simulation, stand, serve, client, handled } = createPlace();
  await run(async () => {
    await Promise.all(["us", "eu"].map((region) => stand(region, `gateway-${region}`, { rules: residency })));
    await Promise.all([serve("us", "server-us"), serve("eu", "server-eu")]);
    const { shop, runtime } = client("us");
    const direct = client("us", {
      name: Shop.name, routing: (makePicker) => byRules(createRules(residency), makePicker),
    }).shop;
    for (let i = 0; i < 50; i++) {
      assert.equal((await shop.find({ tenant: `eu-${i}` })).by, "server-eu");
      assert.equal((await direct.find({ tenant: `eu-${i}` })).by, "server-eu");
      assert.equal((await shop.find({ tenant: `us-${i}` })).by, "server-us");
    }
    simulation.crash("server-eu", { isSilent: false });
    await sleep(runtime, 1_000);
    handled.length = 0;
    for (let i = 0; i < 30; i++) {
      for (const one of [shop, direct]) {
        const error = await failure(one.find({ tenant: `eu-${i}` }, { timeoutMs: 500 }));
        assert.ok(["unavailable", "deadline_exceeded"].includes(error.code), error.message);
      }
    }
    const error = await failure(client("eu").shop.find({ tenant: "eu-1" }));
    assert.match(error.message, /rule "eu-residency" sends this call to region eu only/);
    assert.deepEqual(handled, []);
    assert.equal((await shop.find({ tenant: "us-1" })).by, "server-us");
  });
});

test("a canary gets its share by attributes, also where it is behind another region's gateway", async () => {
  const { run, stand, serve, client } = createPlace();
  await run(async () => {
    const rules: readonly Rule[] = [
      { name: "canary", match: { method: "read", hashPercent: 10 }, to: { attributes: { version: "2" } } },
      { name: "stable", match: { method: "read" }, to: { attributes: { version: "1" } } },
    ];
    await Promise.all(["us", "eu"].map((region) => stand(region, `gateway-${region}`, { rules })));
    await serve("us", "stable-us", { attributes: { version: "1" } });
    await serve("eu", "stable-eu", { attributes: { version: "1" } });
    await serve("eu", "canary-eu", { attributes: { version: "2" } });
    const { shop } = client("us");
    const by = new Map<string, number>();
    for (let i = 0; i < 1_000; i++) {
      const answered = await shop.read({ ms: 0 });
      by.set(answered.by, (by.get(answered.by) ?? 0) + 1);
    }
    assert.deepEqual([...by].toSorted(([a], [b]) => a.localeCompare(b)), [["canary-eu", 100], ["stable-us", 900]]);
  });
});

test("rules send calls to servers under another name, reject them, and fall back", async () => {
  const { run, stand, serve, client } = createPlace();
  await run(async () => {
    await stand("eu", "gateway", { rules: [
      { name: "shadow", match: { metadata: { "x-shadow": "*" } }, to: { service: "shop.v1.Shop-next" } },
      { name: "closed", match: { method: "pay" }, to: { reject: { code: "permission_denied", message: "closed" } } },
      { name: "mars", match: { method: "book" }, to: { regions: ["mars"], fallback: true } },
    ] });
    await serve("eu", "server");
    await serve("eu", "server-next", { registerAs: ["shop.v1.Shop-next"] });
    const { shop } = client("eu");
    assert.equal((await shop.read({ ms: 0 })).by, "server");
    assert.equal((await shop.read({ ms: 0 }, { metadata: { "x-shadow": "1" } })).by, "server-next");
    assert.equal((await shop.book({ ms: 0 })).by, "server");
    const error = await failure(shop.pay({ ms: 0 }));
    assert.deepEqual([error.code, error.message, error.neverStarted], ["permission_denied", "closed", true]);
  });
});

test("a gateway that closes under load fails no call while another one is there", async () => {
  const { run, stand, serve, client, handled } = createPlace();
  await run(async () => {
    const first = await stand("eu", "gateway-a");
    await stand("eu", "gateway-b");
    await serve("eu", "server");
    const { shop, runtime } = client("eu");
    const calls: Promise<unknown>[] = [];
    const until = new AbortController();
    const load = (async () => {
      for (; !until.signal.aborted; await sleep(runtime, 1)) calls.push(shop.pay({ ms: 20 }));
    })();
    await sleep(runtime, 200);
    await first.close();
    await sleep(runtime, 200);
    until.abort();
    await load;
    await Promise.all(calls);
    assert.equal(handled.length, calls.length);
  });
});

test("rules set 100 times under 1,000 calls/s: no call fails, and each obeys the old rules or the new", async () => {
  const { run, stand, serve, client } = createPlace();
  await run(async () => {
    const to = (color: string): readonly Rule[] => [
      { name: "color", match: { method: ["read", "pay"] }, to: { attributes: { color } } },
      { name: color, match: { method: "find" }, to: {} },
    ];
    const rules = createRules(to("blue"));
    await stand("eu", "gateway", { rules });
    await serve("eu", "blue", { attributes: { color: "blue" } });
    await serve("eu", "green", { attributes: { color: "green" } });
    const { shop, runtime } = client("eu", { retry: false });
    await shop.read({ ms: 0 });
    let color = "blue";
    let changedMs = -Infinity;
    const wrong: string[] = [];
    const calls: Promise<void>[] = [];
    const call = async (): Promise<void> => {
      const startedMs = runtime.clock.now();
      const before = color;
      const { by } = await shop.pay({ ms: 5 });
      // A call during which the rules changed may obey either.
      if (by !== before && changedMs < startedMs) wrong.push(`${by} at ${startedMs}, rules say ${before}`);
    };
    for (let i = 0; i < 2_000; i++) {
      calls.push(call());
      if (i % 20 === 19) {
        color = color === "blue" ? "green" : "blue";
        changedMs = runtime.clock.now();
        rules.set(to(color));
      }
      await sleep(runtime, 1);
    }
    await Promise.all(calls);
    assert.equal(rules.version, 100);
    assert.deepEqual(wrong, []);
  });
});

test("the two parts of a call's time are told apart, of unary calls, errors and streams", async () => {
  const { run, stand, serve, client } = createPlace();
  await run(async () => {
    await stand("eu", "gateway", { timing: true });
    await serve("eu", "server");
    const { shop, runtime } = client("eu");
    await shop.read({ ms: 0 });
    const timed = async (call: (onMetadata: (kind: string, metadata: Metadata) => void) => Promise<unknown>) => {
      let trailer: Metadata | undefined;
      const startedMs = runtime.clock.now();
      await call((kind, metadata) => {
        if (kind === "trailer") trailer = metadata;
      });
      const times = proxyTimes(trailer, runtime.clock.now() - startedMs);
      assert.ok(times !== undefined, "no trailer came");
      return times;
    };
    const read = await timed((onMetadata) => shop.read({ ms: 20 }, { onMetadata }));
    assert.ok(Math.abs(read.proxyServerMs - 22) < 0.2, JSON.stringify(read));
    assert.ok(Math.abs(read.clientProxyMs - 2) < 0.2, JSON.stringify(read));
    assert.equal(read.totalMs, read.clientProxyMs + read.proxyServerMs);
    const stream = await timed(async (onMetadata) => {
      for await (const _ of shop.watch({ ms: 20 }, { onMetadata }));
    });
    assert.ok(Math.abs(stream.proxyServerMs - 62) < 0.5, JSON.stringify(stream));
    assert.ok(Math.abs(stream.clientProxyMs - 2) < 0.5, JSON.stringify(stream));
    assert.equal(proxyTimes({ [upstreamTrailer]: "nonsense" }, 5), undefined);
    assert.equal(proxyTimes(undefined, 5), undefined);
  });
});
