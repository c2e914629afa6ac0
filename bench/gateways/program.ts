// Runs a program that is no Node: its files in a directory of its own, and gone when this process goes.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Servers live in sbin, which a user's PATH may lack. */
const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };

export type Program = "nginx" | "haproxy";

export function isInstalled(program: Program): boolean {
  return spawnSync(program, ["-v"], { stdio: "ignore", env }).status === 0;
}

export interface Start {
  readonly program: Program;
  /** Where it will listen, which says that it is up. */
  readonly port: number;
  /** The text of its configuration, given the directory that all its files belong in. */
  readonly configuration: (directory: string) => string;
  /** Its arguments, given that directory and the path of the configuration. */
  readonly args: (directory: string, path: string) => string[];
}

/** Ends what was started; resolves when it has ended. */
export type Stop = () => Promise<void>;

/** Resolves once the program accepts connections; rejects if it ends before. */
export async function run({ program, port, configuration, args }: Start): Promise<Stop> {
  const directory = mkdtempSync(join(tmpdir(), "meridian-bench-"));
  // nginx started by root works as another user, who must be able to enter.
  chmodSync(directory, 0o755);
  const path = join(directory, "configuration");
  writeFileSync(path, configuration(directory));
  const child = spawn(program, args(directory, path), { stdio: ["ignore", 2, 2], env });
  const ended = Promise.withResolvers<void>();
  child.once("exit", () => ended.resolve());
  // For an end that could not wait for `stop`.
  process.once("exit", () => {
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  const failed = Promise.withResolvers<never>();
  child.once("error", failed.reject);
  child.once("exit", (code) => failed.reject(new Error(`${program} ended with ${code}`)));
  await Promise.race([failed.promise, accepting(port)]);
  // Whatever ends it from here on, the calls that fail will say so.
  failed.promise.catch(() => {});
  return async () => {
    child.kill();
    await ended.promise;
  };
}

/** Resolves once somebody accepts connections there. */
async function accepting(port: number): Promise<void> {
  const tries = 200;
  const pauseMs = 25;
  for (let i = 0; i < tries; i++) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      }).once("error", () => resolve(false));
    });
    if (accepted) return;
    await sleep(pauseMs);
  }
  throw new Error(`nobody listens on 127.0.0.1:${port} after ${tries * pauseMs} ms`);
}
