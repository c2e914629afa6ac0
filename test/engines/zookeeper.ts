/** ZooKeeper as tests start it: one server of Debian's package, in the foreground of a Java of its own. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { zookeeperDiscovery } from "../../src/discovery/zookeeper/index.ts";
import { lacking } from "../peers/programs.ts";
import { type EngineProgram, startEngine } from "./engine-process.ts";
import type { EngineUnderTest } from "./harness.ts";

const folder = "/usr/share/java";
const jars = ["zookeeper.jar", "zookeeper-jute.jar", "slf4j-simple.jar"].map((name) => join(folder, name));

export const zookeeperProgram: EngineProgram = {
  name: "zookeeper",
  command(port, data) {
    mkdirSync(data, { recursive: true });
    const settings = join(data, "zoo.cfg");
    writeFileSync(settings, [
      // A short tick lets sessions be short: from two ticks on.
      "tickTime=250", `dataDir=${data}`, `clientPort=${port}`, "clientPortAddress=127.0.0.1",
      "admin.enableServer=false", "4lw.commands.whitelist=ruok", "maxClientCnxns=0",
    ].join("\n"));
    return ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dzookeeper.forceSync=no",
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", [...jars].join(":"),
      "org.apache.zookeeper.server.quorum.QuorumPeerMain", settings];
  },
  async answers(port) {
    const socket = connect(port, "127.0.0.1");
    try {
      socket.end("ruok");
      const [answer] = await once(socket, "data") as [Buffer];
      return answer.toString() === "imok";
    } finally {
      socket.destroy();
    }
  },
};

export const zookeeper: EngineUnderTest = {
  name: "zookeeper",
  missing: lacking("java") || jars.filter((jar) => !existsSync(jar)).map((jar) => `not installed: ${jar}`)[0] ||
    undefined,
  start: () => startEngine(zookeeperProgram),
  discovery: ({ address }, { ttlMs = 4_000, observer } = {}) =>
    zookeeperDiscovery({ address, ttlMs, observer }),
};
