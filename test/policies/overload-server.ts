// A server whose only method keeps its thread busy for some milliseconds: what overload.test.ts overloads.
import { parentPort, workerData } from "node:worker_threads";
import { createServer } from "../../src/server/index.ts";
import { Busy } from "./overload-contract.ts";

const { workMs } = workerData as { workMs: number };
const events: string[] = [];
const work = (): { done: boolean } => {
  const untilMs = performance.now() + workMs;
  while (performance.now() < untilMs);
  return { done: true };
};
const server = createServer({
  metrics: false,
  observer: {
    event: (name, fields) => {
      if (name.startsWith("overload")) events.push(`${name} ${String(fields["why"])}`);
    },
  },
});
server.implement(Busy, { work, critical: work });
const address = await server.listen();
parentPort?.on("message", () => {
  parentPort?.postMessage({ events }, []);
  void server.close(0).then(() => parentPort?.close());
});
parentPort?.postMessage({ address }, []);
