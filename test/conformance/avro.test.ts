/** The law over Avro RPC: its unary cases over every transport, simulated and real, reads cut anywhere. */
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClientOn } from "../../src/client/index.ts";
import type { Client } from "../../src/contract/index.ts";
import type { Runtime } from "../../src/core/index.ts";
import { avro, type AvroProtocolOptions } from "../../src/protocol/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { inMemory } from "../../src/testing/index.ts";
import { Law, lawCases, lawHandlers, type Seen } from "./protocol-cases.ts";
import { cutAnywhere } from "./splits.ts";

/** What Avro has no words for: streams, and taking a call back. */
const cases = lawCases.filter(({ name }) => /^(?:unary|errors|metadata|deadline)/.test(name));
const variants = (["serial", "framed", "http"] as const).map((transport): AvroProtocolOptions => ({ transport }));

function simulated(name: string, options: AvroProtocolOptions, decorate: (runtime: Runtime) => Runtime): void {
  describe(name, () => {
    for (const one of cases) {
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
        const host = (of: string): Runtime => decorate(simulation.host(of));
        const seen: Seen = { produced: 0, cancelled: [] };
        const server = createServerOn(host("server")).implement(Law, lawHandlers(seen));
        const main = async (): Promise<void> => {
          const address = await server.listen({ host: "server", port: 1 });
          const runtime = host("client");
          const client = createClientOn(runtime, Law, { address, protocol: avro(options) });
          await one.run({
            client, seen, sleep: (ms) => new Promise((resolve) => void runtime.clock.after(ms, resolve)),
          });
          client.$.close();
        };
        await simulation.runUntil(main(), 600_000);
      });
    }
  });
}

for (const options of variants) {
  const name = `avro ${options.transport}`;
  simulated(`${name}, in the simulator`, options, (runtime) => runtime);
  simulated(`${name}, reads cut anywhere`, options, cutAnywhere);
}

/** Runs the law in real time, all cases on one connection. */
function real(name: string, runtime: Runtime, options: AvroProtocolOptions): void {
  describe(name, () => {
    const seen: Seen = { produced: 0, cancelled: [] };
    const server = createServerOn(runtime).implement(Law, lawHandlers(seen));
    let client: Client<typeof Law> & { $: { close(): void } };
    before(async () => {
      client = createClientOn(runtime, Law, { address: await server.listen(), protocol: avro(options) });
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
}

for (const options of variants) {
  const name = `avro ${options.transport}`;
  real(`${name}, over loopback sockets`, nodeRuntime, options);
  real(`${name}, in memory`, inMemory(nodeRuntime), options);
}
