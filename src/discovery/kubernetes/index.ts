/** Discovery by Kubernetes: the ready pods of a service, from its EndpointSlices, listed and watched. */
import type { ClusterCredentials } from "../../core/cluster.ts";
import { kubeCredentials } from "../../runtime/node/kube-config.ts";
import { nodeRuntime } from "../../runtime/node/runtime.ts";
import type { EngineDiscovery } from "../engine.ts";
import { type KubernetesOptions, kubernetesDiscoveryOn } from "./discovery.ts";

export type { ClusterAccess, ClusterCredentials } from "../../core/cluster.ts";
export { kubernetesDiscoveryOn, type KubernetesOptions } from "./discovery.ts";
export type { ServiceNames } from "./target.ts";

export interface NodeKubernetesOptions extends KubernetesOptions {
  /**
   * Where the cluster is, and who we are: `inCluster()` or `kubeconfig({ context })` of `meridian-rpc/runtime/node`.
   * Default: the file that `KUBECONFIG` names; within a pod its service account; else `~/.kube/config`.
   */
  readonly credentials?: ClusterCredentials | undefined;
}

/**
 * Finds the pods of services in Kubernetes. It only reads: pods are entered by Kubernetes, once they are ready.
 *
 * @example
 * const discovery = kubernetesDiscovery({ namespace: "shop", region: "eu-west" });
 * const cities = createClient(Cities, { discovery, region: "eu-west" });
 */
export function kubernetesDiscovery(options: NodeKubernetesOptions = {}): EngineDiscovery {
  return kubernetesDiscoveryOn(nodeRuntime, options.credentials ?? kubeCredentials(), options);
}
