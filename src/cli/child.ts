/**
 * A Child is one process of `meridian up` through all its lives: started, restarted when it dies, drained.
 *
 * It never outlives us: it drains by itself when its channel to us closes, whatever closed it.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What a process is for. */
export type Role = "registry" | "server" | "gateway";

export interface ChildOptions {
  readonly role: Role;
  /** Its name in the configuration. */
  readonly name: string;
  /** The command line after `meridian`. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Hears of its lives, and of what it prints. */
  readonly heard: (child: Child, event: ChildEvent) => void;
}

export type ChildEvent =
  | { readonly kind: "started"; readonly pid: number }
  | { readonly kind: "ready"; readonly address: string; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "said"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "output"; readonly stream: "stdout" | "stderr"; readonly text: string }
  | { readonly kind: "exited"; readonly why: string; readonly restartInMs: number | undefined };

/** First and longest pause before a process that died is started again; after a life so long, the first one. */
const pauseMs = { first: 200, longest: 5_000, healthy: 10_000 };
/** Longest line that is passed on, in characters. */
const maxLineChars = 16_384;

const program = fileURLToPath(new URL(`./meridian${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));

export class Child {
  readonly options: ChildOptions;
  address = "";
  /** Where its admin service listens; empty without. */
  admin = "";
  #process: ChildProcess | undefined = undefined;
  #isWanted = false;
  #wasReady = false;
  #startedMs = 0;
  #pauseMs = pauseMs.first;
  #restart: NodeJS.Timeout | undefined = undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor(options: ChildOptions) {
    this.options = options;
  }

  /** `servers.calculator`, as the configuration calls it. */
  get key(): string {
    const { role, name } = this.options;
    return role === "registry" ? role : `${role}s.${name}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it, and keeps it running from then on. Rejects if it ends before it was ready for the first time. */
  start(): Promise<void> {
    this.#isWanted = true;
    return this.#spawn();
  }

  #spawn(): Promise<void> {
    this.#startedMs = performance.now();
    const child = fork(program, [...this.options.args, "--json"], {
      stdio: ["ignore", "pipe", "pipe", "ipc"], env: { ...process.env, ...this.options.env },
    });
    this.#process = child;
    const exited = Promise.withResolvers<void>();
    this.#exited = exited.promise;
    const ready = Promise.withResolvers<void>();
    // Nobody waits for the readiness of one that was started again.
    ready.promise.catch(() => undefined);
    const complaints: string[] = [];
    this.#listen(child, "stdout", (text) => {
      const fields = objectIn(text);
      if (fields?.["event"] === "ready") {
        this.address = String(fields["address"]);
        this.admin = typeof fields["admin"] === "string" ? fields["admin"] : "";
        this.#wasReady = true;
        this.#heard({ kind: "ready", address: this.address, fields });
        ready.resolve();
      } else if (fields !== undefined) this.#heard({ kind: "said", fields });
      else this.#heard({ kind: "output", stream: "stdout", text });
    });
    this.#listen(child, "stderr", (text) => {
      if (complaints.length < 50) complaints.push(text);
      this.#heard({ kind: "output", stream: "stderr", text });
    });
    let isOver = false;
    const over = (why: string): void => {
      if (isOver) return;
      isOver = true;
      exited.resolve();
      if (this.#process === child) this.#process = undefined;
      ready.reject(new Error(`${this.key} ${why}: ${complaints.at(-1) ?? "it said nothing"}`));
      this.#over(why);
    };
    child.once("error", (error) => over(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) => over(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
    if (child.pid !== undefined) this.#heard({ kind: "started", pid: child.pid });
    return ready.promise;
  }

  #listen(child: ChildProcess, stream: "stdout" | "stderr", line: (text: string) => void): void {
    const input = child[stream];
    if (input === null) return;
    createInterface({ input, crlfDelay: Infinity }).on("line", (text) => line(text.slice(0, maxLineChars)));
  }

  #heard(event: ChildEvent): void {
    this.options.heard(this, event);
  }

  #over(why: string): void {
    // What never came up will not by itself: whoever started it is told, and decides.
    if (!this.#isWanted || !this.#wasReady) {
      this.#heard({ kind: "exited", why, restartInMs: undefined });
      return;
    }
    const livedMs = performance.now() - this.#startedMs;
    this.#pauseMs = livedMs > pauseMs.healthy ? pauseMs.first : Math.min(pauseMs.longest, this.#pauseMs * 2);
    const restartInMs = this.#pauseMs;
    this.#heard({ kind: "exited", why, restartInMs });
    this.#restart = setTimeout(() => {
      if (this.#isWanted) this.#spawn().catch(() => undefined);
    }, restartInMs);
  }

  /** Passes a signal on, if it lives. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** Lets it drain; kills it when that takes longer than `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#isWanted = false;
    clearTimeout(this.#restart);
    const child = this.#process;
    if (child === undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Drains it, and starts it anew. */
  async renew(graceMs: number): Promise<void> {
    await this.stop(graceMs);
    await this.start();
  }

  /** At once, for a program that must end. */
  kill(): void {
    this.#isWanted = false;
    clearTimeout(this.#restart);
    this.#process?.kill("SIGKILL");
  }
}

/** The object of JSON that a line is. */
function objectIn(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : undefined;
  } catch {
    return undefined;
  }
}
