/**
 * The admin service: `createAdmin({ region })` sees and changes a process, `serveAdmin(admin)` lets operators at it.
 */
import { createMetadata, type Layer, type Secret, type Security } from "../core/index.ts";
import { createClientOn } from "../client/create-client.ts";
import { defaultTokenPath, nodeCompressions, nodeRuntime, secret, type SecretSource, tokenFile } from
  "../runtime/node/index.ts";
import { type Admin, createAdminOn, type AdminOptions } from "./admin.ts";
import { AdminContract } from "./contract.ts";
import { type AdminSource, mergedAdminOn, type MergedAdmin, type MergedOptions } from "./merged.ts";
import { adminPort, type AdminServer, type Servable, serveAdminOn, type ServeAdminOptions } from "./serve.ts";

export { type Admin, createAdminOn, type AdminOptions } from "./admin.ts";
export { type Audit, type AuditEntry, type AuditOptions } from "./audit.ts";
export {
  AdminContract, type AuditLine, type Decision, type DecisionAttempt, type DecisionCandidate, type EndpointRow,
  type FaultRow, type Figures, type Happening, type RegionRow, type ServiceRow, type Snapshot,
} from "./contract.ts";
export {
  createDecisions, type DecisionFilter, type DecisionOptions, type Decisions, type Kept,
} from "./decisions.ts";
export { figureLimits } from "./figures.ts";
export { type Happenings } from "./happenings.ts";
export { mergeFigures, mergeSnapshots, type Merging, type Part } from "./merge.ts";
export { type AdminSource, mergedAdminOn, type MergedAdmin, type MergedOptions } from "./merged.ts";
export { adminPort, type AdminServer, type Servable, serveAdminOn, type ServeAdminOptions } from "./serve.ts";
export type { Watchable, WatchedClient } from "./watched.ts";

/** Makes an admin on Node's clock and chance. */
export function createAdmin(options: AdminOptions = {}): Admin {
  return createAdminOn(nodeRuntime, options);
}

/** Makes one of several. */
export function mergedAdmin(sources: readonly AdminSource[], options: MergedOptions = {}): MergedAdmin {
  return mergedAdminOn(nodeRuntime, sources, options);
}

/** Where the token comes from. */
export interface ServeOptions extends Omit<ServeAdminOptions, "token"> {
  /**
   * Where the token is: `{ file }`, which is made with mode 0600 if it is not there, or `{ env }`. Default: the file
   * `~/.meridian/admin-token`, where `meridian top` and its like look too.
   */
  readonly token?: SecretSource | Secret | undefined;
}

/** A served admin, and where operators find its token; undefined if not in a file. */
export interface ServedAdmin extends AdminServer {
  readonly tokenFile: string | undefined;
}

/** Serves an admin on Node's network: by default at 127.0.0.1:7900. */
export async function serveAdmin(admin: Servable, options: ServeOptions = {}): Promise<ServedAdmin> {
  const { token = { file: defaultTokenPath() } } = options;
  const file = "file" in token ? tokenFile(token.file) : undefined;
  const known = file?.token ?? ("reveal" in token ? token : secret(token));
  // Told now rather than at the first question.
  known.reveal();
  const served = await serveAdminOn(nodeRuntime, admin, { ...options, token: known });
  return Object.assign(served, { tokenFile: file?.path });
}

/** How an admin service is reached. */
export interface AdminClientOptions {
  /** `host:port`. Default `127.0.0.1:7900`. */
  readonly address?: string | undefined;
  /** Sent with every call. Default: none, which does for reading on loopback. */
  readonly token?: Secret | undefined;
  readonly tls?: Security | undefined;
}

/** Calls an admin service; as a source, it can be merged with others. */
export function adminSource(name: string, options: AdminClientOptions = {}): AdminSource & { close(): void } {
  const { address = `127.0.0.1:${adminPort}`, token, tls } = options;
  const bearing: Layer = (next) => (request, context) => next(request, token === undefined ? context : context.with({
    metadata: createMetadata({ ...context.metadata, authorization: `Bearer ${token.reveal()}` }),
  }));
  const client = createClientOn(nodeRuntime, AdminContract, {
    address, hedge: false, compressions: nodeCompressions, ...(tls === undefined ? undefined : { tls }),
    stack: (defaults) => ({ bearing, ...defaults }),
  });
  return { name, calls: client, close: () => client.$.close(0) };
}
