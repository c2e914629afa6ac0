// A default installation in one process: registry, server and gateway as the documents start them.
// Prints its addresses.
import { createGateway } from "../../src/gateway/index.ts";
import { hostRegistry, registry } from "../../src/registry/index.ts";
import { createServer } from "../../src/server/index.ts";
import { Ledger } from "./support.ts";

const host = await hostRegistry({});
const known = registry({ address: host.address });
const server = createServer({ region: "eu", registry: known }).implement(Ledger, {
  read: () => ({ balance: 1 }),
  write: () => ({ balance: 1 }),
  async *watch() {
    yield { balance: 1 };
  },
});
const addresses = [host.address, await server.listen()];
const gateway = createGateway({ region: "eu", discovery: known, registry: known });
addresses.push(await gateway.listen());
console.log(JSON.stringify(addresses));
