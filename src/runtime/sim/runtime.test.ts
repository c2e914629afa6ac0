import { test } from "node:test";
import { runtimeCases, type RuntimeHarness } from "../../testing/runtime.ts";
import { createSimulation, type SimulationOptions, withDistance } from "./index.ts";

function harness(options: Partial<SimulationOptions> = {}, distanceMs = 0): RuntimeHarness {
  const simulation = createSimulation({ seed: 1, ...options });
  const server = simulation.host("server");
  const near = simulation.host("client");
  const client = { ...near, network: withDistance(near.network, near.clock, () => distanceMs) };
  let ports = 7_000;
  return {
    server,
    client,
    listenAddress: () => (ports++ === 7_000 ? "server:0" : `server:${ports}`),
    drive: (body) => simulation.runUntil(body(), 600_000),
  };
}

for (const { name, run } of runtimeCases(() => harness())) test(`sim: ${name}`, run);
