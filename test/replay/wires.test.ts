// Keys, records and refusals over every wire, straight and through a gateway.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { isError, rpc, service } from "../../src/contract/index.ts";
import { type Metadata, RpcError } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { gatewayServiceName } from "../../src/gateway/index.ts";
import { connect, createClient, createGateway, createServer, grpc, grpcWeb, native } from "../../src/index.ts";
import { createIdempotencyKey, isOutcomeUnknown, memoryReplayStore, replay } from "../../src/replay/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";

const Bank = service("bank.v1.Bank", {
  pay: rpc({
    input: z.object({ cents: z.int32() }), output: z.object({ serial: z.int32() }), idempotent: "keyed",
    errors: { Poor: z.object({ missing: z.int32() }) },
  }),
});
const protocols = { native: native(), gRPC: grpc(), "gRPC-Web": grpcWeb(), Connect: connect() };

for (const [name, protocol] of Object.entries(protocols)) {
  for (const through of ["straight", "through a gateway"] as const) {
    test(`${name}, ${through}`, async () => {
      let runs = 0;
      const keys: (string | undefined)[] = [];
      const server = createServer({ replay: replay({ store: memoryReplayStore({ bornMs: 0 }) }) });
      server.implement(Bank, {
        pay({ cents }, context) {
          runs++;
          keys.push(context.idempotencyKey);
          context.setTrailer("receipt", `r${runs}`);
          if (cents < 0) throw new RpcError("unavailable", "it went dark");
          if (cents > 100) throw Bank.methods.pay.error("Poor", { missing: cents - 100 });
          return { serial: runs };
        },
      });
      const address = await server.listen();
      const discovery = memoryDiscovery();
      const registration = discovery.register(Bank.name, { address });
      await registration.registered;
      const gateway = through === "straight" ? undefined : createGateway({
        region: "eu", discovery, contracts: [Bank], client: { protocol },
      });
      const bank = createClient(Bank, gateway === undefined ? { address, protocol } : {
        address: await gateway.listen(), name: gatewayServiceName, protocol,
      });
      try {
        await exercise();
      } finally {
        bank.$.close(0);
        await gateway?.close(0);
        await registration.close();
        await server.close(0);
      }

      async function exercise(): Promise<void> {
        const key = createIdempotencyKey(nodeRuntime);
        const trailers: Metadata[] = [];
        const onMetadata = (kind: string, metadata: Metadata): void => {
          if (kind === "trailer") trailers.push(metadata);
        };
        for (let i = 0; i < 3; i++) {
          assert.deepEqual(await bank.pay({ cents: 5 }, { idempotencyKey: key, onMetadata }), { serial: 1 });
        }
        assert.deepEqual(trailers.map((one) => one["receipt"]), ["r1", "r1", "r1"]);
        assert.deepEqual(keys, [key]);
        await assert.rejects(bank.pay({ cents: 6 }, { idempotencyKey: key }), { code: "invalid_argument" });
        for (let i = 0; i < 2; i++) {
          await assert.rejects(bank.pay({ cents: 105 }, { idempotencyKey: "poor ✓ %" }), (error) => {
            assert.ok(isError(error, Bank.methods.pay, "Poor"), String(error));
            assert.deepEqual(error.data, { missing: 5 });
            return true;
          });
        }
        assert.equal(runs, 2);
        const dark = createIdempotencyKey(nodeRuntime);
        // The layer's own retry finds that nobody knows how it ended, and so does every later one.
        for (let i = 0; i < 2; i++) {
          await assert.rejects(bank.pay({ cents: -1 }, { idempotencyKey: dark }), (error) => isOutcomeUnknown(error));
        }
        assert.equal(runs, 3);
        assert.deepEqual(await bank.pay({ cents: 5 }), { serial: 4 });
        assert.match(keys.at(-1) ?? "", /^mA[0-9a-f]{11}-[0-9a-f]{32}[0-9a-z]+$/);
      }
    });
  }
}
