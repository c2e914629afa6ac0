// The law of protocols through WebSocket, on simulated and real sockets, its reads cut anywhere.
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClientOn } from "../../src/client/index.ts";
import type { Client } from "../../src/contract/index.ts";
import type { Runtime } from "../../src/core/index.ts";
import { type NativeSettings, websocket } from "../../src/protocol/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Law, lawCases, lawHandlers, type LawHarness, type Seen } from "./protocol-cases.ts";
import { cutAnywhere } from "./splits.ts";

function simulated(name: string, options: {
  readonly decorate?: (runtime: Runtime) => Runtime; readonly settings?: Partial<NativeSettings>;
} = {}): void {
  describe(name, () => {
    for (const one of lawCases) {
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
        const { settings, decorate = (runtime: Runtime) => runtime } = options;
        const seen: Seen = { produced: 0, cancelled: [] };
        const server = createServerOn(decorate(simulation.host("server")), { settings })
          .implement(Law, lawHandlers(seen));
        const main = async (): Promise<void> => {
          const address = await server.listen({ host: "server", port: 1 });
          const runtime = decorate(simulation.host("client"));
          const client = createClientOn(runtime, Law, { address, protocol: websocket({ path: "/rpc", settings }) });
          const harness: LawHarness = {
            client, seen, sleep: (ms) => new Promise((resolve) => void runtime.clock.after(ms, resolve)),
          };
          await one.run(harness);
          client.$.close();
        };
        await simulation.runUntil(main(), 600_000);
      });
    }
  });
}

simulated("WebSocket, in the simulator");
simulated("WebSocket, reads cut anywhere", { decorate: cutAnywhere });
simulated("WebSocket, small frames and windows", {
  settings: { maxFrameBytes: 32_768, streamWindowBytes: 1_000, connectionWindowBytes: 3_000 },
});

describe("WebSocket, on real sockets", () => {
  const seen: Seen = { produced: 0, cancelled: [] };
  const server = createServerOn(nodeRuntime).implement(Law, lawHandlers(seen));
  let client: Client<typeof Law> & { $: { close(): void } };
  before(async () => {
    client = createClientOn(nodeRuntime, Law, { address: await server.listen(), protocol: websocket() });
  });
  after(async () => {
    client.$.close();
    await server.close(1_000);
  });
  for (const one of lawCases) {
    test(one.name, async () => {
      seen.produced = 0;
      seen.cancelled = [];
      await one.run({ client, seen, sleep });
    });
  }
});
