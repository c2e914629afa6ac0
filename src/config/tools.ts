/** What a platform lends to a configuration: the runtime, files, certificates, modules. */
import type { ClusterCredentials } from "../core/cluster.ts";
import { RpcError } from "../core/error.ts";
import type { FileSource } from "../core/file-source.ts";
import type { GuardMaker } from "../core/identity.ts";
import type { SecurityConfig } from "../security/config.ts";
import type { AuthorisationRules } from "../security/rules.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime, Security } from "../core/runtime.ts";
import type { NameServers } from "../discovery/dns/resolver.ts";
import type { ServerOptions } from "../server/server.ts";
import type { Compression } from "../wire/compression.ts";
import type { Environment } from "./environment.ts";

/** TLS as files say it; paths are as the configuration has them. */
export interface TlsFiles {
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly clientCertificate?: "none" | "request" | "require" | undefined;
  readonly serverName?: string | undefined;
  readonly verify?: boolean | undefined;
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined;
}

/** A load, and what must hear of calls for it. */
export interface MeasuredLoad {
  readonly load: NonNullable<ServerOptions["load"]>;
  readonly observer: Observer;
}

export interface ConfigTools {
  readonly runtime: Runtime;
  /** Hears `config.changed`, `config.reloaded`, `config.refused`, and all that clients, gateways and servers tell. */
  readonly observer?: Observer | undefined;
  /** Where secrets and overriding variables are. Default: nowhere. */
  readonly environment?: Environment | undefined;
  /** A file that the configuration names, from its folder. Default: there are no files. */
  readonly file?: ((path: string) => FileSource) | undefined;
  /** Makes TLS of files; the platform reads them again when they change. Default: there is none. */
  readonly tls?: ((files: TlsFiles) => Security) | undefined;
  /** What a module that the configuration names exports. Default: there are no modules. */
  readonly module?: ((path: string) => Promise<Readonly<Record<string, unknown>>>) | undefined;
  /** Makes the guard of servers: who may call what. Default: there is none. */
  readonly guard?: ((section: SecurityConfig, rules: AuthorisationRules) => GuardMaker) | undefined;
  readonly compressions?: readonly Compression[] | undefined;
  /** The load that servers report. Default: none. */
  readonly load?: (() => MeasuredLoad) | undefined;
  /** The name servers of this machine, and how the cluster is reached that it is part of. */
  readonly nameServers?: (() => readonly string[] | NameServers) | undefined;
  readonly clusterCredentials?: (() => ClusterCredentials) | undefined;
}

/** What a platform has, or `failed_precondition` naming what it lacks. */
export function lent<T>(tool: T | undefined, what: string): T {
  if (tool !== undefined) return tool;
  throw new RpcError("failed_precondition", `${what} cannot be had here: this configuration was opened without it`);
}

/** Largest secret, in bytes. */
const maxSecretBytes = 65_536;

/** Reads a secret from where the configuration says that it is; undefined where it says nothing. */
export function secretReader(
  tools: ConfigTools, place: string, reference: string | undefined, file: string | undefined,
): (() => Promise<string>) | undefined {
  if (reference !== undefined) {
    const variable = reference.slice("${env:".length, -1);
    return () => {
      const value = tools.environment?.[variable];
      if (value !== undefined && value !== "") return Promise.resolve(value);
      return Promise.reject(new RpcError("failed_precondition",
        `${place}: the environment variable ${variable} is ${value === undefined ? "not set" : "empty"}`));
    };
  }
  if (file === undefined) return undefined;
  return async () => {
    const text = (await lent(tools.file, `${place}File`)(file).read(maxSecretBytes)).trim();
    if (text !== "") return text;
    throw new RpcError("failed_precondition", `${place}File: ${file} is empty`);
  };
}
