// Deadlines over several services, each called over another wire by the handler of the one before, through a gateway.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn, type ClientOptions } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { endpointAddress, RpcError, type Runtime } from "../../src/core/index.ts";
import { createGatewayOn } from "../../src/gateway/index.ts";
import { connect, grpc, native, type Protocol } from "../../src/protocol/index.ts";
import { createSimulation, type Simulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";

const Hop = service("hop.v1.Hop", {
  go: rpc({ input: z.object({ workMs: z.number() }), output: z.object({ hops: z.int32() }), idempotent: true }),
});

interface Arrival {
  readonly at: string;
  readonly leftMs: number;
  readonly deadline: number;
}

const oneWayMs = 0.2;

/** front -(native)-> gateway -(native)-> a -(gRPC)-> b -(Connect)-> c. Each works before it calls on. */
async function chain(simulation: Simulation, options: Partial<ClientOptions> = {}) {
  const arrivals: Arrival[] = [];
  const pause = (runtime: Runtime, ms: number): Promise<void> =>
    new Promise((resolve) => void runtime.clock.after(ms, resolve));
  const serve = async (name: string, next?: { address: string; protocol: Protocol }): Promise<string> => {
    const runtime = simulation.host(name);
    const onward = next && createClientOn(runtime, Hop, { ...options, ...next });
    return createServerOn(runtime).implement(Hop, {
      go: async (input, context) => {
        const nowMs = runtime.clock.now();
        arrivals.push({ at: name, leftMs: context.deadline - nowMs, deadline: context.deadline });
        await pause(runtime, input.workMs);
        if (onward === undefined) return { hops: 1 };
        return { hops: (await onward.go(input, { context })).hops + 1 };
      },
    }).listen({ host: name, port: 1 });
  };
  const c = await serve("c");
  const b = await serve("b", { address: c, protocol: connect() });
  const a = await serve("a", { address: b, protocol: grpc() });
  const gateway = await createGatewayOn(simulation.host("gateway"), {
    region: "eu",
    discovery: {
      watch(name, watcher) {
        watcher.snapshot(name === Hop.name ? [endpointAddress({ address: a, region: "eu" })] : []);
        return () => undefined;
      },
    },
  }).listen({ host: "gateway", port: 1 });
  const client = createClientOn(simulation.host("front"), Hop, { address: gateway, protocol: native() });
  return { arrivals, client };
}

const world = (): Simulation => createSimulation({ seed: 3, link: { latencyMs: oneWayMs } });

test("each hop has strictly less time than the one before, over native, gateway, gRPC and Connect", async () => {
  const simulation = world();
  await simulation.runUntil((async () => {
    const { client, arrivals } = await chain(simulation);
    const calledMs = simulation.nowMs;
    assert.equal((await client.go({ workMs: 0 }, { timeoutMs: 500 })).hops, 3);
    assert.deepEqual(arrivals.map(({ at }) => at), ["a", "b", "c"]);
    const left = [500, ...arrivals.map(({ leftMs }) => leftMs)];
    for (let i = 1; i < left.length; i++) assert.ok((left[i] ?? 0) < (left[i - 1] ?? 0), left.join());
    // What is reserved at each hop is more than what the way takes, so that deadlines shrink even as points in time.
    const deadlines = [calledMs + 500, ...arrivals.map(({ deadline }) => deadline)].slice(1);
    for (let i = 1; i < deadlines.length; i++) {
      assert.ok((deadlines[i] ?? 0) < (deadlines[i - 1] ?? 0), deadlines.join());
    }
  })(), 60_000);
});

test("what cannot be done in time is not begun further down, and its caller hears in time", async () => {
  const simulation = world();
  await simulation.runUntil((async () => {
    const { client, arrivals } = await chain(simulation);
    await client.go({ workMs: 1 }, { timeoutMs: 500 });
    arrivals.length = 0;
    const beganMs = simulation.nowMs;
    // Two of three can work for 40 ms within 100; the third would be called when its time is up.
    const error = RpcError.from(await client.go({ workMs: 49.5 }, { timeoutMs: 100 }).catch((error: unknown) => error));
    assert.equal(error.code, "deadline_exceeded");
    assert.ok(simulation.nowMs - beganMs <= 101);
    assert.deepEqual(arrivals.map(({ at }) => at), ["a", "b"]);
    await new Promise<void>((resolve) => void simulation.host("front").clock.after(500, resolve));
    assert.deepEqual(arrivals.map(({ at }) => at), ["a", "b"], "nor is it begun later");
  })(), 60_000);
});

test("deadlineReserveMs is left of the time of the call that a call is made for", async () => {
  const simulation = world();
  await simulation.runUntil((async () => {
    const { client, arrivals } = await chain(simulation, { deadlineReserveMs: 100 });
    await client.go({ workMs: 0 }, { timeoutMs: 500 });
    const left = arrivals.map(({ leftMs }) => leftMs);
    for (let i = 1; i < left.length; i++) {
      const lessMs = (left[i - 1] ?? 0) - (left[i] ?? 0);
      assert.ok(lessMs >= 99.5 && lessMs < 110, left.join());
    }
    arrivals.length = 0;
    const error = RpcError.from(await client.go({ workMs: 0 }, { timeoutMs: 150 }).catch((error: unknown) => error));
    assert.equal(error.code, "deadline_exceeded");
    assert.match(error.message, /are left, and 100.0 ms are reserved for the answer/);
    assert.deepEqual(arrivals.map(({ at }) => at), ["a", "b"]);
    assert.throws(() => createClientOn(simulation.host("front"), Hop, { address: "a:1", deadlineReserveMs: -1 }),
      /deadlineReserveMs is -1/);
  })(), 60_000);
});

test("a handler whose own call never started has started all the same: its caller does not repeat it", async () => {
  const simulation = world();
  await simulation.runUntil((async () => {
    let begun = 0;
    const runtime = simulation.host("server");
    const nobody = createClientOn(runtime, Hop, { address: "nobody:1", timeoutMs: 200 });
    const Doing = service("hop.v1.Doing", { act: rpc({ input: z.object({}), output: z.object({}) }) });
    const address = await createServerOn(runtime).implement(Doing, {
      act: async (_input, context) => {
        begun++;
        await nobody.go({ workMs: 0 }, { context });
        return {};
      },
    }).listen({ host: "server", port: 1 });
    const client = createClientOn(simulation.host("front"), Doing, { address });
    const error = RpcError.from(await client.act({}).catch((error: unknown) => error));
    assert.equal(error.neverStarted, false, error.message);
    assert.equal(begun, 1);
  })(), 60_000);
});

test("no attempt is sent where nothing ever came back within what is left; now and then one is, to see", async () => {
  const simulation = createSimulation({ seed: 4, link: { latencyMs: 50 } });
  await simulation.runUntil((async () => {
    let begun = 0;
    const address = await createServerOn(simulation.host("far")).implement(Hop, {
      go: () => {
        begun++;
        return { hops: 1 };
      },
    }).listen({ host: "far", port: 1 });
    const client = createClientOn(simulation.host("front"), Hop, { address });
    for (let i = 0; i < 5; i++) await client.go({ workMs: 0 });
    begun = 0;
    const errors: RpcError[] = [];
    for (let i = 0; i < 50; i++) {
      errors.push(RpcError.from(await client.go({ workMs: 0 }, { timeoutMs: 60 }).catch((error: unknown) => error)));
    }
    assert.ok(errors.every(({ code }) => code === "deadline_exceeded"));
    const refused = errors.filter(({ message }) => message.startsWith("not sent: 60.0 ms are left"));
    assert.ok(refused.length >= 48 && refused.every(({ neverStarted }) => neverStarted), `${refused.length}`);
    assert.ok(begun >= 1 && begun <= 2, `${begun} were tried all the same`);
    assert.equal((await client.go({ workMs: 0 }, { timeoutMs: 200 })).hops, 1);
  })(), 60_000);
});

test("a repeat is not begun with less time left than an attempt usually takes", async () => {
  const simulation = world();
  await simulation.runUntil((async () => {
    let begun = 0;
    let failMs = 0;
    const runtime = simulation.host("server");
    const address = await createServerOn(runtime).implement(Hop, {
      go: async (input) => {
        begun++;
        await new Promise<void>((resolve) => void runtime.clock.after(failMs > 0 ? failMs : input.workMs, resolve));
        if (failMs > 0) throw new RpcError("unavailable", "gone");
        return { hops: 1 };
      },
    }).listen({ host: "server", port: 1 });
    const client = createClientOn(simulation.host("front"), Hop, { address, hedge: false });
    for (let i = 0; i < 50; i++) await client.go({ workMs: 40 });
    failMs = 30;
    begun = 0;
    const code = async (timeoutMs: number): Promise<string> =>
      client.go({ workMs: 40 }, { timeoutMs }).then(() => "ok", (error: unknown) => RpcError.from(error).code);
    assert.equal(await code(60), "unavailable");
    assert.equal(begun, 1, "30 ms are left, and an attempt takes 40");
    await code(90);
    assert.equal(begun, 3, "60 ms are enough for another");
  })(), 60_000);
});
