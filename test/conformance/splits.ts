/** A network whose reads arrive cut at arbitrary places, since TCP promises no other. */
import type { ByteSink, Network, Runtime } from "../../src/core/index.ts";

/** Delivers every read in pieces of at most `size()` bytes. */
export function withSplits(network: Network, size: () => number): Network {
  const cut = (sink: ByteSink): ByteSink => ({
    opened: () => sink.opened?.(),
    drained: () => sink.drained?.(),
    closed: (error) => sink.closed(error),
    received(bytes) {
      for (let offset = 0; offset < bytes.length;) {
        const end = offset + Math.max(1, size());
        sink.received(bytes.subarray(offset, end));
        offset = end;
      }
    },
  });
  return {
    connect: (address, sink) => network.connect(address, cut(sink)),
    listen: (address, accept) => network.listen(address, (stream) => cut(accept(stream))),
    datagrams: (address, receive) => network.datagrams(address, receive),
  };
}

/** A runtime whose reads are cut anywhere: mostly small, some large, or large bodies would take for ever. */
export function cutAnywhere(runtime: Runtime): Runtime {
  const { random } = runtime;
  const size = (): number => Math.floor(random.next() * (random.next() < 0.95 ? 40 : 40_000));
  return { ...runtime, network: withSplits(runtime.network, size) };
}
