// A server of bench/stack.ts: `bare` or with what `createServer` adds. Tells its addresses, then its processor time.
import { createServer } from "../../src/index.ts";
import { Echo } from "../systems/meridian/contract.ts";
import { cpuNs, endAlone } from "./process.ts";

const [kind] = process.argv.slice(2);
endAlone();
const same = (request: unknown): unknown => request;
const handlers = { small: same, user: same, async *receive() {}, send: async () => ({ count: 0 }) };
const addresses: string[] = [];
for (let i = 0; i < 2; i++) {
  const server = createServer(kind === "bare" ? { metrics: false, load: false, admission: false } : {});
  addresses.push(await server.implement(Echo, handlers as never).listen());
}
process.on("message", () => process.send?.(cpuNs()));
process.send?.(addresses);
