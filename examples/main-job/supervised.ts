/**
 * A Supervised is one process of the main job through all its lives: started, killed, started again.
 *
 * It never outlives the supervisor: it ends when its channel to it closes, whatever closed it.
 */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { FromNode, NodeSettings, Role, ToNode } from "./messages.ts";

export type Status = "starting" | "up" | "down";

/** How long a process has to get ready, or a client to finish. */
const patienceMs = 60_000;

export class Supervised {
  /** For example `us-east/a`, `us-east/gateway`, `us-east/client`, `registry`. */
  readonly id: string;
  readonly role: Role;
  readonly region: string;
  status: Status = "down";
  readonly #settings: NodeSettings;
  readonly #heard: (from: Supervised, message: FromNode) => void;
  #child: ChildProcess | undefined;

  /** `heard` is told of everything the process says, and of an end that nobody asked for. */
  constructor(settings: NodeSettings, heard: (from: Supervised, message: FromNode) => void) {
    const { role, region, zone } = settings;
    this.id = role === "registry" ? role : `${region}/${role === "server" ? zone : role}`;
    this.role = role;
    this.region = region;
    this.#settings = settings;
    this.#heard = heard;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts a process and resolves with the address it listens on (empty for clients). */
  async start(): Promise<string> {
    const child = fork(join(import.meta.dirname, "node.ts"), [JSON.stringify(this.#settings)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      // Code that one process has compiled the next need not: a third of the time to start.
      env: { ...process.env, NODE_COMPILE_CACHE: join(this.#settings.folder, "code") },
    });
    this.#child = child;
    this.status = "starting";
    child.on("message", (message) => this.#heard(this, message as FromNode));
    child.once("exit", (code, signal) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.status = "down";
      this.#heard(this, { kind: "event", text: `ended by itself (${signal ?? `exit code ${code}`})` });
    });
    const { address } = await this.#next(child, "ready");
    if (this.#child === child) this.status = "up";
    return address;
  }

  /** SIGKILL: the process gets no chance to say good-bye. */
  kill(): void {
    const child = this.#child;
    this.#child = undefined;
    this.status = "down";
    child?.kill("SIGKILL");
  }

  send(message: ToNode): void {
    this.#child?.send(message);
  }

  /** Asks a client to finish; resolves when it has reported its last call. */
  async finish(): Promise<void> {
    if (this.#child === undefined) throw new Error(`${this.id} is dead; its calls cannot be accounted for`);
    const finished = this.#next(this.#child, "finished");
    this.send({ kind: "finish" });
    await finished;
  }

  /** The next message of one kind; rejects when the process ends first or takes too long. */
  #next<Kind extends FromNode["kind"]>(
    child: ChildProcess, kind: Kind,
  ): Promise<Extract<FromNode, { readonly kind: Kind }>> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        child.off("message", heard);
        child.off("exit", ended);
      };
      const heard = (message: FromNode): void => {
        if (message.kind !== kind) return;
        stop();
        resolve(message as Extract<FromNode, { readonly kind: Kind }>);
      };
      const ended = (): void => {
        stop();
        reject(new Error(`${this.id} ended before it was ${kind}`));
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`${this.id} was not ${kind} within ${patienceMs} ms`));
      }, patienceMs);
      child.on("message", heard as (message: unknown) => void);
      child.once("exit", ended);
    });
  }
}
