import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClientOn } from "../../src/client/index.ts";
import type { Client } from "../../src/contract/index.ts";
import type { Discovery, EndpointAddress, Runtime } from "../../src/core/index.ts";
import { endpointAddress } from "../../src/core/index.ts";
import { createGatewayOn } from "../../src/gateway/index.ts";
import type { NativeSettings } from "../../src/protocol/native/index.ts";
import { brotli, gzip, nodeRuntime, zstd } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { inMemory } from "../../src/testing/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Law, lawCases, lawHandlers, type LawHarness, type Seen } from "./protocol-cases.ts";
import { cutAnywhere, withSplits } from "./splits.ts";

/** Runs the law in a fresh simulation per case. */
function simulated(name: string, options: {
  readonly decorate?: (runtime: Runtime) => Runtime; readonly settings?: Partial<NativeSettings>;
  readonly gateway?: boolean; readonly latencyMs?: number;
} = {}): void {
  describe(name, () => {
    for (const one of lawCases) {
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: options.latencyMs ?? 1 } });
        const decorate = options.decorate ?? ((runtime) => runtime);
        const host = (name: string) => decorate(simulation.host(name));
        const seen: Seen = { produced: 0, cancelled: [] };
        const settings = options.settings;
        const server = createServerOn(host("server"), { settings, region: "eu" }).implement(Law, lawHandlers(seen));
        const main = async () => {
          let address = await server.listen({ host: "server", port: 1 });
          if (options.gateway === true) {
            const gateway = createGatewayOn(host("gateway"), {
              region: "eu", settings, client: { settings },
              discovery: fixed({ [Law.name]: [endpointAddress({ address, region: "eu" })] }),
            });
            address = await gateway.listen({ host: "gateway", port: 1 });
          }
          const clientRuntime = host("client");
          const client = createClientOn(clientRuntime, Law, { address, settings });
          const harness: LawHarness = {
            client, seen, sleep: (ms) => new Promise((resolve) => void clientRuntime.clock.after(ms, resolve)),
          };
          await one.run(harness);
          client.$.close();
        };
        await simulation.runUntil(main(), 600_000);
      });
    }
  });
}

function fixed(names: Record<string, EndpointAddress[]>): Discovery {
  return {
    watch(name, watcher) {
      watcher.snapshot(names[name] ?? []);
      return () => undefined;
    },
  };
}

const splitting = (size: (runtime: Runtime) => number) => (runtime: Runtime): Runtime =>
  ({ ...runtime, network: withSplits(runtime.network, () => size(runtime)) });

simulated("native, in the simulator");
simulated("native, 40 ms away", { latencyMs: 40 });
simulated("native, reads cut anywhere", { decorate: cutAnywhere });
simulated("native, small frames and windows", {
  settings: { maxFrameBytes: 32_768, streamWindowBytes: 1_000, connectionWindowBytes: 3_000 },
});
for (const compression of [gzip(), brotli(), zstd()]) {
  simulated(`native, compressed by ${compression.name}`, {
    settings: { compressions: [compression], compressAboveBytes: 64 },
  });
}
simulated("native, through a gateway", { gateway: true });
simulated("native, through a gateway, reads cut anywhere, small windows", {
  gateway: true, settings: { streamWindowBytes: 5_000, connectionWindowBytes: 10_000 },
  decorate: splitting((runtime) => 1 + Math.floor(runtime.random.next() * 2_000)),
});

/** Runs the law in real time, all cases on one connection. */
function real(name: string, runtime: Runtime): void {
  describe(name, () => {
    const seen: Seen = { produced: 0, cancelled: [] };
    const server = createServerOn(runtime).implement(Law, lawHandlers(seen));
    let client: Client<typeof Law> & { $: { close(): void } };
    before(async () => {
      client = createClientOn(runtime, Law, { address: await server.listen() });
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
}

real("native, over loopback sockets", nodeRuntime);
real("native, in memory", inMemory(nodeRuntime));
