/** What the embedded registry says when it is used beyond one machine. */

/** Whether an endpoint's address can be reached on its own machine only. */
export function isLoopback(address: string): boolean {
  return address.startsWith("unix:") || address.startsWith("[::1]:") ||
    /^(?:127(?:\.\d{1,3}){3}|localhost):/.test(address);
}

/** The text of the event `registry.second.machine`. */
export function secondMachineAdvice(address: string): string {
  return `${address} is no address of this machine alone, so servers of several machines may register here. The ` +
    "embedded registry is one process without a replica, meant for development and for one machine: while it is " +
    "down, callers keep what they know, but nobody new is found. Use a replicated engine instead: etcd, Consul, " +
    "ZooKeeper, Redis, Kubernetes or DNS (docs/discovery.md)";
}
