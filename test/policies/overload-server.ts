// A server with its defaults whose methods take their turn at one modelled worker: what overload.test.ts overloads.
import { parentPort, workerData } from "node:worker_threads";
import { createServer } from "../../src/server/index.ts";
import { Busy } from "./overload-contract.ts";
import { timedWorker } from "./timed-worker.ts";

const { workMs } = workerData as { workMs: number };
const events: string[] = [];
const worker = timedWorker(workMs);

const server = createServer({
  metrics: false,
  observer: {
    event: (name, fields) => {
      if (name.startsWith("overload")) events.push(`${name} ${String(fields["why"])}`);
    },
  },
});
server.implement(Busy, { work: worker.work, critical: worker.work });
const address = await server.listen();
parentPort?.on("message", () => {
  parentPort?.postMessage({ events, served: worker.served }, []);
  void server.close(0).then(() => parentPort?.close());
});
parentPort?.postMessage({ address }, []);
