import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn } from "../client/create-client.ts";
import { rpc, service } from "../contract/index.ts";
import { describeContracts } from "../contract/proto/descriptor.ts";
import { printProto } from "../contract/proto/print.ts";
import { RpcError } from "../core/error.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { Health, type HealthOptions, healthOf } from "./health.ts";
import { createServerOn } from "./server.ts";

const Work = service("test.v1.Work", { get: rpc({ input: z.object({}), output: z.object({}) }) });

async function inWorld(
  body: (world: ReturnType<typeof makeWorld>) => Promise<void>, options: Partial<HealthOptions> = {},
): Promise<void> {
  const world = makeWorld(options);
  await world.run(world.server.listen({ host: "server", port: 1 }).then(() => body(world)));
}

function makeWorld(options: Partial<HealthOptions>) {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 5 } });
  const server = createServerOn(simulation.host("server"));
  const health = healthOf({ services: () => server.services, ...options });
  server.implement(Health, health.handlers);
  const client = createClientOn(simulation.host("client"), Health, { address: "server:1" });
  const clock = simulation.host("client").clock;
  return {
    server, health, client,
    run: <T>(body: Promise<T>) => simulation.runUntil(body, simulation.nowMs + 120_000),
    sleep: (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve)),
  };
}

const codeOf = async (call: Promise<unknown>): Promise<string> =>
  call.then(() => "ok", (error: unknown) => RpcError.from(error).code);

test("a server's services are serving, unless it says otherwise", () => inWorld(async ({ server, health, client }) => {
  assert.deepEqual(await client.check({ service: "" }), { status: "SERVING" });
  assert.equal(await codeOf(client.check({ service: "test.v1.Work" })), "not_found");
  server.implement(Work, { get: () => ({}) });
  assert.deepEqual(await client.check({ service: "test.v1.Work" }), { status: "SERVING" });
  health.set("test.v1.Work", "NOT_SERVING");
  health.set("another", "SERVING");
  assert.deepEqual(await client.list({}), { statuses: {
    "": { status: "SERVING" }, "grpc.health.v1.Health": { status: "SERVING" },
    "test.v1.Work": { status: "NOT_SERVING" }, another: { status: "SERVING" },
  } });
  health.drain();
  health.set("test.v1.Work", "SERVING");
  for (const name of ["", "test.v1.Work", "another"]) {
    assert.deepEqual(await client.check({ service: name }), { status: "NOT_SERVING" });
  }
}));

test("a watch tells every change, of services that come later too, and the latest alone to the slow", () =>
  inWorld(async ({ server, health, client, sleep }) => {
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { status } of client.watch({ service: "test.v1.Work" })) seen.push(status);
    })();
    await sleep(50);
    assert.deepEqual(seen, ["SERVICE_UNKNOWN"]);
    server.implement(Work, { get: () => ({}) });
    health.refresh();
    await sleep(50);
    health.set("other", "SERVING");
    // Three changes in one turn are at most two messages: the first, which was waited for, and the last.
    for (const status of ["NOT_SERVING", "SERVING", "NOT_SERVING"] as const) health.set("test.v1.Work", status);
    await sleep(50);
    assert.deepEqual(seen.slice(0, 3), ["SERVICE_UNKNOWN", "SERVING", "NOT_SERVING"]);
    assert.equal(seen.length, 3);
    health.set("test.v1.Work", "SERVING");
    await sleep(50);
    health.close();
    assert.equal(await codeOf(watching), "unavailable");
    assert.deepEqual(seen.slice(3), ["SERVING", "NOT_SERVING"]);
  }));

test("watches that end are forgotten, and there is a limit to them", () => inWorld(async ({ client, sleep }) => {
  const open = () => client.watch({ service: "" })[Symbol.asyncIterator]();
  const [one, two] = [open(), open()];
  for (const watch of [one, two]) assert.deepEqual((await watch.next()).value, { status: "SERVING" });
  assert.equal(await codeOf(open().next()), "resource_exhausted");
  await one.return?.();
  await sleep(50);
  const three = open();
  assert.deepEqual((await three.next()).value, { status: "SERVING" });
  await two.return?.();
  await three.return?.();
}, { maxWatches: 2 }));

test("a server that closes tells its watches before it ends, and need not wait for them", () =>
  inWorld(async ({ server, health, client, sleep }) => {
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { status } of client.watch({ service: "" })) seen.push(status);
    })();
    await sleep(50);
    health.close();
    await server.close(60_000);
    assert.equal(await codeOf(watching), "unavailable");
    assert.deepEqual(seen, ["SERVING", "NOT_SERVING"]);
  }));

test("the contract is the standard's", () => {
  const [file] = describeContracts([Health]);
  assert.equal(file?.name, "grpc/health/v1/health.proto");
  const text = printProto(file);
  for (const line of [
    "rpc Check(HealthCheckRequest) returns (HealthCheckResponse);",
    "rpc List(HealthListRequest) returns (HealthListResponse);",
    "rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);",
    "map<string, HealthCheckResponse> statuses = 1;", "ServingStatus status = 1;", "SERVICE_UNKNOWN = 3;",
  ]) assert.ok(text.includes(line), `${line}\n${text}`);
});
