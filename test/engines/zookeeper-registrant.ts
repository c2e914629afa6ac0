// A process that registers and stays: `node zookeeper-registrant.ts ZOOKEEPER NAME ADDRESS`. It is there to be killed.
import { zookeeperDiscovery } from "../../src/discovery/zookeeper/index.ts";

const [address = "", name = "", own = ""] = process.argv.slice(2);
const discovery = zookeeperDiscovery({ address });
await discovery.register(name, { address: own }).registered;
process.stdout.write("registered\n");
setInterval(() => undefined, 60_000);
