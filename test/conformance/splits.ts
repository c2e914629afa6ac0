/** A network whose reads arrive cut at arbitrary places, since TCP promises no other. */
import type { ByteSink, Network } from "../../src/core/index.ts";

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
  };
}
