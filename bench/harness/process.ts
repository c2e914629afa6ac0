// Starts processes to measure, each pinned to a core of its own where the system can do that.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { certificatesVariable } from "./certificate.ts";
import type { Report } from "./child.ts";

const childProgram = fileURLToPath(new URL("child.ts", import.meta.url));

/** Cores that this process may use. */
const cores = allowedCores();
const canPin = cores.length >= 2 && spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;

/** The part of a process in a measurement, which decides its core: client and server never share one. */
export type Role = "server" | "client" | "between";

/** For the figures' reader: what they were measured on. */
export const machine = `Node ${process.version}, ${cores.length} cores, ` +
  (canPin ? "server and client pinned to one each" : "not pinned (no taskset, or a single core)");

function allowedCores(): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
    return list.split(",").flatMap((range) => {
      const [first = 0, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
  } catch {
    return [];
  }
}

/**
 * The command line that runs `command` on the core of its role. What stands between client and server gets a
 * third core where there is one, and otherwise whatever the other two leave.
 */
export function pinned(role: Role, command: readonly string[]): string[] {
  const core = { server: cores[0], client: cores[1], between: cores[2] }[role];
  return canPin && core !== undefined ? ["taskset", "-c", String(core), ...command] : [...command];
}

/** A process that a measurement started. */
export interface Child {
  readonly pid: number;
  /** Resolves to the next report of this type; rejects if the process fails, ends, or says nothing for so long. */
  next<Type extends Report["type"]>(type: Type, timeoutMs: number): Promise<Extract<Report, { type: Type }>>;
  /** Asks a server for its processor time. */
  ask(): void;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/** `certificates` is the directory of the certificate to secure connections with; undefined for none. */
export function startChild(role: Role, args: readonly string[], certificates?: string): Child {
  const [program = "", ...programArgs] = pinned(role, [process.execPath, childProgram, role, ...args]);
  // Standard output belongs to our rows, so whatever a library prints goes to standard error.
  const child = spawn(program, programArgs, {
    stdio: ["ignore", 2, 2, "ipc"],
    env: certificates === undefined ? process.env : { ...process.env, [certificatesVariable]: certificates },
  });
  return {
    pid: child.pid ?? 0,
    next: (type, timeoutMs) => nextReport(child, `${role} ${args[0]}`, { type, timeoutMs }),
    ask: () => child.send("cpu"),
    stop: () => stopProcess(child),
  };
}

function nextReport<Type extends Report["type"]>(
  child: ChildProcess, name: string, { type, timeoutMs }: { type: Type; timeoutMs: number },
): Promise<Extract<Report, { type: Type }>> {
  const { promise, resolve, reject } = Promise.withResolvers<Extract<Report, { type: Type }>>();
  const onMessage = (report: Report) => {
    if (report.type === type) resolve(report as Extract<Report, { type: Type }>);
    else if (report.type === "failed") reject(new Error(`${name}: ${report.message}`));
  };
  const onExit = () => reject(new Error(`${name} ended before it said "${type}"`));
  const timer = setTimeout(() => reject(new Error(`${name} did not say "${type}" in ${timeoutMs} ms`)), timeoutMs);
  child.on("message", onMessage).once("exit", onExit);
  return promise.finally(() => {
    clearTimeout(timer);
    child.off("message", onMessage).off("exit", onExit);
  });
}

/** Ends a process that we started, the hard way if it does not listen. */
export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = Promise.withResolvers<void>();
  child.once("exit", () => ended.resolve());
  child.kill();
  const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
  await ended.promise;
  clearTimeout(timer);
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer().once("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
  });
  return promise;
}

/** Processor time so far of a process and all it started, in seconds; from /proc, so 0 where there is none. */
export function processorSeconds(pid: number): number {
  const own = finely(pid) ?? coarsely(pid);
  return childrenOf(pid).reduce((seconds, child) => seconds + processorSeconds(child), own);
}

/** The sum of its threads in nanoseconds, where the kernel counts them. */
function finely(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e9)
      .reduce((sum, seconds) => sum + seconds, 0);
  } catch {
    return undefined;
  }
}

/** In hundredths of a second, which Linux reports to user space whatever its own tick is. */
function coarsely(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
