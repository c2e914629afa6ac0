/** The Node runtime: the only place where Meridian touches real time, real chance and real sockets. */
export { brotli, type CompressionOptions, gzip, nodeCompressions, zstd } from "./compression.ts";
export { createFileSource, type FileSourceOptions } from "./file-source.ts";
export { createFileStore } from "./file-store.ts";
export { nodeHttp2Accept, nodeHttp2Connect } from "./http2.ts";
export { systemNameServers } from "./name-servers.ts";
export type { NodeNetworkOptions } from "./network.ts";
export { type ProcessLoad, processLoad } from "./process-load.ts";
export { createNodeRuntime, nodeRuntime, type NodeRuntimeOptions } from "./runtime.ts";
export {
  inCluster, type InClusterOptions, kubeconfig, type KubeconfigOptions, kubeCredentials,
} from "./kube-config.ts";
export { zeromq, type ZeroMqOptions } from "./zeromq.ts";
export { type Pem, tls, type TlsOptions } from "./tls.ts";
