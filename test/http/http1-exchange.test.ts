/** The compliance suite of exchanges over our HTTP/1.1, on every network. */
import { describe, test } from "node:test";
import type { Runtime } from "../../src/core/index.ts";
import { http1Accept, http1Connect } from "../../src/http/h1/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { inMemory } from "../../src/testing/index.ts";
import { withSplits } from "../conformance/splits.ts";
import { exchangeCases } from "./exchange-cases.ts";
import { connectPair, type PairFactory } from "./exchange-pair.ts";

const factory: PairFactory = {
  version: 1, connect: http1Connect(), accept: (runtime, options) => http1Accept(runtime, options),
};

/** What HTTP/1.1 does in another way, which its own tests cover. */
const otherwise = new Set([
  // The client is told by an answer, 503, rather than by the connection's loss.
  "a server that closes tells everybody",
  // A socket that ends after its answer is no loss of the connection, while the server still takes new ones.
  "a server that drains finishes what it has, takes no more, and ends",
]);

/** Without windows of its own HTTP/1.1 holds back by the sockets' buffers, and a kernel's may take all of this. */
const boundByWindows = "a reader that takes its time holds the sender back, and gets all in the end";

const cases = exchangeCases.filter(({ version, name }) => version === undefined && !otherwise.has(name));

function real(name: string, runtime: Runtime, without?: string): void {
  describe(name, () => {
    for (const one of cases) {
      if (one.name === without) continue;
      test(one.name, { timeout: 120_000 }, async () => {
        const pair = await connectPair(factory, [runtime, runtime], "127.0.0.1:0");
        try {
          await one.run(pair);
        } finally {
          await pair.close();
        }
      });
    }
  });
}

function simulated(name: string, decorate: (runtime: Runtime) => Runtime = (one) => one): void {
  describe(name, () => {
    for (const one of cases) {
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: 2 } });
        const runtimes = [decorate(simulation.host("server")), decorate(simulation.host("client"))] as const;
        await simulation.runUntil((async () => {
          const pair = await connectPair(factory, runtimes, "server:1");
          await one.run(pair);
          await pair.close();
        })(), 600_000);
      });
    }
  });
}

const splitting = (most: number) => (runtime: Runtime): Runtime =>
  ({ ...runtime, network: withSplits(runtime.network, () => 1 + Math.floor(runtime.random.next() * most)) });

real("our HTTP/1.1, in memory", inMemory(nodeRuntime));
real("our HTTP/1.1, over loopback sockets", nodeRuntime, boundByWindows);
simulated("our HTTP/1.1, in the simulator");
simulated("our HTTP/1.1, in the simulator, reads cut anywhere", splitting(3_000));
