/**
 * Kubernetes credentials as Node finds them: the service account of the pod it runs in, or a kubeconfig file.
 *
 * Whatever comes from a file is read again when it is used, since Kubernetes renews tokens every hour or so, and people
 * log in anew: the token each time, a kubeconfig once it has changed, certificates by `tls` itself.
 */
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { ClusterAccess, ClusterCredentials } from "../../core/cluster.ts";
import { RpcError } from "../../core/error.ts";
import { formatAddress } from "./address.ts";
import { systemCode } from "./error.ts";
import type { KubeChoice, KubeFile, KubeTarget } from "./kube-config-file.ts";
import { type NodeSecurity, tls } from "./tls.ts";

export interface InClusterOptions {
  /** Where the pod's `token`, `ca.crt` and `namespace` are. Default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly folder?: string | undefined;
  /** The API server. Default: the environment's `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

export interface KubeconfigOptions {
  /** The file. Default: those that the environment's `KUBECONFIG` lists, else `~/.kube/config`. */
  readonly path?: string | undefined;
  /** Default: the file's `current-context`. */
  readonly context?: string | undefined;
  /**
   * Honours `insecure-skip-tls-verify`, and sends tokens over plain HTTP to other hosts, where the file asks for it.
   * Default false: both are refused, as they hand the credentials to whoever sits in between.
   */
  readonly allowInsecure?: boolean | undefined;
}

const accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
/** A token has a few thousand bytes; a kubeconfig with many certificates some hundred thousand. */
const maxFileBytes = 4_194_304;

/** What is found first: files that `KUBECONFIG` lists, the service account of the pod, `~/.kube/config`. */
export function kubeCredentials(): ClusterCredentials {
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST } = process.env;
  return (KUBECONFIG ?? "") === "" && (KUBERNETES_SERVICE_HOST ?? "") !== "" ? inCluster() : kubeconfig();
}

/** The service account of the pod that this process runs in. */
export function inCluster(options: InClusterOptions = {}): ClusterCredentials {
  const folder = options.folder ?? accountFolder;
  const host = options.host ?? process.env["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = options.port ?? Number(process.env["KUBERNETES_SERVICE_PORT"] ?? 443);
  let security: NodeSecurity | undefined;
  return {
    source: `the service account in ${folder}`,
    async read(): Promise<ClusterAccess> {
      if (host === "" || !(port >= 1 && port <= 65_535)) {
        throw new RpcError("failed_precondition", "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not say " +
          "where the API is: outside of a pod use kubeconfig()", { phase: "resolve" });
      }
      const token = await readToken(join(folder, "token"));
      const namespace = (await readText(join(folder, "namespace"))).trim();
      security ??= tls({ ca: { file: join(folder, "ca.crt") } });
      const authorization = `Bearer ${token}`;
      return { address: formatAddress(host, port), basePath: "", security, authorization, namespace };
    },
  };
}

interface Parsed {
  readonly stamp: string;
  readonly target: KubeTarget;
  readonly security: NodeSecurity | undefined;
}

/** What a kubeconfig says of one context, as it is for kubectl. */
export function kubeconfig(options: KubeconfigOptions = {}): ClusterCredentials {
  const paths = options.path !== undefined ? [options.path] : pathsOfEnvironment();
  const choice: KubeChoice = { context: options.context, allowInsecure: options.allowInsecure ?? false };
  const context = choice.context === undefined ? "" : ` (context ${choice.context})`;
  let last: Parsed | undefined;
  return {
    source: `the kubeconfig ${paths.join(", ")}${context}`,
    async read(): Promise<ClusterAccess> {
      const stamp = (await Promise.all(paths.map(stampOf))).join();
      if (last?.stamp !== stamp) {
        const files = await readFiles(paths);
        // Everybody loads this module, and few need the parser of YAML behind the other.
        const { readKubeconfig } = await import("./kube-config-file.ts");
        const target = readKubeconfig(files, choice);
        last = { stamp, target, security: target.isSecured ? tls(target) : undefined };
      }
      const { target: { address, basePath, namespace, token, tokenFile }, security } = last;
      const bearer = tokenFile === undefined ? token : await readToken(tokenFile);
      return {
        address, basePath, namespace, security, authorization: bearer === undefined ? undefined : `Bearer ${bearer}`,
      };
    },
  };
}

function pathsOfEnvironment(): readonly string[] {
  const listed = (process.env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  return listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
}

/** Files that are listed but absent are passed over, as kubectl does it; one must be there. */
async function readFiles(paths: readonly string[]): Promise<readonly KubeFile[]> {
  const files: KubeFile[] = [];
  for (const path of paths) {
    if (await stampOf(path) !== "") files.push({ path, text: await readText(path) });
  }
  if (files.length > 0) return files;
  throw new RpcError("failed_precondition", `there is no kubeconfig ${paths.join(", ")}: say where it is ` +
    "(KUBECONFIG, or kubeconfig({ path })), or run within a pod with a service account", { phase: "resolve" });
}

async function readToken(path: string): Promise<string> {
  const token = (await readText(path)).trim();
  // Whatever else it is, it must not end the header that it is sent in.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new RpcError("failed_precondition", token === "" ? `the token file ${path} is empty`
    : `the token file ${path} holds something else than a token`, { phase: "resolve" });
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size <= maxFileBytes) return await readFile(path, "utf8");
  } catch (error) {
    const why = systemCode(error) === "ENOENT"
      ? "is not there; a pod has it unless automountServiceAccountToken is false"
      : `cannot be read (${systemCode(error) || String(error)})`;
    throw new RpcError("failed_precondition", `${path} ${why}`, { phase: "resolve", cause: error });
  }
  throw new RpcError("resource_exhausted", `${path} has more than ${maxFileBytes} bytes`, { phase: "resolve" });
}

/** What changes whenever the file does; nothing where there is none. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return "";
  }
}
