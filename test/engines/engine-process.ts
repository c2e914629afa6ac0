/** A real engine's process: started on a port that stays its own, killed, stalled, wiped, started again, and ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, closeSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { path } from "../peers/programs.ts";
import type { EngineServer } from "./harness.ts";

export interface EngineProgram {
  readonly name: string;
  /** Program and arguments that keep it in the foreground, with its data below `folder`. */
  command(port: number, folder: string): readonly [program: string, ...args: string[]];
  /** Whether it answers: asked until it does. A rejection counts as no. */
  answers(port: number): Promise<boolean>;
  /** Ports that it needs besides; `command` may take `port + 1` and so on. Default 0. */
  readonly morePorts?: number;
}

export interface EngineProcess extends EngineServer {
  readonly port: number;
  readonly folder: string;
}

const startTimeoutMs = 60_000;

export async function startEngine(program: EngineProgram): Promise<EngineProcess> {
  const port = await freePorts(1 + (program.morePorts ?? 0));
  const root = mkdtempSync(join(tmpdir(), `meridian-${program.name}-`));
  const log = join(root, "log");
  const folder = join(root, "data");
  let child: ChildProcess | undefined;

  async function begin(): Promise<void> {
    const [command, ...args] = program.command(port, folder);
    const output = openSync(log, "a");
    child = spawn(command, args, { cwd: root, env: { ...process.env, PATH: path }, stdio: ["ignore", output, output] });
    closeSync(output);
    // A program that cannot be started says so by an event, and never exits.
    const failures: Error[] = [];
    child.once("error", (error) => void failures.push(error));
    const deadline = performance.now() + startTimeoutMs;
    while (performance.now() < deadline && child.exitCode === null && failures.length === 0) {
      if (await program.answers(port).catch(() => false)) return;
      await sleep(20);
    }
    await kill();
    throw new Error(`${program.name} does not answer on port ${port}: ${failures[0]?.message ?? tail(log)}`);
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  // Whoever forgets to stop it, or is killed by a test's timeout, leaves none behind.
  const atExit = (): void => void child?.kill("SIGKILL");
  process.once("exit", atExit);

  try {
    await begin();
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    throw error;
  }
  return {
    address: `127.0.0.1:${port}`, port, folder, kill,
    stall: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    async restart() {
      await kill();
      await begin();
    },
    async restartEmpty() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
      await begin();
    },
    async stop() {
      process.off("exit", atExit);
      await kill();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function tail(file: string): string {
  return readFileSync(file, "utf8").slice(-2_000);
}

/** The first of so many ports in a row that nobody uses. */
async function freePorts(count: number): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const first = await free(0);
    if (first === undefined) continue;
    const others = await Promise.all(Array.from({ length: count - 1 }, (_, i) => free(first + 1 + i)));
    if (others.every((port) => port !== undefined)) return first;
  }
  throw new Error(`no ${count} free ports in a row`);
}

async function free(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    return typeof address === "object" ? address?.port : undefined;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
