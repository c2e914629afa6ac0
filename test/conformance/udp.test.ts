// The law of protocols by UDP: what datagrams can carry goes by them, the rest by the protocol beside them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClientOn } from "../../src/client/index.ts";
import type { Client } from "../../src/contract/index.ts";
import { native, udp } from "../../src/protocol/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { codeOf, Law, lawCases, lawHandlers, type LawHarness, type Seen } from "./protocol-cases.ts";

const links = { "a good link": { latencyMs: 1 }, "a bad link": { latencyMs: 5, jitterMs: 10, lossRate: 0.2 } };
for (const [name, link] of Object.entries(links)) {
  describe(`UDP beside native, in the simulator, over ${name}`, () => {
    for (const one of lawCases) {
      // Streams are the other protocol's; and where a third of all is lost, few datagrams may be on the way at once.
      if (link.latencyMs > 1 && /stream|bidirectional|thousand/.test(one.name)) continue;
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1 });
        const seen: Seen = { produced: 0, cancelled: [] };
        const server = createServerOn(simulation.host("server"), { udp: true }).implement(Law, lawHandlers(seen));
        const runtime = simulation.host("client");
        simulation.link("server", "client", link);
        const main = async (): Promise<void> => {
          const address = await server.listen({ host: "server", port: 1 });
          const client = createClientOn(runtime, Law, { address, protocol: udp({ fallback: native() }) });
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

describe("UDP beside native, on real sockets", () => {
  const seen: Seen = { produced: 0, cancelled: [] };
  const server = createServerOn(nodeRuntime, { udp: true }).implement(Law, lawHandlers(seen));
  let client: Client<typeof Law> & { $: { close(): void } };
  let address = "";
  before(async () => {
    address = await server.listen();
    client = createClientOn(nodeRuntime, Law, { address, protocol: udp({ fallback: native() }) });
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

  test("without a fallback, what UDP cannot carry is refused by name, with what to do", async () => {
    const alone = createClientOn(nodeRuntime, Law, { address, protocol: udp() });
    assert.deepEqual(await alone.echo({ n: 1, text: "a" }), { n: 1, text: "a" });
    const blob = await codeOf(alone.blob({ data: new Uint8Array(1) }));
    assert.equal(blob.code, "unimplemented");
    assert.match(blob.message, /law\.v1\.Law\/blob is neither one-way nor idempotent.*udp\(\{ fallback: native/);
    assert.equal(blob.neverStarted, true);
    const large = await codeOf(alone.echo({ n: 1, text: "x".repeat(1_500) }));
    assert.equal(large.code, "resource_exhausted");
    assert.match(large.message, /law\.v1\.Law\/echo needs a datagram of 15\d\d bytes, and maxDatagramBytes is 1200/);
    await assert.rejects(async () => {
      for await (const _ of alone.count({ to: 1 })) assert.fail("no item can come");
    }, /is a server_stream/);
    alone.$.close();
  });
});
