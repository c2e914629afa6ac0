import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn } from "../client/index.ts";
import { rpc, service } from "../contract/index.ts";
import { type Layer, RpcError } from "../core/index.ts";
import { grpc } from "../protocol/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { createServerOn, Health, ServerReflection, type ServerOptions } from "./index.ts";

const Work = service("test.v1.Work", { add: rpc({ input: z.object({}), output: z.object({}) }) });

function setUp(options: ServerOptions = {}) {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const server = createServerOn(simulation.host("server"), options).implement(Work, { add: () => ({}) });
  const client = simulation.host("client");
  const to = { address: "server:1", protocol: grpc(), retry: false } as const;
  return {
    simulation, server, listen: () => server.listen({ host: "server", port: 1 }),
    health: createClientOn(client, Health, to), reflection: createClientOn(client, ServerReflection, to),
    run: <T>(body: Promise<T>) => simulation.runUntil(body, simulation.nowMs + 120_000),
  };
}

test("a server says how it is without being told to, and nothing of it is registered", async () => {
  const { server, listen, health, run } = setUp();
  await listen();
  assert.deepEqual(server.services, [Work.name]);
  assert.deepEqual(await run(health.check({ service: "" })), { status: "SERVING" });
  assert.deepEqual(await run(health.check({ service: Work.name })), { status: "SERVING" });
  server.health.set(Work.name, "NOT_SERVING");
  assert.deepEqual(await run(health.check({ service: Work.name })), { status: "NOT_SERVING" });
  await assert.rejects(run(health.check({ service: "other.v1.Other" })), { code: "not_found" });
});

test("a server that ends says so first, goes on serving for as long as it is told, and ends its watches", async () => {
  const { simulation, server, listen, health, run } = setUp({ drainDelayMs: 300 });
  await listen();
  const said: string[] = [];
  const watching = (async () => {
    for await (const { status } of health.watch({ service: Work.name })) {
      said.push(`${status} ${simulation.nowMs > 500}`);
    }
  })();
  watching.catch(() => undefined);
  await simulation.run(500);
  const closed = server.close(10_000);
  await simulation.run(700);
  assert.deepEqual(said, ["SERVING false", "NOT_SERVING true"]);
  assert.equal((await run(health.check({ service: Work.name }))).status, "NOT_SERVING", "calls are still answered");
  await run(closed);
  assert.ok(simulation.nowMs < 1_500, "a watch does not keep a server from ending");
  await assert.rejects(watching, { code: "unavailable" });
});

test("reflection is there when it is wanted, under the user's layers; health is not under them", async () => {
  const locked: Layer = () => () => {
    throw new RpcError("unauthenticated", "who are you?");
  };
  const ask = (reflection: ReturnType<typeof setUp>["reflection"]) => reflection.serverReflectionInfo(
    [{ host: "", messageRequest: { case: "listServices", value: "" } }])[Symbol.asyncIterator]().next();
  const off = setUp();
  await off.listen();
  await assert.rejects(off.run(ask(off.reflection)), { code: "unimplemented" });
  const on = setUp({ reflection: true });
  await on.listen();
  const { value } = await on.run(ask(on.reflection));
  assert.match(JSON.stringify(value, (_key, one: unknown) => typeof one === "bigint" ? String(one) : one),
    /test.v1.Work.*/);
  const guarded = setUp({ reflection: true, stack: { locked } });
  await guarded.listen();
  await assert.rejects(guarded.run(ask(guarded.reflection)), { code: "unauthenticated" });
  assert.equal((await guarded.run(guarded.health.check({ service: "" }))).status, "SERVING");
});

test("a server may be silent on its health, or speak of it in its own words", async () => {
  const silent = setUp({ health: false });
  await silent.listen();
  await assert.rejects(silent.run(silent.health.check({ service: "" })), { code: "unimplemented" });
  const own = setUp();
  own.server.implement(Health, {
    check: () => ({ status: "UNKNOWN" as const }), list: () => ({ statuses: {} }),
    watch: async function* () {
      yield { status: "UNKNOWN" as const };
    },
  });
  await own.listen();
  assert.equal((await own.run(own.health.check({ service: "" }))).status, "UNKNOWN");
});
