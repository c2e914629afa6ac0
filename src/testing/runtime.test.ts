import assert from "node:assert/strict";
import { test } from "node:test";
import type { ByteSink, ByteStream, Network, Runtime } from "../core/runtime.ts";
import { createSimulation } from "../runtime/sim/index.ts";
import { runtimeCases } from "./runtime.ts";

/** Runs the suite over a Runtime that `spoil` has made wrong, until a case notices; resolves with its name. */
async function caught(spoil: (runtime: Runtime) => Runtime): Promise<string | undefined> {
  let failed: string | undefined;
  const cases = runtimeCases(() => {
    const simulation = createSimulation({ seed: 1 });
    const runtime = spoil(simulation.host("host"));
    let ports = 7_000;
    return {
      server: runtime,
      client: runtime,
      listenAddress: () => (ports++ === 7_000 ? "host:0" : `host:${ports}`),
      drive: (body) => simulation.runUntil(body(), 100_000),
    };
  });
  for (const { name, run } of cases) {
    await run().catch(() => {
      failed = name;
    });
    if (failed !== undefined) break;
  }
  return failed;
}

const withNetwork = (runtime: Runtime, network: Partial<Network>): Runtime =>
  ({ ...runtime, network: { ...runtime.network, ...network } });

/** A dialled stream some of whose members are replaced. */
const withStream = (runtime: Runtime, change: (stream: ByteStream) => Partial<ByteStream>): Runtime =>
  withNetwork(runtime, {
    connect(address, sink) {
      const stream = runtime.network.connect(address, sink);
      const all: ByteStream = {
        peer: stream.peer,
        get bufferedBytes() {
          return stream.bufferedBytes;
        },
        write: (bytes, written) => stream.write(bytes, written),
        pause: () => stream.pause(),
        resume: () => stream.resume(),
        end: () => stream.end(),
        destroy: () => stream.destroy(),
      };
      return Object.assign(all, change(stream));
    },
  });

const withSink = (runtime: Runtime, change: (sink: ByteSink) => Partial<ByteSink>): Runtime =>
  withNetwork(runtime, {
    connect: (address, sink) => runtime.network.connect(address, {
      opened: () => sink.opened?.(),
      received: (bytes) => sink.received(bytes),
      drained: () => sink.drained?.(),
      closed: (error) => sink.closed(error),
      ...change(sink),
    }),
  });

test("the suite accepts a Runtime that is right", async () => {
  assert.equal(await caught((runtime) => runtime), undefined);
  assert.equal(await caught((runtime) => withSink(withStream(runtime, () => ({})), () => ({}))), undefined);
});

const mistakes: Record<string, (runtime: Runtime) => Runtime> = {
  "alarms ring early": (runtime) => ({
    ...runtime, clock: { ...runtime.clock, set: (alarm, atMs) => runtime.clock.set(alarm, atMs - 0.5) },
  }),
  "clear does nothing": (runtime) => ({ ...runtime, clock: { ...runtime.clock, clear() {} } }),
  "defer calls at once": (runtime) => ({ ...runtime, clock: { ...runtime.clock, defer: (callback) => callback() } }),
  "identifiers repeat": (runtime) => ({ ...runtime, random: { ...runtime.random, id: () => "0".repeat(32) } }),
  "opened is synchronous": (runtime) => withNetwork(runtime, {
    connect(address, sink) {
      sink.opened?.();
      return runtime.network.connect(address, { ...sink, opened() {} });
    },
  }),
  "closed comes twice": (runtime) => withSink(runtime, (sink) => ({
    closed(error) {
      sink.closed(error);
      sink.closed(error);
    },
  })),
  "bytes are dropped": (runtime) => withSink(runtime, (sink) => ({
    received: (bytes) => sink.received(bytes.subarray(1)),
  })),
  "pieces are given again": (runtime) => withSink(runtime, (sink) => ({
    received(bytes) {
      sink.received(bytes);
      sink.received(bytes);
    },
  })),
  "written is forgotten": (runtime) => withStream(runtime, (stream) => ({ write: (bytes) => stream.write(bytes) })),
  "written is synchronous": (runtime) => withStream(runtime, (stream) => ({
    write(bytes, written) {
      written?.();
      return stream.write(bytes);
    },
  })),
  "write never says stop": (runtime) => withStream(runtime, (stream) => ({
    write(bytes, written) {
      stream.write(bytes, written);
      return true;
    },
  })),
  "drained never comes": (runtime) => withSink(runtime, () => ({ drained() {} })),
  "end drops what was written": (runtime) => withStream(runtime, (stream) => ({ end: () => stream.destroy() })),
  "datagrams come from somewhere else": (runtime) => withNetwork(runtime, {
    datagrams: (address, receive) => runtime.network.datagrams(address, (bytes, from) => receive(bytes, `${from}1`)),
  }),
  "datagrams are cut short": (runtime) => withNetwork(runtime, {
    datagrams: (address, receive) => runtime.network.datagrams(address,
      (bytes, from) => receive(bytes.subarray(0, 1_000), from)),
  }),
  "listen ignores that the address is in use": (runtime) => withNetwork(runtime, {
    listen: (address, accept) => runtime.network.listen(address, accept)
      .catch(() => ({ address, close: () => Promise.resolve() })),
  }),
};

for (const [name, spoil] of Object.entries(mistakes)) {
  test(`the suite notices that ${name}`, async () => {
    assert.notEqual(await caught(spoil), undefined);
  });
}
