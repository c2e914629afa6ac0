// A process that registers and stays: `node zookeeper-server.ts SERVERS NAME ADDRESS`. It is there to be killed.
import { zookeeperDiscovery } from "../../src/discovery/zookeeper/index.ts";

const [servers = "", name = "", address = ""] = process.argv.slice(2);
const discovery = zookeeperDiscovery({ servers });
await discovery.register(name, { address }).registered;
process.stdout.write("registered\n");
setInterval(() => undefined, 60_000);
