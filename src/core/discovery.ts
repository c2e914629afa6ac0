/**
 * Discovery tells who serves a name, in complete snapshots, never deltas.
 *
 * Silence or an error means *keep the last good snapshot* (the rule of go-kit's Instancer): a registry that
 * dies takes nothing with it.
 */
import type { EndpointAddress, EndpointFields } from "./endpoint.ts";
import type { RpcError } from "./error.ts";

export interface Discovery {
  /** Begins to watch; `watcher.snapshot` may be called synchronously. The returned function stops it. */
  watch(name: string, watcher: Watcher): () => void;
  /**
   * Whether somebody wrote on purpose what it tells (the program itself, a file that people edit): then even the empty
   * set is meant, and nothing is held back. Default false.
   */
  readonly deliberate?: boolean | undefined;
}

export interface Watcher {
  /** The complete set that serves the name now. */
  snapshot(endpoints: readonly EndpointAddress[]): void;
  /** Something is wrong with the source; what was last told stays true. */
  failed?(error: RpcError): void;
}

/** Where servers make themselves known. */
export interface Registrar {
  /** Announces `endpoint` under `name` and keeps its lease alive until the registration is closed. */
  register(name: string, endpoint: EndpointFields): Registration;
}

export interface Registration {
  /** Resolves once the registry holds the entry for the first time. */
  readonly registered: Promise<void>;
  /** Withdraws the entry: other than a crash, which is noticed only when the lease runs out. */
  close(): Promise<void>;
}
