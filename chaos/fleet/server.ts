// One server: node chaos/fleet/server.ts [HOST]. It behaves as it is told, and ends with whoever started it.
import { setTimeout as sleep } from "node:timers/promises";
import { expected } from "../../src/core/index.ts";
import { createServer } from "../../src/index.ts";
import { type Behaviour, type FromServer, type ToServer, watchLateness, Who } from "./messages.ts";

let behaviour: Behaviour = { delayMs: 5, errors: 0, fast: false };
const tell = (message: FromServer): void => void process.send?.(message);

const worstLatenessMs = watchLateness();
process.on("message", (message: ToServer) => {
  if (message.kind === "lateness") {
    tell({ kind: "lateness", worstMs: worstLatenessMs() });
  } else {
    behaviour = message;
    tell({ kind: "changed" });
  }
});
process.on("disconnect", () => process.exit());

const server = createServer({ metrics: false });
server.implement(Who, {
  async ask() {
    const { delayMs, errors, fast } = behaviour;
    const fails = Math.random() < errors;
    if (!(fails && fast)) await sleep(delayMs);
    if (fails) throw expected("unavailable", "told to fail");
    return { pid: process.pid };
  },
});
const address = await server.listen({ host: process.argv[2] ?? "127.0.0.1", port: 0 });
tell({ kind: "listening", address });
