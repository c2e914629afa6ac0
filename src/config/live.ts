/**
 * A live configuration is the one in force in this process, and everything made by it.
 *
 * A change of its source is read, checked, and prepared by every part; only when all of them can, all of them do, at
 * one instant and without waiting. What is wrong changes nothing: the last good configuration stays. What a running
 * process cannot change (an address it listens at) is told as such, stays as it was, and holds up nothing else.
 */
import type { AnyContract } from "../contract/service.ts";
import type { Discovery, Registrar } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { ClientOf } from "../client/create-client.ts";
import type { RegionControl } from "../region/index.ts";
import type { ListenOptions } from "../server/server.ts";
import { openClient } from "./client.ts";
import type { Config } from "./config.ts";
import type { ServerDefinition } from "./define-server.ts";
import { type ConfigChange, configDiff } from "./diff.ts";
import { openDiscovery } from "./discovery.ts";
import { configError, describeFault } from "./fault.ts";
import { type ConfiguredGateway, type GatewayParts, openGateway, tryPolicies } from "./gateway.ts";
import type { Part, Prepared } from "./part.ts";
import { checkAgainst, Policies } from "./policies.ts";
import type { ConfigReading } from "./read.ts";
import { changesOf, type ConfiguredServer, known, openServer, serverSection } from "./server.ts";
import { openSecurity } from "./security.ts";
import { createSpeeches } from "./speech.ts";
import type { ConfigTools } from "./tools.ts";

/** Where a configuration comes from, and who says when it has changed. */
export interface ConfigSource {
  /** What messages call it. */
  readonly path: string;
  /** Reads it anew. May reject where it cannot be had. */
  read(): Promise<ConfigReading>;
  watch?(changed: () => void): () => void;
}

/** What became of a reload. */
export type Reload =
  | { readonly kind: "unchanged" }
  | { readonly kind: "changed"; readonly changes: readonly ConfigChange[] }
  | { readonly kind: "refused"; readonly why: string };

export interface LiveConfig extends AsyncDisposable {
  /** The configuration in force, but for what waits for a restart. */
  readonly current: Config;
  /** Keys whose new values take effect when this process is started anew. */
  readonly waiting: readonly string[];
  readonly discovery: Discovery;
  /** Absent where the engine is only read. */
  readonly registrar: Registrar | undefined;
  /** The switchboard of regions that all clients and gateways of this configuration obey. */
  readonly control: RegionControl;
  /** A client by this configuration's policies. */
  client<S extends AnyContract>(contract: S): ClientOf<S>;
  /** Makes the server of that name and lets it listen. `listen` stands above what the file says. */
  server(name: string, definition: ServerDefinition, listen?: ListenOptions): Promise<ConfiguredServer>;
  /** Makes the gateway of that name and lets it listen. */
  gateway(name: string, listen?: ListenOptions): Promise<ConfiguredGateway>;
  /** Reads the source again. Never rejects: what is wrong is told, and changes nothing. */
  reload(): Promise<Reload>;
  /** Closes gateways, then servers, then clients, then discovery. */
  close(): Promise<void>;
}

/** Most changes of one reload that are told one by one. */
const maxTold = 100;

/**
 * Puts a configuration in force, and watches its source. Rejects with `invalid_argument`, all faults in its message,
 * where the first reading is refused.
 */
export async function openConfigOn(tools: ConfigTools, source: ConfigSource): Promise<LiveConfig> {
  const reading = await source.read();
  if (!reading.ok) throw configError(reading.faults, reading.count);
  const { config } = reading;
  const speeches = createSpeeches(tools);
  const security = openSecurity(config.security, tools);
  const opened = await openDiscovery(config, tools, speeches);
  const parts = { tools, speeches, opened, auth: security?.auth, policies: new Policies(config) };
  return new Live(parts, source, config, security === undefined ? [] : [security.part]);
}

class Live implements LiveConfig {
  readonly #parts: GatewayParts;
  readonly #source: ConfigSource;
  /** What this process was started by: what cannot change is as it says. */
  readonly #started: Config;
  #current: Config;
  #waiting: readonly string[] = [];
  readonly #changing = new Set<Part>();
  readonly #gateways: ConfiguredGateway[] = [];
  readonly #servers: ConfiguredServer[] = [];
  readonly #clients = new Set<{ readonly $: { close(): void } }>();
  readonly #unwatch: (() => void) | undefined;
  #reloading: Promise<Reload> | undefined = undefined;
  #next: Promise<Reload> | undefined = undefined;
  #closed = false;

  constructor(parts: GatewayParts, source: ConfigSource, config: Config, changing: Iterable<Part>) {
    this.#parts = parts;
    this.#source = source;
    this.#started = this.#current = config;
    for (const part of changing) this.#changing.add(part);
    this.#unwatch = source.watch?.(() => void this.reload());
  }

  get current(): Config {
    return this.#current;
  }

  get waiting(): readonly string[] {
    return this.#waiting;
  }

  get discovery(): Discovery {
    return this.#parts.opened.discovery;
  }

  get registrar(): Registrar | undefined {
    return this.#parts.opened.registrar;
  }

  get control(): RegionControl {
    return this.#parts.policies.control;
  }

  client<S extends AnyContract>(contract: S): ClientOf<S> {
    const made = openClient(this.#current, contract, this.#parts, () => {
      this.#changing.delete(made.part);
      this.#clients.delete(made.client);
    });
    this.#changing.add(made.part);
    this.#clients.add(made.client);
    return made.client;
  }

  async server(name: string, definition: ServerDefinition, listen?: ListenOptions): Promise<ConfiguredServer> {
    const config = this.#current;
    // A file that names no servers says of all what `server` says.
    if (Object.keys(config.servers ?? {}).length > 0) known(config.servers, name, "server");
    const section = serverSection(config, name);
    const { runtime, observer } = this.#parts.tools;
    const made = await openServer({
      name, region: section.region ?? config.region, zone: section.zone ?? config.zone, config, runtime,
      client: (contract) => this.client(contract),
    }, definition, this.#parts, listen);
    this.#servers.push(made);
    this.#changing.add({
      prepare: (next) => {
        for (const contract of made.contracts) checkAgainst(next, contract);
        const after = changesOf(serverSection(next, name));
        return {
          commit: () => void made.server.change(after).catch((error: unknown) =>
            observer?.event?.("config.failed", { part: `servers.${name}`, error: RpcError.from(error).message })),
          abort: () => undefined,
        };
      },
    });
    return made;
  }

  async gateway(name: string, listen?: ListenOptions): Promise<ConfiguredGateway> {
    const made = await openGateway(this.#current, name, this.#parts, listen);
    this.#gateways.push(made);
    this.#changing.add(made.part);
    return made;
  }

  reload(): Promise<Reload> {
    // One that is under way may have read what was there before: another follows, one for all who ask meanwhile.
    if (this.#reloading !== undefined) {
      return this.#next ??= this.#reloading.then(() => {
        this.#next = undefined;
        return this.reload();
      });
    }
    return this.#reloading = this.#reload().finally(() => {
      this.#reloading = undefined;
    });
  }

  async #reload(): Promise<Reload> {
    if (this.#closed) return { kind: "unchanged" };
    try {
      const reading = await this.#source.read();
      if (!reading.ok) return this.#refused(reading.faults.map(describeFault), reading.count);
      return this.#apply(reading.config);
    } catch (error) {
      return this.#refused([RpcError.from(error, "unavailable").message], 1);
    }
  }

  #refused(faults: readonly string[], count: number): Reload {
    const why = count > faults.length ? `${faults.join("\n")}\nand ${count - faults.length} more` : faults.join("\n");
    this.#parts.tools.observer?.event?.("config.refused", { path: this.#source.path, faults, count });
    return { kind: "refused", why };
  }

  /** All or nothing, and nothing in between: from the first commit to the last, nobody else runs. */
  #apply(next: Config): Reload {
    const { tools, policies } = this.#parts;
    const changes = configDiff(this.#current, next);
    if (changes.length === 0) return { kind: "unchanged" };
    const prepared: Prepared[] = [];
    try {
      tryPolicies(tools, policies, next, { region: next.region });
      for (const part of this.#changing) prepared.push(part.prepare(next));
    } catch (error) {
      for (const one of prepared) one.abort();
      throw error;
    }
    policies.commit(next);
    for (const one of prepared) one.commit();
    this.#current = next;
    this.#waiting = configDiff(this.#started, next).filter((change) => change.needsRestart).map(({ key }) => key);
    this.#tell(changes);
    return { kind: "changed", changes };
  }

  #tell(changes: readonly ConfigChange[]): void {
    const { observer } = this.#parts.tools;
    for (const { key, old, new: now, needsRestart } of changes.slice(0, maxTold)) {
      observer?.event?.("config.changed", {
        key, old: old ?? "(nothing)", new: now ?? "(nothing)", effect: needsRestart ? "needs a restart" : "at once",
      });
    }
    observer?.event?.("config.reloaded",
      { path: this.#source.path, changes: changes.length, waiting: this.#waiting.slice(0, maxTold) });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch?.();
    // Who is called last goes last: calls in flight through a gateway need servers.
    await Promise.all(this.#gateways.map((one) => one.close()));
    await Promise.all(this.#servers.map((one) => one.close()));
    for (const client of [...this.#clients]) client.$.close();
    await this.#parts.opened.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
