/**
 * The compliance suite of Runtime: what every clock and every network must do, real or simulated.
 *
 * It knows no test runner: each case is a name and a function that rejects when the Runtime is wrong.
 */
import type { ByteStream, DatagramSocket, Listener, Runtime } from "../core/runtime.ts";
import { clockCases } from "./runtime-clock.ts";
import { datagramCases } from "./runtime-datagram.ts";
import { flowCases } from "./runtime-flow.ts";
import type { RuntimeHarness } from "./runtime-harness.ts";
import { streamCases } from "./runtime-stream.ts";

export type { RuntimeHarness } from "./runtime-harness.ts";

export interface RuntimeCase {
  readonly name: string;
  /** Resolves if the Runtime behaves; rejects with what it did instead. */
  readonly run: () => Promise<void>;
}

/** How long a case may take, in milliseconds of the Runtime's own clock. */
const caseTimeoutMs = 20_000;

/**
 * All cases; those whose name begins with `datagram` need addresses with ports. `createHarness` is called once for
 * each, so that no case sees what another left.
 *
 * @example
 * for (const { name, run } of runtimeCases(createHarness)) test(name, run);
 */
export function runtimeCases(createHarness: () => RuntimeHarness): readonly RuntimeCase[] {
  const cases = [...clockCases, ...streamCases, ...flowCases, ...datagramCases];
  return cases.map(({ name, body }) => ({
    name,
    async run() {
      const given = createHarness();
      const opened: Opened = { listeners: [], streams: [], sockets: [] };
      const [server, client] = [tracked(given.server, opened), tracked(given.client, opened)];
      const harness: RuntimeHarness = {
        server, client, listenAddress: () => given.listenAddress(), drive: (inner) => given.drive(inner),
      };
      try {
        await given.drive(() => withTimeout(harness, body(harness)));
      } finally {
        // A case that failed half-way must not keep the process alive.
        for (const stream of opened.streams) stream.destroy();
        for (const listener of [...opened.listeners, ...opened.sockets]) await listener.close();
        await given.close?.();
      }
    },
  }));
}

interface Opened {
  readonly listeners: Listener[];
  readonly streams: ByteStream[];
  readonly sockets: DatagramSocket[];
}

/** `runtime`, remembering what is opened through it. */
function tracked(runtime: Runtime, opened: Opened): Runtime {
  const { network } = runtime;
  const remember = (stream: ByteStream): ByteStream => {
    opened.streams.push(stream);
    return stream;
  };
  return {
    clock: runtime.clock,
    random: runtime.random,
    network: {
      connect: (address, sink) => remember(network.connect(address, sink)),
      async listen(address, accept) {
        const listener = await network.listen(address, (stream) => accept(remember(stream)));
        opened.listeners.push(listener);
        return listener;
      },
      async datagrams(address, receive) {
        const socket = await network.datagrams(address, receive);
        opened.sockets.push(socket);
        return socket;
      },
    },
  };
}

function withTimeout(harness: RuntimeHarness, outcome: Promise<void>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = harness.client.clock.after(caseTimeoutMs, () => {
    reject(new Error(`not done after ${caseTimeoutMs} ms`));
  });
  outcome.then(resolve, reject);
  return promise.finally(() => timer.cancel());
}
