// One of the two processes: primary or backup, as the election has it. `node member.ts NAME PORT ARBITER`
import { createServer } from "../../src/index.ts";
import { arbiterElection, createStandby } from "../../src/leadership/index.ts";
import { Counter } from "./contract.ts";

const [id = "", port = "", arbiter = ""] = process.argv.slice(2);
const address = `127.0.0.1:${port}`;
const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
let value = 0;

const standby = createStandby({
  name: "counter", id, address,
  election: arbiterElection({ address: arbiter, ttlMs: 500 }),
  // Acknowledged once the backup has it; of two, the one that is left counts on alone.
  mode: { kind: "semi-synchronous", backups: 1, alone: true },
  state: {
    snapshot: () => encoder.encode(String(value)),
    restore: (bytes) => void (value = Number(decoder.decode(bytes))),
    apply: (change) => encoder.encode(String(value += Number(decoder.decode(change)))),
  },
});

const server = createServer().implement(Counter, {
  async add({ by }, context) {
    const answer = await standby.change(encoder.encode(String(by)), { context });
    return { value: Number(decoder.decode(answer)) };
  },
  read: (_request, context) => standby.read(() => ({ value }), { context }),
});
standby.implementOn(server);
await server.listen({ port: Number(port) });
process.send?.("listening");
process.on("message", () => process.send?.(standby.status(), () => undefined));
process.on("disconnect", () => process.exit());
