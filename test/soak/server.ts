/** The soak's server process: it serves, drops connections by chance, goes and comes back, and says what it holds. */
import type { ByteStream, Runtime } from "../../src/core/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createServerOn, type Server } from "../../src/server/index.ts";
import { Soak } from "./contract.ts";
import { type Held, measure } from "./measure.ts";

export type Order = { readonly do: "restart" } | { readonly do: "measure" } | { readonly do: "stop" };

export interface Report {
  readonly port: number;
  readonly accepted: number;
  readonly dropped: number;
  readonly restarts: number;
  readonly inFlight: number;
  readonly connections: number;
  readonly held: Held;
}

const streams = new Set<ByteStream>();
let accepted = 0;
let dropped = 0;
let restarts = 0;

const runtime: Runtime = {
  ...nodeRuntime,
  network: {
    ...nodeRuntime.network,
    listen: (address, accept) => nodeRuntime.network.listen(address, (stream) => {
      accepted++;
      streams.add(stream);
      const sink = accept(stream);
      const closed = sink.closed.bind(sink);
      sink.closed = (error) => {
        streams.delete(stream);
        closed(error);
      };
      return sink;
    }),
  },
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const dropEveryCalls = Number(process.argv[2] ?? 200);
let calls = 0;

/** Now and then drops a connection, whatever is going on on it. */
function called(): void {
  if (++calls % dropEveryCalls !== 0) return;
  setTimeout(() => {
    const all = [...streams];
    const victim = all[Math.floor(Math.random() * all.length)];
    if (victim === undefined) return;
    dropped++;
    victim.destroy();
  }, Math.random() * 5);
}

async function serve(port: number): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServerOn(runtime).implement(Soak, {
    echo: (input) => {
      called();
      return input;
    },
    slow: async (input) => {
      called();
      await sleep(1 + Math.random() * 4);
      return input;
    },
    large: (input) => input,
    async *count({ to }) {
      for (let n = 0; n < to; n++) yield { n, text: "counted" };
    },
    async sum(inputs) {
      let sum = 0;
      for await (const { n } of inputs) sum += n;
      return { sum };
    },
    async *chat(inputs) {
      for await (const input of inputs) yield input;
    },
  });
  for (;;) {
    try {
      return { server, port: Number((await server.listen({ port })).split(":").pop()) };
    } catch {
      await sleep(5); // The predecessor's port is not free yet.
    }
  }
}

let serving = await serve(0);

async function report(): Promise<Report> {
  const { server, port } = serving;
  const held = await measure();
  return { port, accepted, dropped, restarts, inFlight: server.inFlight, connections: server.connections, held };
}

process.on("message", (order: Order) => {
  void (async () => {
    if (order.do === "restart") {
      const { server, port } = serving;
      restarts++;
      // The old one drains while the new one takes the port.
      const closed = server.close(200);
      serving = await serve(port);
      await closed;
    } else if (order.do === "measure") {
      process.send?.(await report());
    } else {
      await serving.server.close(0);
      process.disconnect();
    }
  })();
});
process.send?.(await report());
