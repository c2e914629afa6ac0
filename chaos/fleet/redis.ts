// The store that all servers share, and the ledger of effects in it that no server can take back: a Redis process.
import { createClient } from "@redis/client";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A list of `[id, milliseconds of the machine's clock]`, in the order in which they came about. */
export const effectsKey = "effects";

export interface RedisProcess {
  readonly port: number;
  effects(): Promise<readonly (readonly [id: string, atMs: number])[]>;
  end(): Promise<void>;
}

/** Starts one that keeps everything in memory; answers why not where there is none. */
export async function startRedis(): Promise<RedisProcess | string> {
  if (spawnSync("redis-server", ["--version"]).status !== 0) return "redis-server is not installed";
  const port = await freePort();
  const child = spawn("redis-server", [
    "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
  ], { stdio: "ignore", cwd: "/" });
  const atExit = (): void => void child.kill("SIGKILL");
  process.once("exit", atExit);
  const client = createClient({ socket: { host: "127.0.0.1", port, reconnectStrategy: 50 } });
  client.on("error", () => undefined);
  const end = async (): Promise<void> => {
    process.off("exit", atExit);
    client.destroy();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  };
  const connected = await Promise.race([client.connect().then(() => true), sleep(20_000, false, { ref: false })]);
  if (!connected) {
    await end();
    return "redis-server did not answer within 20 s";
  }
  return {
    port, end,
    async effects() {
      const lines = await client.lRange(effectsKey, 0, -1);
      return lines.map((line) => JSON.parse(line) as [string, number]);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
