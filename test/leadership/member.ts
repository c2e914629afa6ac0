// A process that keeps a ledger warm with others: `node member.ts ETCD NAME PORT`. It is there to be killed.
import { etcdElection } from "../../src/discovery/etcd/index.ts";
import { createServer } from "../../src/server/index.ts";
import { createStandby } from "../../src/leadership/index.ts";
import { Ledger, ledgerState } from "./world.ts";

const [etcd = "", id = "", port = ""] = process.argv.slice(2);
const ids: string[] = [];
const standby = createStandby({
  name: "ledger", id, address: `127.0.0.1:${port}`, state: ledgerState(ids),
  election: etcdElection({ address: etcd, ttlMs: 2_000 }),
});
const server = createServer().implement(Ledger, {
  add: async ({ id: entry }, context) => {
    const answer = await standby.change(new TextEncoder().encode(entry), { context });
    return { total: Number(new TextDecoder().decode(answer)) };
  },
  read: (_request, context) => standby.read(() => ({ ids: [...ids], by: id }), { context }),
});
standby.implementOn(server);
await server.listen({ port: Number(port) });
process.on("message", () => process.send?.(standby.status(), () => undefined));
process.on("disconnect", () => process.exit());
process.send?.("listening");
