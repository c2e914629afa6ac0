// A server with its defaults, a process of its own that can be stopped: what standstill.test.ts stops.
import { createServer } from "../../src/server/index.ts";
import { Busy } from "./overload-contract.ts";
import { timedWorker } from "./timed-worker.ts";

const events: string[] = [];
const { work } = timedWorker(Number(process.argv[2]));
const server = createServer({
  metrics: false, observer: {
    event: (name, fields) => {
      if (name.startsWith("overload")) events.push(`${name} ${String(fields["why"])}`);
    },
  },
});
server.implement(Busy, { work, critical: work });
const address = await server.listen();
process.on("message", () => process.send?.({ events }));
process.once("disconnect", () => process.exit());
process.send?.({ address });
