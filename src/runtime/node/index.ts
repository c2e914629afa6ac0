/** The Node runtime: the only place where Meridian touches real time, real chance and real sockets. */
export { type AppendFile, appendFile } from "./append-file.ts";
export { brotli, type CompressionOptions, gzip, nodeCompressions, zstd } from "./compression.ts";
export { createFileSource, type FileSourceOptions } from "./file-source.ts";
export { createFileStore } from "./file-store.ts";
export { nodeHttp2Accept, nodeHttp2Connect } from "./http2.ts";
export { fastifyPlugin, type FastifyLike, type Mountable, nodeHandler, type NodeHandler } from "./mount.ts";
export { loadModule } from "./module.ts";
export { systemNameServers } from "./name-servers.ts";
export type { NodeNetworkOptions } from "./network.ts";
export { type ProcessLoad, processLoad } from "./process-load.ts";
export { createNodeRuntime, nodeRuntime, type NodeRuntimeOptions } from "./runtime.ts";
export { besideFile, firstThere, processEnvironment } from "./surroundings.ts";
export {
  inCluster, type InClusterOptions, kubeconfig, type KubeconfigOptions, kubeCredentials,
} from "./kube-config.ts";
export { secret, type SecretSource } from "./secret.ts";
export { zeromq, type ZeroMqOptions } from "./zeromq.ts";
export { type Pem, tls, type TlsOptions } from "./tls.ts";
export { defaultTokenPath, tokenFile, type TokenFile } from "./token-file.ts";
