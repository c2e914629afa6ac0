// One server as a process. Started by start.ts, which tells it whether its database is there, and ends with it.
import { createServer } from "../../src/index.ts";
import { Warehouse } from "./contract.ts";

const [name = ""] = process.argv.slice(2);
process.once("disconnect", () => process.exit());

const server = createServer().implement(Warehouse, { count: () => ({ by: name }) });
// The port is open and the process is well; only this service cannot do its work, and says so.
process.on("message", (database) => {
  server.health.set(Warehouse.name, database === "lost" ? "NOT_SERVING" : "SERVING");
});
process.send?.(await server.listen());
