import { test } from "node:test";
import { nodeRuntime } from "../runtime/node/index.ts";
import { inMemory } from "./memory-network.ts";
import { runtimeCases } from "./runtime.ts";

for (const { name, run } of runtimeCases(() => {
  const runtime = inMemory(nodeRuntime);
  return { server: runtime, client: runtime, listenAddress: () => "here:0", drive: (body) => body() };
})) {
  if (!/^(clock|alarm|after|defer|random)/.test(name)) test(`memory: ${name}`, run);
}
