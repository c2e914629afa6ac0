// One region as a process: its server and its gateway. Started by start.ts, and ends with it.
import { createGateway, createServer } from "../../src/index.ts";
import { registry } from "../../src/registry/index.ts";
import { Addition, Subtraction } from "./contract.ts";

const [region = "", registryAddress = ""] = process.argv.slice(2);
process.once("disconnect", () => process.exit());

const discovery = registry(registryAddress);

const server = createServer({ region, registry: discovery });
if (region === "Region1") server.implement(Addition, { add: ({ a, b }) => ({ result: a + b, servedIn: region }) });
else server.implement(Subtraction, { subtract: ({ a, b }) => ({ result: a - b, servedIn: region }) });
await server.listen();

const gateway = createGateway({ region, discovery, registry: discovery });
process.send?.(await gateway.listen());
