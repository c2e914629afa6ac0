// In doubt a client asks often: what Heart decides must leave on the wire, and not only be decided.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn } from "../../src/client/create-client.ts";
import type { Runtime } from "../../src/core/runtime.ts";
import { rpc, service } from "../../src/index.ts";
import { grpc } from "../../src/protocol/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/server.ts";

const Slow = service("doubt.v1.Slow", { wait: rpc({ input: z.object({}), output: z.object({}) }) });

for (const [wire, protocol] of [["native", undefined], ["gRPC", grpc()]] as const) {
  test(`over ${wire} eight pings and more leave before a silent server is suspect`, async () => {
    const simulation = createSimulation({ seed: 1, link: { latencyMs: 0.5 } });
    const server = createServerOn(simulation.host("server"))
      .implement(Slow, { wait: () => new Promise<never>(() => undefined) });
    const real = simulation.host("client");
    const writtenAtMs: number[] = [];
    const counting: Runtime = {
      ...real,
      network: {
        ...real.network,
        connect(address, sink, security) {
          const stream = real.network.connect(address, sink, security);
          const { write } = stream;
          stream.write = (bytes, written) => {
            writtenAtMs.push(simulation.nowMs);
            return write.call(stream, bytes, written);
          };
          return stream;
        },
      },
    };
    let suspectAtMs = Infinity;
    await simulation.runUntil(server.listen({ host: "server", port: 1 }), 1_000);
    const client = createClientOn(counting, Slow, {
      address: "server:1", protocol,
      observer: { endpointChanged: (_endpoint, status) => {
        if (status === "suspect") suspectAtMs = simulation.nowMs;
      } },
    });
    await simulation.run(simulation.nowMs + 1_000);
    const calledMs = simulation.nowMs;
    client.wait({}).catch(() => undefined);
    await simulation.run(calledMs + 20);
    simulation.silence("server");
    await simulation.runUntil(() => suspectAtMs < Infinity, calledMs + 2_000);
    const asked = writtenAtMs.filter((atMs) => atMs > calledMs + 20 && atMs < suspectAtMs);
    assert.ok(suspectAtMs - calledMs < 420, `suspect after ${suspectAtMs - calledMs} ms`);
    assert.ok(asked.length >= 8, `only ${asked.length} pings left, at ${asked.map((at) => at - calledMs).join()}`);
    client.$.close(0);
  });
}
