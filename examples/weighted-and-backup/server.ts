// One server as a process. Started by start.ts, and ends with it.
import { createServer } from "../../src/index.ts";
import { WhoAmI } from "./contract.ts";

const [name = "", port = "0"] = process.argv.slice(2);
process.once("disconnect", () => process.exit());

const server = createServer().implement(WhoAmI, { ask: () => ({ name }) });
process.send?.(await server.listen({ port: Number(port) }));
