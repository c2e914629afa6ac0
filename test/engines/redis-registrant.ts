// A process that registers and stays: `node redis-registrant.ts URL NAME ADDRESS`. It is there to be killed.
import { redisDiscovery } from "../../src/discovery/redis/index.ts";

const [address = "", name = "", own = ""] = process.argv.slice(2);
const discovery = redisDiscovery({ url: address });
await discovery.register(name, { address: own }).registered;
process.stdout.write("registered\n");
setInterval(() => undefined, 60_000);
