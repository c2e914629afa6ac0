/** Configuration: one file for servers, clients, gateways and regions, checked, layered, and changed while it runs. */
import { type Observer, observeAll } from "../core/observer.ts";
import { RpcError } from "../core/error.ts";
import {
  besideFile, createFileSource, firstThere, kubeCredentials, loadModule, nodeCompressions, nodeRuntime,
  processEnvironment, processLoad, systemNameServers, tls,
} from "../runtime/node/index.ts";
import { apiKeys, auditLog, authOf, jwt, secret } from "../security/index.ts";
import { counted } from "../telemetry/index.ts";
import { nearest } from "../discovery/nearest.ts";
import type { Config } from "./config.ts";
import { type ConfigSource, type LiveConfig, openConfigOn } from "./live.ts";
import { configOf } from "./read.ts";
import { fileConfigSource, moduleConfigSource } from "./source.ts";
import type { ConfigTools } from "./tools.ts";

export { type Config, configSchema, defineConfig } from "./config.ts";
export type { ClientPolicy, MethodPolicy } from "./client-schema.ts";
export {
  defineServer, type Ended, type ServerDefinition, serverDefinition, type ServerPlace, type ServerSetup, type Setup,
} from "./define-server.ts";
export { type ConfigChange, configDiff } from "./diff.ts";
export { registryAddress, registryPort } from "./discovery.ts";
export { type Environment, variableOf } from "./environment.ts";
export { configError, describeFault, type Fault, maxFaults } from "./fault.ts";
export type { ConfiguredGateway } from "./gateway.ts";
export { configJsonSchema } from "./json-schema.ts";
export { type ConfigSource, type LiveConfig, openConfigOn, type Reload } from "./live.ts";
export { checkConfig, configOf, type ConfigReading, readConfig, type ReadOptions } from "./read.ts";
export { type ConfiguredServer, serverSection } from "./server.ts";
export { fileConfigSource, givenConfigSource, moduleConfigSource } from "./source.ts";
export { configTables } from "./table.ts";
export type { ConfigTools, TlsFiles } from "./tools.ts";

/** Where a configuration is looked for when nobody names it, in this order, in the folder of the process. */
export const configNames = [
  "meridian.yaml", "meridian.yml", "meridian.json", "meridian.config.ts", "meridian.config.mjs", "meridian.config.js",
] as const;

/** The file that is meant: named, or named by `MERIDIAN_CONFIG`, or the first of {@link configNames} that is there. */
export function findConfig(path?: string): string | undefined {
  return path ?? processEnvironment()["MERIDIAN_CONFIG"] ?? firstThere(configNames);
}

/** The source of a file, by its name: YAML, JSON, or a module. */
export function nodeConfigSource(path: string): ConfigSource {
  const file = createFileSource(path);
  const environment = processEnvironment();
  if (/\.(?:ya?ml|json)$/.test(path)) return fileConfigSource(file, environment);
  if (/\.[cm]?[jt]s$/.test(path)) return moduleConfigSource(file, () => loadModule(path), environment);
  throw new RpcError("invalid_argument",
    `${path}: a configuration is a file of YAML (.yaml, .yml), JSON (.json), or a module (.ts, .mjs, .js)`);
}

/** Reads a configuration once. Rejects with all that is wrong with it, one fault a line. */
export async function loadConfig(path?: string): Promise<Config> {
  return configOf(await nodeConfigSource(mustFind(path)).read());
}

export interface OpenConfigOptions {
  /** Hears `config.changed`, `config.reloaded`, `config.refused`, and all that is made by the configuration. */
  readonly observer?: Observer | undefined;
  /** Whether what is made counts into the process's metrics (`processMetrics`). Default true. */
  readonly metrics?: boolean | undefined;
}

/**
 * Puts the configuration of a file in force, on Node, and follows its changes.
 *
 * @example
 * const live = await openConfig("meridian.yaml");
 * const calculator = live.client(Calculator);
 */
export function openConfig(path?: string, options: OpenConfigOptions = {}): Promise<LiveConfig> {
  const found = mustFind(path);
  return openConfigOn(nodeConfigTools(found, options), nodeConfigSource(found));
}

/** What Node lends to the configuration in a file, from whose folder paths are looked for. */
export function nodeConfigTools(path: string, options: OpenConfigOptions = {}): ConfigTools {
  const beside = (file: string): string => besideFile(path, file);
  const pem = (file: string | undefined) => (file === undefined ? undefined : { file: beside(file) });
  const observer = counted(options);
  return {
    runtime: nodeRuntime,
    observer: observer === undefined ? undefined : observeAll(observer),
    environment: processEnvironment(),
    file: (file) => createFileSource(beside(file)),
    module: (file) => loadModule(beside(file)),
    tls: ({ certFile, keyFile, caFile, ...rest }) => tls({
      ...rest, cert: pem(certFile), key: pem(keyFile), ca: pem(caFile),
      reloadFailed: (error) => observer?.event?.("tls.reload.failed", { error: error.message }),
    }),
    guard: (section, rules) => authOf(section, {
      jwt: (options) => jwt("file" in options.jwks
        ? { ...options, jwks: { file: beside(options.jwks.file) } } : options),
      apiKeys: (options) => apiKeys({ ...options, file: beside(options.file) }),
      auditLog: (file) => auditLog(beside(file)),
      secret: (where) => secret("file" in where ? { file: beside(where.file) } : where),
    }, rules),
    compressions: nodeCompressions,
    load() {
      const load = processLoad();
      return { load, observer: load.observer };
    },
    nameServers: systemNameServers,
    clusterCredentials: kubeCredentials,
  };
}

function mustFind(path: string | undefined): string {
  const found = findConfig(path);
  if (found === undefined) {
    throw new RpcError("not_found",
      `there is no configuration here: name it, or write one of ${configNames.join(", ")}`);
  }
  if (firstThere([found]) !== undefined) return found;
  const meant = nearest(found, configNames.filter((name) => firstThere([name]) !== undefined));
  throw new RpcError("not_found", `there is no file ${found}${meant === undefined ? "" : `; did you mean ${meant}?`}`);
}
