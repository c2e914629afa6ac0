/** Redis as tests start it: one server, whose data survive a restart and not a wipe. */
import { mkdirSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { redisDiscovery } from "../../src/discovery/redis/index.ts";
import { lacking } from "../peers/programs.ts";
import { type EngineProcess, type EngineProgram, startEngine } from "./engine-process.ts";
import type { EngineUnderTest } from "./harness.ts";

function program(...options: readonly string[]): EngineProgram {
  return {
    name: "redis",
    command(port, folder) {
      mkdirSync(folder, { recursive: true });
      return ["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
        "--appendonly", "yes", "--appendfsync", "always", ...options];
    },
    async answers(port) {
      const socket = connect(port, "127.0.0.1");
      try {
        socket.write("PING\r\n");
        const [answer] = await once(socket, "data") as [Buffer];
        return /^\+PONG|^-NOAUTH/.test(answer.toString());
      } finally {
        socket.destroy();
      }
    },
  };
}

/** A Redis with further options of its command line. */
export function startRedis(...options: readonly string[]): Promise<EngineProcess> {
  return startEngine(program(...options));
}

export const redis: EngineUnderTest = {
  name: "redis",
  missing: lacking("redis-server") || undefined,
  start: () => startRedis(),
  discovery: ({ address }, { ttlMs, observer } = {}) =>
    redisDiscovery({ url: `redis://${address}`, ttlMs, observer }),
};
