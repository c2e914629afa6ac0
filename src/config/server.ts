/** A server of a configuration: its options, and what a reload changes of it while calls go on. */
import type { AnyContract } from "../contract/service.ts";
import type { Handlers } from "../contract/types.ts";
import { observeAll, type Observer } from "../core/observer.ts";
import { RpcError } from "../core/error.ts";
import type { GuardMaker } from "../core/identity.ts";
import { nearest } from "../discovery/nearest.ts";
import { type Admin, createAdminOn } from "../admin/admin.ts";
import { admission } from "../overload/index.ts";
import { memoryReplayStore, replay } from "../replay/index.ts";
import {
  createServerOn, type ListenOptions, type Server, type ServerChanges, type ServerOptions,
} from "../server/server.ts";
import type { Config } from "./config.ts";
import type { Ended, ServerDefinition, ServerPlace } from "./define-server.ts";
import type { OpenDiscovery } from "./discovery.ts";
import { checkAgainst } from "./policies.ts";
import { over, withoutUndefined } from "./policy.ts";
import type { GatewaySection, ServerSection } from "./server-schema.ts";
import type { Speeches } from "./speech.ts";
import type { ConfigTools } from "./tools.ts";

/** Time for calls in flight when a server or gateway closes, in milliseconds. */
export const defaultGraceMs = 10_000;

/** What one server has: what all have, and its own above. */
export function serverSection(config: Config, name: string): ServerSection {
  const { servers = {}, server } = config;
  const own = Object.hasOwn(servers, name) ? servers[name] : undefined;
  return over(server ?? {}, own) as ServerSection;
}

/** Refuses a name that the file has not, with the nearest one. */
export function known<T>(entries: Readonly<Record<string, T>> | undefined, name: string, what: string): T {
  const found = entries !== undefined && Object.hasOwn(entries, name) ? entries[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(entries ?? {});
  const meant = nearest(name, names);
  const all = names.slice(0, 20).join(", ") || "none";
  const hint = meant === undefined ? `there are ${all}` : `did you mean "${meant}"?`;
  throw new RpcError("not_found", `there is no ${what} ${JSON.stringify(name)} in the configuration; ${hint}`);
}

export interface ListeningParts {
  readonly tools: ConfigTools;
  readonly speeches: Speeches;
  readonly opened: OpenDiscovery;
  /** Who may call what, if the file says so. */
  readonly auth: GuardMaker | undefined;
}

/** Options that servers and gateways have alike. */
export function listeningOptions(
  config: Config, section: Omit<GatewaySection, "rules" | "client">, { tools, speeches, opened, auth }: ListeningParts,
): ServerOptions {
  const { limits = {}, wires = {}, tls } = section;
  const { maxMessageBytes } = limits;
  const sized = maxMessageBytes === undefined ? undefined : { maxMessageBytes };
  const off = (wire: boolean | undefined): false | undefined => (wire === false ? false : undefined);
  return withoutUndefined({
    region: section.region ?? config.region, zone: section.zone ?? config.zone,
    ...changesOf(section), registry: opened.registrar,
    openingTimeoutMs: limits.openingTimeoutMs, tls: tls && speeches.tls(tls), plaintext: section.plaintext,
    auth, health: section.health, reflection: section.reflection, udp: wires.udp, settings: sized,
    compressions: tools.compressions,
    http: withoutUndefined({
      calls: sized, json: off(wires.json), jsonRpc: off(wires.jsonRpc), avro: off(wires.avro),
      thrift: off(wires.thrift),
    }),
  });
}

/** What can change while it serves. What the file no longer says is as it is by default. */
export function changesOf(section: Omit<GatewaySection, "rules" | "client">): ServerChanges {
  const { weight = 1, backup = false, priority = 0, attributes = {}, limits = {}, drainDelayMs = 0 } = section;
  const { maxInFlight = 10_000, maxConnections = 10_000 } = limits;
  return { weight, backup, priority, attributes, maxInFlight, maxConnections, drainDelayMs };
}

export function listenOptions(section: Omit<GatewaySection, "rules" | "client">): ListenOptions {
  const { host, port, path, advertise } = section;
  return withoutUndefined({ host, port, path, advertise });
}

/** A server that goes by a configuration. */
export interface ConfiguredServer extends AsyncDisposable {
  readonly name: string;
  readonly server: Server;
  /** Sees and changes it, where the file has a section `admin`; serving it to operators is for whoever opened this. */
  readonly admin: Admin | undefined;
  /** Where it listens. */
  readonly address: string;
  /** Drains, then closes. */
  close(): Promise<void>;
}

/** Makes and opens the server of that name. `implement` checks contracts against what the file says of them. */
export async function openServer(
  place: ServerPlace, definition: ServerDefinition, parts: ListeningParts, listen: ListenOptions = {},
): Promise<ConfiguredServer & { readonly contracts: readonly AnyContract[] }> {
  const { name, config } = place;
  const section = serverSection(config, name);
  const { setup, stack, observer, ...code } = definition;
  const measured = code.load === undefined ? parts.tools.load?.() : undefined;
  const heard: Observer = observeAll(parts.tools.observer, observer, measured?.observer);
  const common = listeningOptions(config, section, parts);
  const { region, zone } = place;
  const admin = config.admin === undefined
    ? undefined
    : createAdminOn(parts.tools.runtime, { name, role: "server", region, zone });
  const options: ServerOptions = {
    ...common, admission: admissionOf(section), replay: replayOf(section),
    ...(measured !== undefined && { load: measured.load }),
    ...withoutUndefined(code), http: { ...common.http, ...code.http }, stack, observer: heard,
  };
  const server = createServerOn(parts.tools.runtime, admin?.forServer(options) ?? options);
  admin?.add(server);
  const contracts: AnyContract[] = [];
  const implement = <S extends AnyContract>(contract: S, handlers: Handlers<S>) => {
    checkAgainst(config, contract);
    server.implement(contract, handlers);
    contracts.push(contract);
    return { implement };
  };
  const ended = await setup({ implement }, place) as Ended | undefined;
  if (contracts.length === 0) {
    throw new RpcError("failed_precondition", `the module of the server "${name}" implements no contract`);
  }
  const address = await server.listen({ ...listenOptions(section), ...listen });
  const close = async (): Promise<void> => {
    await server.close(serverSection(config, name).graceMs ?? defaultGraceMs);
    admin?.close();
    await ended?.();
  };
  return { name, server, admin, address, contracts, close, [Symbol.asyncDispose]: close };
}

function admissionOf({ admission: section }: ServerSection): ServerOptions["admission"] {
  return section === undefined ? undefined : section !== false && admission(withoutUndefined(section));
}

function replayOf({ replay: section }: ServerSection): ServerOptions["replay"] {
  if (section === undefined || section === false) return undefined;
  const { maxBytes, maxRecords, ...options } = section;
  return replay({ ...options, store: memoryReplayStore({ maxBytes, maxRecords }) });
}
