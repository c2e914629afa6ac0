/** The compliance suite of exchanges, over our HTTP/2 and over Node's, with each other, on every network. */
import { describe, test } from "node:test";
import type { Runtime } from "../../src/core/index.ts";
import { http2Accept, http2Connect, type Http2Settings } from "../../src/http/index.ts";
import { nodeHttp2Accept, nodeHttp2Connect, nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { inMemory } from "../../src/testing/index.ts";
import { withSplits } from "../conformance/splits.ts";
import { exchangeCases } from "./exchange-cases.ts";
import { connectPair, type PairFactory } from "./exchange-pair.ts";

function ours(settings: Partial<Http2Settings> = {}): PairFactory {
  return {
    version: 2,
    connect: http2Connect({ settings }),
    accept: (runtime, options) => http2Accept(runtime, { ...options, settings }),
  };
}

function casesFor(factory: PairFactory) {
  return exchangeCases.filter(({ version }) => version === undefined || version === factory.version);
}

/** Each case on a connection of its own, in real time. */
function real(name: string, factory: PairFactory, runtime: Runtime): void {
  describe(name, () => {
    for (const one of casesFor(factory)) {
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

/** Each case in a simulation of its own. */
function simulated(name: string, factory: PairFactory, decorate: (runtime: Runtime) => Runtime = (one) => one): void {
  describe(name, () => {
    for (const one of casesFor(factory)) {
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

const small = { streamWindowBytes: 5_000, connectionWindowBytes: 65_535, windowUpdatesPerSecond: 100_000 };
const nodes: PairFactory = { version: 2, connect: nodeHttp2Connect(), accept: nodeHttp2Accept };

real("node:http2, over loopback sockets", nodes, nodeRuntime);
real("node:http2, in memory", nodes, inMemory(nodeRuntime));
real("our client, node:http2's server", { ...ours(), accept: nodes.accept }, nodeRuntime);
real("node:http2's client, our server", { ...ours(), connect: nodes.connect }, nodeRuntime);
real("our client, node:http2's server, small windows", { ...ours(small), accept: nodes.accept }, nodeRuntime);
real("node:http2's client, our server, small windows", { ...ours(small), connect: nodes.connect }, nodeRuntime);
real("our HTTP/2, in memory", ours(), inMemory(nodeRuntime));
real("our HTTP/2, over loopback sockets", ours(), nodeRuntime);
real("our HTTP/2, small windows, over loopback sockets", ours(small), nodeRuntime);
simulated("our HTTP/2, in the simulator", ours());
simulated("our HTTP/2, in the simulator, reads cut anywhere", ours(), splitting(3_000));
simulated("our HTTP/2, in the simulator, small windows", ours(small));
