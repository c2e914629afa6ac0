/** Cluster credentials say how the API of a cluster is reached, and as whom: read by a runtime, used by a driver. */
import type { Security } from "./runtime.ts";

export interface ClusterCredentials {
  /** What messages call them, never what they hold: `the kubeconfig /home/me/.kube/config (context dev)`. */
  readonly source: string;
  /**
   * Reads them as they are now; asked before every request, so what has not changed is not parsed again. Rejects with
   * an `RpcError` that says what is wrong with them and what to do.
   */
  read(): Promise<ClusterAccess>;
}

export interface ClusterAccess {
  /** `host:port` or `[v6]:port`. */
  readonly address: string;
  /** What stands before every path, e.g. `/k8s/clusters/c-1` behind a proxy. Empty in most clusters. */
  readonly basePath: string;
  /** Absent over plain HTTP. The same object for as long as nothing changed, by which connections are kept. */
  readonly security: Security | undefined;
  /** The `authorization` of every request; absent where a certificate, or nobody, says who we are. A secret. */
  readonly authorization: string | undefined;
  /** The namespace that is meant where none is named. */
  readonly namespace: string;
}
