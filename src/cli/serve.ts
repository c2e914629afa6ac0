/** `meridian serve` and `meridian gateway`: one server or gateway of a configuration, in this process. */
import { resolve } from "node:path";
import { Command } from "commander";
import { type Admin, serveAdmin, type ServedAdmin } from "../admin/index.ts";
import { RpcError } from "../core/index.ts";
import {
  type Config, type ConfigSource, findConfig, givenConfigSource, type LiveConfig, nodeConfigSource, nodeConfigTools,
  openConfigOn, registryAddress, serverDefinition, serverSection,
} from "../config/index.ts";
import type { ListenOptions } from "../server/index.ts";
import { besideFile, loadModule } from "../runtime/node/index.ts";
import { adminOptions } from "./admin-section.ts";
import { eventLog, type Say, sayer } from "./log.ts";
import { wholeNumber } from "./numbers.ts";
import { heed, type Heeding, unlessStopped, untilStopped } from "./running.ts";

interface ListenFlags {
  readonly config?: string;
  readonly host?: string;
  readonly port?: number;
  readonly json?: boolean;
}

interface ServeFlags extends ListenFlags {
  readonly name?: string;
}

const configHelp = "the file (default: MERIDIAN_CONFIG, meridian.yaml, meridian.config.ts … in this folder)";
const signals = "\nSIGTERM and Ctrl-C let calls in flight end first; SIGHUP reads the file again, as a change does.";

export function serveCommand(): Command {
  return new Command("serve")
    .description("Serve what a module implements, where and how the configuration says.")
    .argument("[module]", "a module whose default export is `defineServer(…)`; default: the one that the file names")
    .option("--config <file>", configHelp)
    .option("--name <name>", "which of the file's servers; default: the one with this module, or the only one")
    .option("--host <host>", "listen there, whatever the file says")
    .option("--port <port>", "listen there, whatever the file says", wholeNumber(0, 65_535))
    .option("--json", "one JSON object a line")
    .addHelpText("after", signals)
    .action(serve);
}

export function gatewayCommand(): Command {
  return new Command("gateway")
    .description("Run a gateway: it takes calls of any service, and forwards them to whoever is nearest and well.")
    .argument("[name]", "which of the file's gateways; default: the only one")
    .option("--config <file>", configHelp)
    .option("--host <host>", "listen there, whatever the file says")
    .option("--port <port>", "listen there, whatever the file says", wholeNumber(0, 65_535))
    .option("--json", "one JSON object a line")
    .addHelpText("after", signals)
    .action(gateway);
}

async function serve(module: string | undefined, flags: ServeFlags): Promise<void> {
  const say = sayer(flags.json === true);
  const heeding = heed();
  const path = findConfig(flags.config);
  // Without a file there is nowhere to register: it serves whoever knows its address.
  const source = path === undefined ? givenConfigSource({ discovery: { static: {} } }) : nodeConfigSource(path);
  const live = await open(path, source);
  try {
    const { current } = live;
    const name = flags.name ?? serverNamed(live, path, module);
    const file = module ?? serverSection(current, name).module;
    if (file === undefined) {
      throw new RpcError("invalid_argument", `say what is served: meridian serve MODULE${
        path === undefined ? "" : `, or servers.${name}.module in ${path}`}`);
    }
    const full = module === undefined && path !== undefined ? besideFile(path, file) : resolve(file);
    const definition = serverDefinition(await loadModule(full), file);
    const made = await waiting(heeding, live.server(name, definition, listenOf(flags)), live, say);
    const admin = made && await servedAdmin(made.admin, current.admin, path);
    if (made !== undefined) {
      const { address, server: { services } } = made;
      const { region = current.region, zone = current.zone } = serverSection(current, name);
      say("ready", { kind: "server", name, address, region, zone, services, admin: admin?.address },
        `${name}: ready at ${address}${placeText(region, zone)}: ${services.join(", ")}`);
    }
    await untilStopped(heeding, { name, reload: () => live.reload(), close: () => closeAll(live, admin) }, say);
  } catch (error) {
    heeding.close();
    await live.close();
    throw error;
  }
}

async function gateway(given: string | undefined, flags: ListenFlags): Promise<void> {
  const say = sayer(flags.json === true);
  const heeding = heed();
  const path = findConfig(flags.config);
  if (path === undefined) {
    throw new RpcError("not_found", "a gateway needs a configuration: write meridian.yaml with\n" +
      "gateways: { main: { region: eu-west, port: 7000 } }");
  }
  const live = await open(path, nodeConfigSource(path));
  try {
    const name = given ?? only(Object.keys(live.current.gateways ?? {}), "gateway", path);
    const made = await waiting(heeding, live.gateway(name, listenOf(flags)), live, say);
    const admin = made && await servedAdmin(made.admin, live.current.admin, path);
    if (made !== undefined) {
      const region = live.current.gateways?.[name]?.region ?? live.current.region;
      say("ready", { kind: "gateway", name, address: made.address, region, admin: admin?.address },
        `${name}: ready at ${made.address}${placeText(region, undefined)}`);
    }
    await untilStopped(heeding, { name, reload: () => live.reload(), close: () => closeAll(live, admin) }, say);
  } catch (error) {
    heeding.close();
    await live.close();
    throw error;
  }
}

/** Lets operators at what was opened, where the file says so. */
async function servedAdmin(
  admin: Admin | undefined, section: Config["admin"], path: string | undefined,
): Promise<ServedAdmin | undefined> {
  if (admin === undefined || section === undefined) return undefined;
  return serveAdmin(admin, adminOptions(section, path));
}

async function closeAll(live: LiveConfig, admin: ServedAdmin | undefined): Promise<void> {
  await live.close();
  await admin?.close();
}

function listenOf({ host, port }: ListenFlags): ListenOptions {
  return { ...(host !== undefined && { host }), ...(port !== undefined && { port }) };
}

/** Opens the configuration, which the log then goes by. */
async function open(path: string | undefined, source: ConfigSource): Promise<LiveConfig> {
  const opened: { live?: LiveConfig } = {};
  const observer = eventLog(() => opened.live?.current.telemetry?.log);
  return opened.live = await openConfigOn(nodeConfigTools(path ?? "meridian.yaml", { observer }), source);
}

/** How long a start may take before it is said what it waits for, in milliseconds. */
const patienceMs = 3_000;

/** Says what a server waits for that listens, and cannot make itself known. */
async function waiting<T>(
  heeding: Heeding, opening: Promise<T>, { current }: LiveConfig, say: Say,
): Promise<T | undefined> {
  const engine = Object.keys(current.discovery ?? { registry: {} })[0] ?? "registry";
  const hint = engine === "registry"
    ? `the registry at ${registryAddress(current)} does not answer: start one with \`meridian registry\`, or all ` +
      "of it with `meridian up`"
    : `${engine} does not answer: see \`discovery.${engine}\` in the configuration`;
  const timer = setTimeout(() => say("waiting", { for: engine, why: hint }, `still waiting: ${hint}`), patienceMs);
  try {
    return await unlessStopped(heeding, opening);
  } finally {
    clearTimeout(timer);
  }
}

/** Which server of the file a module is for. */
function serverNamed({ current }: LiveConfig, path: string | undefined, module: string | undefined): string {
  const servers = Object.entries(current.servers ?? {});
  if (servers.length === 0) return "server";
  if (module !== undefined && path !== undefined) {
    const fitting = servers.filter(([, one]) =>
      one.module !== undefined && besideFile(path, one.module) === resolve(module));
    if (fitting.length === 1 && fitting[0] !== undefined) return fitting[0][0];
  }
  return only(servers.map(([name]) => name), "server", path ?? "the configuration");
}

function only(names: readonly string[], what: string, path: string): string {
  const [name] = names;
  if (names.length === 1 && name !== undefined) return name;
  throw new RpcError("invalid_argument", names.length === 0
    ? `${path} has no ${what}`
    : `${path} has several ${what}s: name one of ${names.join(", ")}`);
}

function placeText(region: string | undefined, zone: string | undefined): string {
  if (region === undefined) return "";
  return zone === undefined ? ` in ${region}` : ` in ${region}/${zone}`;
}
