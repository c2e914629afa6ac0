// The law of protocols as far as JSON-RPC can keep it, which has no streams: on simulated and real sockets.
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClientOn } from "../../src/client/index.ts";
import type { Client } from "../../src/contract/index.ts";
import type { Runtime } from "../../src/core/index.ts";
import { jsonRpc } from "../../src/protocol/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Law, lawCases, lawHandlers, type LawHarness, type Seen } from "./protocol-cases.ts";
import { cutAnywhere } from "./splits.ts";

/** Base64 is a third longer than the bytes that the law sends. */
const settings = { maxMessageBytes: 6_000_000 };
const serverOptions = { http: { jsonRpc: settings } };
/** But those of streams. */
const cases = lawCases.filter(({ name }) => !/stream|bidirectional/.test(name));

function simulated(name: string, options: {
  readonly decorate?: (runtime: Runtime) => Runtime; 
} = {}): void {
  describe(name, () => {
    for (const one of cases) {
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
        const { decorate = (runtime: Runtime) => runtime } = options;
        const seen: Seen = { produced: 0, cancelled: [] };
        const server = createServerOn(decorate(simulation.host("server")), serverOptions)
          .implement(Law, lawHandlers(seen));
        const main = async (): Promise<void> => {
          const address = await server.listen({ host: "server", port: 1 });
          const runtime = decorate(simulation.host("client"));
          const client = createClientOn(runtime, Law, { address, protocol: jsonRpc({ path: "/rpc", settings }) });
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

simulated("JSON-RPC, in the simulator");
simulated("JSON-RPC, reads cut anywhere", { decorate: cutAnywhere });
describe("JSON-RPC, on real sockets", () => {
  const seen: Seen = { produced: 0, cancelled: [] };
  const server = createServerOn(nodeRuntime, serverOptions).implement(Law, lawHandlers(seen));
  let client: Client<typeof Law> & { $: { close(): void } };
  before(async () => {
    client = createClientOn(nodeRuntime, Law, { address: await server.listen(), protocol: jsonRpc({ settings }) });
  });
  after(async () => {
    client.$.close();
    await server.close(1_000);
  });
  for (const one of cases) {
    test(one.name, async () => {
      seen.produced = 0;
      seen.cancelled = [];
      await one.run({ client, seen, sleep });
    });
  }
});
