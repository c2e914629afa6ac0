import assert from "node:assert/strict";
import { test } from "node:test";
import { type Connect, endpointAddress, RpcError } from "../core/index.ts";
import { grpc, native } from "../protocol/index.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { createServerOn } from "../server/index.ts";
import { connectProbe } from "./connect-probe.ts";
import { pooledConnect } from "./create-client.ts";

const coders = () => () => {
  throw new Error("a probe calls nothing");
};

for (const protocol of [native(), grpc()]) {
  test(`${protocol.name}: who answers passes; who refuses, is silent, or is of another kind does not`, async () => {
    const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
    const server = createServerOn(simulation.host("server"), {});
    const address = await simulation.runUntil(server.listen({ host: "server", port: 7_001 }), 100);
    const connect = pooledConnect([protocol], coders, { compressions: [], tls: undefined });
    const probe = connectProbe(simulation.host("client"), connect.alone);
    const ask = (of: string, timeoutMs = 500): Promise<string> =>
      simulation.runUntil(probe(endpointAddress({ address: of }), timeoutMs).then(() => "there",
        (error: unknown) => RpcError.from(error).message), simulation.nowMs + 5_000);
    assert.equal(await ask(address), "there");
    assert.equal(await ask(address), "there", "each time by a connection of its own");
    assert.match(await ask("server:7002"), /server:7002 .*(refused|nobody|connect)/);
    simulation.silence("server");
    assert.match(await ask(address), /did not answer within 500 ms/);
    simulation.wake("server");
    assert.equal(await ask(address), "there");
    const closing = server.close(0);
    await simulation.run(simulation.nowMs + 50);
    await closing;
    assert.notEqual(await ask(address), "there");
    await simulation.runUntil(simulation.host("stranger").network.listen("stranger:1", (stream) => {
      stream.write(new TextEncoder().encode("SSH-2.0-OpenSSH_9.9\r\n"));
      return { received() {}, closed() {} };
    }), simulation.nowMs + 100);
    assert.notEqual(await ask("stranger:1"), "there");
  });
}

test("a server that drains fails it, also when it said hello before", async () => {
  const simulation = createSimulation({ seed: 1 });
  const runtime = simulation.host("client");
  const closed: number[] = [];
  const connect: Connect = (_runtime, _address, events) => {
    runtime.clock.after(5, () => events.opened());
    runtime.clock.after(6, () => events.draining("shutting down"));
    return {
      call: () => undefined, inFlight: 0, lastReceivedMs: 0, ping: () => true, pingsSparingly: false,
      failRepeatable() {}, abort() {}, close: () => void closed.push(runtime.clock.now()),
    };
  };
  const asked = connectProbe(runtime, connect)(endpointAddress({ address: "a:1" }), 500);
  await assert.rejects(simulation.runUntil(asked, 1_000), { message: "a:1 is draining: shutting down" });
  assert.deepEqual(closed, [6], "and leaves no connection");
});
