/** Programs that tests talk to: whether they are installed, and how they are run and ended. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** Servers live in sbin and Go in a place of its own, which a user's PATH may lack. */
export const path = [process.env["PATH"], "/usr/sbin", "/sbin", "/usr/local/go/bin"].join(delimiter);
const env = { ...process.env, PATH: path };

/** Debian's own: another Python first on the path has no grpcio. */
export const python = "/usr/bin/python3";

/** Why a test that needs these cannot run: what `skip` takes. */
export function lacking(...programs: readonly string[]): string | false {
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length === 0 ? false : `not installed: ${missing.join(", ")}`;
}

export function isInstalled(program: string): boolean {
  if (program === "grpcio") return spawnSync(python, ["-c", "import grpc, google.protobuf"]).status === 0;
  if (program === "python-thrift") return spawnSync(python, ["-c", "import thrift"]).status === 0;
  if (program === "python-avro") return spawnSync(python, ["-c", "import avro.ipc"]).status === 0;
  return path.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface OutputOptions {
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** A folder in which Python looks for packages first. */
  readonly library?: string | undefined;
}

/** Runs a program to its end and returns what it printed; rejects, with what it complained of, if it fails. */
export async function outputOf(
  program: string, args: readonly string[], options: OutputOptions = {},
): Promise<string> {
  const { library } = options;
  const { stdout } = await promisify(execFile)(program, [...args], {
    env: library === undefined ? env : { ...env, PYTHONPATH: library }, cwd: options.cwd,
    timeout: options.timeoutMs ?? 30_000, maxBuffer: 1 << 24,
  });
  return stdout;
}

/** A program that goes on until it is stopped. */
export interface Running {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts a program that prints `listening PORT` and ends when its standard input does. */
export async function startServer(program: string, args: readonly string[]): Promise<Running> {
  const child = spawn(program, [...args], { env, stdio: ["pipe", "pipe", "inherit"] });
  const stop = (): Promise<void> => ended(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const [, port] = /^listening (\d+)$/.exec(line) ?? [];
    if (port !== undefined) return { port: Number(port), stop };
  }
  await stop();
  throw new Error(`${program} ${args.join(" ")} ended before it listened`);
}

/** Starts a program that says nothing: it is up when somebody accepts connections at `port`. */
export async function startProxy(program: string, args: readonly string[], port: number): Promise<Running> {
  const child = spawn(program, [...args], { env, stdio: ["ignore", 2, 2] });
  for (let i = 0; i < 200 && child.exitCode === null; i++) {
    if (await accepts(port)) return { port, stop: () => ended(child) };
    await sleep(25);
  }
  await ended(child);
  throw new Error(`${program} does not listen on 127.0.0.1:${port}`);
}

/** Whether somebody listens there. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.stdin?.end();
  child.kill();
  const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
  await exit;
  clearTimeout(timer);
}
