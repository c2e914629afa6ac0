// The law of protocols through a gateway over sockets, in each codec that a client may choose.
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClientOn } from "../../src/client/index.ts";
import { json, msgpack, protobuf } from "../../src/codec/index.ts";
import type { Client } from "../../src/contract/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { createGatewayOn, createRules } from "../../src/gateway/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { Law, lawCases, lawHandlers, type Seen } from "../conformance/protocol-cases.ts";

const rules = createRules([{ name: "everything", to: { regions: ["eu"] } }]);

for (const codec of [protobuf, msgpack, json]) {
  for (const [how, more] of [["", {}], [", by rules and timed", { rules, timing: true }]] as const) {
    describe(`through a gateway over loopback sockets, ${codec.name}${how}`, () => {
      const seen: Seen = { produced: 0, cancelled: [] };
      const discovery = memoryDiscovery();
      const server = createServerOn(nodeRuntime, { region: "eu", registry: discovery })
        .implement(Law, lawHandlers(seen));
      const gateway = createGatewayOn(nodeRuntime, { region: "eu", discovery, ...more });
      let client: Client<typeof Law> & { $: { close(): void } };
      before(async () => {
        await server.listen();
        client = createClientOn(nodeRuntime, Law, { address: await gateway.listen(), codec });
      });
      after(async () => {
        client.$.close();
        await gateway.close(1_000);
        await server.close(1_000);
      });
      // In base64, a message near the limit is beyond it.
      const fitting = codec === json ? lawCases.filter(({ name }) => !name.includes("empty to several")) : lawCases;
      for (const one of fitting) {
        test(one.name, async () => {
          seen.produced = 0;
          seen.cancelled = [];
          await one.run({ client, seen, sleep });
        });
      }
    });
  }
}
