/** `meridian up`: all of a configuration on this machine, each server and gateway a process of its own. */
import { Command } from "commander";
import { RpcError } from "../core/index.ts";
import {
  type Config, type ConfigChange, configDiff, configOf, type ConfigSource, describeFault, findConfig, nodeConfigSource,
  registryAddress, serverSection,
} from "../config/index.ts";
import { adminOptions } from "./admin-section.ts";
import { createOperators } from "./operators.ts";
import { Child, type ChildEvent, type Role } from "./child.ts";
import { type Say, sayer } from "./log.ts";
import { heed, unlessStopped, untilStopped } from "./running.ts";

export function upCommand(said: (code: number) => void): Command {
  return new Command("up")
    .description("Run all of a configuration on this machine: registry, servers and gateways, restarted when they die.")
    .option("--config <file>", "default: MERIDIAN_CONFIG, meridian.yaml, meridian.config.ts … in this folder")
    .option("--json", "one JSON object a line")
    .addHelpText("after", "\nCtrl-C and SIGTERM drain gateways, then servers, then the registry; again, and all end " +
      "at once.\nSIGHUP and every change of the file reload it; what needs a restart is restarted, one after another.")
    .action(async (flags: { readonly config?: string; readonly json?: boolean }) => {
      const path = findConfig(flags.config);
      if (path === undefined) {
        throw new RpcError("not_found", "there is no configuration here: write meridian.yaml (docs/configuration.md)");
      }
      said(await up(path, sayer(flags.json === true), flags.json === true));
    });
}

async function up(path: string, say: Say, json: boolean): Promise<number> {
  const heeding = heed();
  const source = nodeConfigSource(path);
  const config = configOf(await source.read());
  const told = heardBy(say, json);
  const operators = config.admin === undefined ? undefined : createOperators(adminOptions(config.admin, path));
  const fleet: Fleet = new Fleet(path, source, config, (child, event) => {
    told(child, event);
    if (event.kind === "ready") operators?.follow(fleet.children);
  });
  const end = (): void => fleet.kill();
  process.once("exit", end);
  let isUp: true | undefined;
  try {
    isUp = await unlessStopped(heeding, fleet.start().then(() => true as const));
  } catch (error) {
    await fleet.close();
    heeding.close();
    process.off("exit", end);
    throw new RpcError("failed_precondition", error instanceof Error ? error.message : String(error));
  }
  const ready = fleet.children.map(({ key, address }) => ({ process: key, address }));
  const all = ready.map(({ process: key, address }) => `${key} at ${address}`).join(", ");
  const admin = isUp === true ? await operators?.serve() : undefined;
  const there = admin === undefined ? "" : `, admin at ${admin}`;
  if (isUp === true) say("up", { processes: ready, admin }, `up: ${all}${there}`);
  const unwatch = source.watch?.(() => void fleet.reload().then((text) => sayReloaded(text, say)));
  await untilStopped(heeding, {
    name: "up",
    async reload() {
      for (const child of fleet.children) child.signal("SIGHUP");
      sayReloaded(await fleet.reload(), say);
      return { kind: "unchanged" };
    },
    async close() {
      unwatch?.();
      await fleet.close();
      await operators?.close();
    },
  }, say);
  process.off("exit", end);
  return 0;
}

function sayReloaded({ refused, restarted }: Reloaded, say: Say): void {
  if (refused !== undefined) {
    say("refused", { why: refused }, `up: the configuration is refused, the last one stays\n${refused}`);
  } else if (restarted.length > 0) {
    say("restarted", { processes: restarted }, `up: started anew or ended: ${restarted.join(", ")}`);
  }
}

/** Prints what processes say under their names. */
function heardBy(say: Say, json: boolean): (child: Child, event: ChildEvent) => void {
  let width = 0;
  return (child, event) => {
    const { key } = child;
    width = Math.max(width, key.length);
    const prefix = `${key.padEnd(width)} | `;
    switch (event.kind) {
      case "started":
        say("started", { process: key, pid: event.pid }, `${prefix}started (process ${event.pid})`);
        return;
      case "ready":
        say("ready", { process: key, ...without(event.fields) }, `${prefix}ready at ${event.address}`);
        return;
      case "said":
        say("said", { process: key, said: event.fields }, `${prefix}${JSON.stringify(event.fields)}`);
        return;
      case "exited": {
        const again = event.restartInMs === undefined ? "" : `, starts again in ${event.restartInMs} ms`;
        say("exited", { process: key, why: event.why, restartInMs: event.restartInMs },
          `${prefix}${event.why}${again}`);
        return;
      }
      case "output":
        // What happens is told where lines of what happens belong, with or without JSON.
        if (event.stream === "stderr" && !json) process.stderr.write(`${prefix}${event.text}\n`);
        else say("output", { process: key, stream: event.stream, text: event.text }, `${prefix}${event.text}`);
    }
  };
}

function without(said: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(said).filter(([key]) => key !== "event"));
}

interface Reloaded {
  readonly refused: string | undefined;
  /** Processes that were started anew, ended, or started. */
  readonly restarted: readonly string[];
}

/** Most processes of one configuration: each is a Node of its own. */
const maxProcesses = 64;

/** All processes of a configuration, as it is now. */
class Fleet {
  children: readonly Child[] = [];
  readonly #path: string;
  readonly #source: ConfigSource;
  readonly #heard: (child: Child, event: ChildEvent) => void;
  #config: Config;
  #reloading: Promise<Reloaded> = Promise.resolve({ refused: undefined, restarted: [] });
  #closing: Promise<void> | undefined = undefined;

  constructor(path: string, source: ConfigSource, config: Config, heard: (child: Child, event: ChildEvent) => void) {
    this.#path = path;
    this.#source = source;
    this.#config = config;
    this.#heard = heard;
  }

  /** The registry, then servers, then gateways: whoever is told of a process can use it at once. */
  async start(): Promise<void> {
    const wanted = wantedOf(this.#config);
    if (wanted.length === 0) {
      throw new RpcError("invalid_argument", `${this.#path} names no servers and no gateways: there is nothing to run`);
    }
    if (wanted.length > maxProcesses) {
      throw new RpcError("resource_exhausted",
        `${this.#path} names ${wanted.length} processes, more than ${maxProcesses}`);
    }
    this.children = wanted.map(({ role, name }) => this.#child(role, name));
    for (const role of ["registry", "server", "gateway"] satisfies Role[]) {
      await Promise.all(this.#of(role).map((child) => child.start()));
    }
  }

  #of(role: Role): Child[] {
    return this.children.filter(({ options }) => options.role === role);
  }

  #child(role: Role, name: string): Child {
    const args = role === "server" ? ["serve", "--name", name] : role === "gateway" ? ["gateway", name] : ["registry"];
    // One admin service for all, at the place that the file says: theirs is asked by it.
    const hasAdmin = this.#config.admin !== undefined;
    const env = hasAdmin ? { MERIDIAN_ADMIN__PORT: "0", MERIDIAN_ADMIN__HOST: "127.0.0.1" } : {};
    return new Child({ role, name, args: [...args, "--config", this.#path], env, heard: this.#heard });
  }

  /** Processes read the file themselves, each at one instant; what they cannot change is ours to start anew. */
  reload(): Promise<Reloaded> {
    return this.#reloading = this.#reloading.then(() => this.#reload());
  }

  async #reload(): Promise<Reloaded> {
    const nothing = { refused: undefined, restarted: [] };
    if (this.#closing !== undefined) return nothing;
    let next: Config;
    try {
      const reading = await this.#source.read();
      if (!reading.ok) return { refused: reading.faults.map(describeFault).join("\n"), restarted: [] };
      next = reading.config;
    } catch (error) {
      return { refused: RpcError.from(error).message, restarted: [] };
    }
    const changes = configDiff(this.#config, next).filter(({ needsRestart }) => needsRestart);
    const before = this.#config;
    this.#config = next;
    if (changes.length === 0) return nothing;
    const wanted = wantedOf(next);
    const restarted: string[] = [];
    const gone = this.children.filter(({ options }) =>
      !wanted.some(({ role, name }) => role === options.role && name === options.name));
    const added = wanted.filter(({ role, name }) =>
      !this.children.some(({ options }) => role === options.role && name === options.name));
    const kept = this.children.filter((child) => !gone.includes(child));
    const fresh = added.map(({ role, name }) => this.#child(role, name));
    this.children = [...kept, ...fresh];
    // New ones first: so there is somebody to take over from those that end.
    for (const child of fresh) await this.#tried(child, () => child.start(), restarted);
    for (const child of kept) {
      if (changes.some((change) => concerns(change, child.options.role, child.options.name))) {
        await this.#tried(child, () => child.renew(graceOf(before, child)), restarted);
      }
    }
    for (const child of gone) await this.#tried(child, () => child.stop(graceOf(before, child)), restarted);
    return { refused: undefined, restarted };
  }

  async #tried(child: Child, act: () => Promise<void>, done: string[]): Promise<void> {
    done.push(child.key);
    // What went wrong has been told as the end of the process, with what it said.
    await act().catch(() => undefined);
  }

  /** Gateways first, since calls in flight through them need servers. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    for (const role of ["gateway", "server", "registry"] satisfies Role[]) {
      await Promise.all(this.#of(role).map((child) => child.stop(graceOf(this.#config, child))));
    }
  }

  kill(): void {
    for (const child of this.children) child.kill();
  }
}

interface Wanted {
  readonly role: Role;
  readonly name: string;
}

/** What a configuration runs. The registry too, where servers are found by it, and it is this machine's. */
function wantedOf(config: Config): Wanted[] {
  const { discovery, servers = {}, gateways = {} } = config;
  const all: Wanted[] = [
    ...Object.keys(servers).map((name) => ({ role: "server", name }) as const),
    ...Object.keys(gateways).map((name) => ({ role: "gateway", name }) as const),
  ];
  const byRegistry = discovery === undefined || discovery.registry !== undefined;
  const { host = "127.0.0.1", port = 7_600 } = config.registry ?? {};
  const isOurs = registryAddress(config) === `${host}:${port}`;
  return all.length > 0 && byRegistry && isOurs ? [{ role: "registry", name: "registry" }, ...all] : all;
}

/** Whether what changed is a matter of this process. */
function concerns({ place }: ConfigChange, role: Role, name: string): boolean {
  const [section, entry] = place;
  switch (section) {
    case "servers": return role === "server" && (entry === undefined || entry === name);
    case "gateways": return role === "gateway" && (entry === undefined || entry === name);
    case "server": return role === "server";
    case "registry": return true;
    default: return role !== "registry";
  }
}

/** What draining may take, and a little for the rest. */
function graceOf(config: Config, { options: { role, name } }: Child): number {
  const section = role === "server" ? serverSection(config, name) : config.gateways?.[name];
  return (section?.graceMs ?? 10_000) + (section?.drainDelayMs ?? 0) + 5_000;
}
