import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClientOn, type ClientOptions } from "../../src/client/index.ts";
import { RpcError } from "../../src/core/index.ts";
import { connect, grpc, grpcWeb, native, type Protocol } from "../../src/protocol/index.ts";
import { retryThrottling } from "../../src/resilience/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { retryCases, type RetryHarness, type Seen, type Step, Tried, triedHandlers } from "./retry-cases.ts";

const wires: readonly (readonly [name: string, protocol: () => Protocol])[] = [
  ["native", () => native()], ["gRPC", () => grpc()], ["Connect", () => connect()], ["gRPC-Web", () => grpcWeb()],
];

for (const [wire, protocol] of wires) {
  describe(`gRFC A6 over ${wire}`, () => {
    for (const one of retryCases) {
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: 0.5 } });
        const steps: Step[] = [];
        const seen: Seen[] = [];
        const clients: { $: { close(): void } }[] = [];
        const main = async (): Promise<void> => {
          const addresses = await Promise.all(["a", "b", "c"].map((name) => {
            const runtime = simulation.host(name);
            return createServerOn(runtime).implement(Tried, triedHandlers(name, steps, seen, runtime.clock))
              .listen({ host: name, port: 1 });
          }));
          const runtime = simulation.host("client");
          const harness: RetryHarness = {
            seen, plan: (...more) => void steps.splice(0, steps.length, ...more), now: () => runtime.clock.now(),
            sleep: (ms) => new Promise((resolve) => void runtime.clock.after(ms, resolve)),
            client(options = {}) {
              const client = createClientOn(runtime, Tried, {
                address: addresses, protocol: protocol(), outliers: false, ...options,
              });
              clients.push(client);
              return client;
            },
          };
          await one.run(harness);
          for (const client of clients) client.$.close();
        };
        await simulation.runUntil(main(), 600_000);
      });
    }
  });
}

test("policies that cannot be, or contradict each other, are refused by name when the client is made", () => {
  const { clock, random, network } = createSimulation({ seed: 1 }).host("client");
  const cases: readonly (readonly [options: Partial<ClientOptions>, message: RegExp])[] = [
    [{ retry: { maxAttempts: 0 } }, /maxAttempts is 0: expected a whole number of attempts of at least 1/],
    [{ retry: { maxAttempts: 2.5 } }, /maxAttempts is 2.5/],
    [{ retry: { backoff: { initialMs: -1 } } }, /initialMs is -1/],
    [{ retry: { backoff: { initialMs: 50, maxMs: 10 } } }, /initialMs is 50: it is above maxMs, which is 10/],
    [{ retry: { backoff: { multiplier: 0 } } }, /multiplier is 0/],
    [{ retry: { budget: { ratio: -0.1 } } }, /ratio is -0.1/],
    [{ hedge: { maxAttempts: 1 } }, /maxAttempts is 1/],
    [{ hedge: { methods: ["put"] } }, /hedge.methods is "put": a hedge carries a call out twice/],
    [{ hedge: { methods: ["list"] } }, /hedge.methods is "list": only unary methods are hedged/],
    [{ hedge: { methods: ["gone"] } }, /hedge.methods is "gone": the contract has no method of that name/],
    [{ hedge: {}, tuning: false }, /tuning is false: hedges need the live latency/],
    [{ tuning: { halfLifeMs: 1 } }, /halfLifeMs is 1/],
    [{ throttle: { k: 0.5 } }, /k is 0.5/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => createClientOn({ clock, random, network }, Tried, { address: "a:1", ...options }),
      (error: RpcError) => {
        assert.equal(error.code, "invalid_argument");
        assert.match(error.message, message);
        return RpcError.is(error);
      });
  }
  for (const [maxTokens, tokenRatio] of [[0, 1], [1_001, 1], [10, 0]] as const) {
    assert.throws(() => retryThrottling({ maxTokens, tokenRatio }), /maxTokens is|tokenRatio is 0/);
  }
  const { tokens } = retryThrottling({ maxTokens: 10, tokenRatio: 0.12345 });
  assert.equal(tokens, 10);
});
