// Hosts the embedded registry on the port it is given, until it is ended.
import { hostRegistry } from "../../src/registry/index.ts";

await hostRegistry({ port: Number(process.argv[2]) });
