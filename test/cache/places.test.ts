// The cache where it may stand: in a client, in a gateway's client, in a server; what servers advise crosses all wires.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { adviseCaches, type ResponseCache, responseCache } from "../../src/cache/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { gatewayServiceName } from "../../src/gateway/index.ts";
import { connect, createClient, createGateway, createServer, grpc, native } from "../../src/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";

const Weather = service("weather.v1.Weather", {
  forecast: rpc({ input: z.object({ city: z.string() }), output: z.object({ run: z.int32() }), safe: true }),
});
const protocols = { native: native(), gRPC: grpc(), Connect: connect() };

for (const [name, protocol] of Object.entries(protocols)) {
  for (const place of ["client", "gateway", "server"] as const) {
    test(`${name}: in the ${place}`, async () => {
      const cache: ResponseCache = responseCache();
      let runs = 0;
      const server = createServer({ stack: place === "server" ? { cache: cache(nodeRuntime, {}) } : {} });
      server.implement(Weather, {
        forecast({ city }, context) {
          if (city !== "nowhere") adviseCaches(context, { maxAgeMs: 60_000, vary: ["tenant"], tags: [city] });
          context.setTrailer("cost", "1");
          return { run: ++runs };
        },
      });
      const discovery = memoryDiscovery();
      const registration = discovery.register(Weather.name, { address: await server.listen() });
      await registration.registered;
      const gateway = createGateway({
        region: "eu", discovery, contracts: [Weather],
        client: { protocol, ...(place === "gateway" && { cache }) },
      });
      const weather = createClient(Weather, {
        address: await gateway.listen(), name: gatewayServiceName, protocol, ...(place === "client" && { cache }),
      });
      const ask = async (
        city: string, metadata: Record<string, string> = {},
      ): Promise<[run: number, cost: string | undefined]> => {
        let cost: string | undefined;
        const { run } = await weather.forecast({ city }, { metadata, onMetadata: (kind, told) => {
          if (kind === "trailer") cost = told["cost"];
        } });
        return [run, cost];
      };
      try {
        assert.deepEqual(await ask("Bern"), [1, "1"]);
        assert.deepEqual(await ask("Bern"), [1, "1"]);
        assert.deepEqual(await ask("Bern", { tenant: "a" }), [2, "1"]);
        assert.deepEqual(await ask("Bern", { tenant: "a" }), [2, "1"]);
        assert.deepEqual(await ask("nowhere"), [3, "1"]);
        assert.deepEqual(await ask("nowhere"), [4, "1"]);
        assert.deepEqual(await ask("Bern", { "cache-control": "no-cache" }), [5, "1"]);
        assert.deepEqual(await ask("Bern"), [5, "1"]);
        await cache.invalidateTag("Bern");
        assert.deepEqual(await ask("Bern"), [6, "1"]);
      } finally {
        weather.$.close(0);
        await gateway.close(0);
        await registration.close();
        await server.close(0);
      }
    });
  }
}
