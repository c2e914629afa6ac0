// A process that a scenario starts, stops and kills, by its id, and that never outlives the scenario.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import {
  type Behaviour, type FromCaller, type FromServer, machineMs, type Report, type ToCaller, type ToServer,
} from "./messages.ts";

/** Whoever forgets to end one leaves none behind. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** How long a process has to start, or to answer. */
const patienceMs = 60_000;

export class FleetProcess<From extends { readonly kind: string }, To extends object> {
  readonly child: ChildProcess;

  /** Runs a file of this folder, behind the words of `prefix` (which must replace themselves by it). */
  constructor(file: string, args: readonly string[] = [], prefix: readonly string[] = []) {
    const [command, ...rest] = [
      ...prefix, process.execPath, fileURLToPath(new URL(file, import.meta.url)), ...args,
    ] as [string, ...string[]];
    this.child = spawn(command, rest, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    running.add(this.child);
    this.child.once("exit", () => void running.delete(this.child));
  }

  send(message: To): void {
    if (this.child.connected) this.child.send(message);
  }

  /** The next message of a kind. */
  next<Kind extends From["kind"]>(kind: Kind): Promise<Extract<From, { kind: Kind }>> {
    const { child } = this;
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        child.off("message", heard);
        child.off("exit", ended);
        child.off("error", failed);
      };
      const heard = (message: unknown): void => {
        if ((message as From).kind !== kind) return;
        finish();
        resolve(message as Extract<From, { kind: Kind }>);
      };
      const failed = (error: Error): void => {
        finish();
        reject(error);
      };
      const ended = (): void => failed(new Error(`process ${child.pid} ended instead of saying "${kind}"`));
      const timer = setTimeout(() => failed(new Error(`no "${kind}" within ${patienceMs} ms`)), patienceMs);
      child.on("message", heard);
      child.once("exit", ended);
      child.once("error", failed);
    });
  }

  /** Sends a signal and answers when that was. */
  signal(name: NodeJS.Signals): number {
    const atMs = machineMs();
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(name);
    return atMs;
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined) return;
    const exit = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exit;
  }
}

export class FleetServer extends FleetProcess<FromServer, ToServer> {
  address = "";

  static async start(host = "127.0.0.1", prefix: readonly string[] = []): Promise<FleetServer> {
    const server = new FleetServer("server.ts", [host], prefix);
    server.address = (await server.next("listening")).address;
    return server;
  }

  /** Resolves, with the time, when the server behaves like this. */
  async behave(behaviour: Partial<Behaviour>): Promise<number> {
    const changed = this.next("changed");
    const atMs = machineMs();
    this.send({ kind: "behave", delayMs: 5, errors: 0, fast: false, ...behaviour });
    await changed;
    return atMs;
  }

  /** How late its event loop was at worst since this was asked last, in milliseconds. */
  async latenessMs(): Promise<number> {
    const lateness = this.next("lateness");
    this.send({ kind: "lateness" });
    return (await lateness).worstMs;
  }
}

export class FleetCaller extends FleetProcess<FromCaller, ToCaller> {
  static async start(): Promise<FleetCaller> {
    const caller = new FleetCaller("caller.ts");
    await caller.next("started");
    return caller;
  }

  /** Resolves when all servers are ready and are being called. */
  async begin(servers: readonly FleetServer[], callsPerSecond: number): Promise<void> {
    const calling = this.next("calling");
    this.send({ kind: "begin", addresses: servers.map(({ address }) => address), callsPerSecond });
    await calling;
  }

  async report(): Promise<Report> {
    const report = this.next("report");
    this.send({ kind: "end" });
    return report;
  }
}
