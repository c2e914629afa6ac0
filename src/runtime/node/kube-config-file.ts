/** `readKubeconfig` makes of kubeconfig files (YAML of kubectl) the one cluster and user that a context means. */
import { isIP } from "node:net";
import { dirname, isAbsolute, join } from "node:path";
import { parse } from "yaml";
import { RpcError } from "../../core/error.ts";
import { formatAddress } from "./address.ts";
import type { Pem } from "./tls.ts";

export interface KubeFile {
  readonly path: string;
  readonly text: string;
}

export interface KubeTarget {
  readonly context: string;
  readonly address: string;
  readonly basePath: string;
  readonly isSecured: boolean;
  readonly namespace: string;
  readonly ca: Pem | undefined;
  readonly serverName: string | undefined;
  readonly verify: boolean;
  readonly cert: Pem | undefined;
  readonly key: Pem | undefined;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
}

export interface KubeChoice {
  /** Default: the files' `current-context`. */
  readonly context: string | undefined;
  /** Takes unverified certificates, and tokens over plain HTTP, where the files ask for them. */
  readonly allowInsecure: boolean;
}

/** Aliases may not multiply a small file into a large one. */
const maxAliasCount = 100;

type Fields = Readonly<Record<string, unknown>>;

/** A named entry, the folder that its paths begin at, and the place of it for messages. */
interface Found {
  readonly fields: Fields;
  readonly folder: string;
  readonly where: string;
}

/** Throws `invalid_argument` naming file and entry, never what is in it. Of entries with one name the first counts. */
export function readKubeconfig(files: readonly KubeFile[], choice: KubeChoice): KubeTarget {
  const parsed = files.map(({ path, text }) => ({ path, root: parseFile(path, text) }));
  const all = parsed.map(({ path }) => path).join(", ");
  const context = choice.context ??
    parsed.map(({ root }) => root["current-context"]).find((one) => typeof one === "string" && one !== "");
  if (typeof context !== "string") {
    return refuse(`${all} names no current-context; choose one: kubeconfig({ context }) or kubectl config use-context`);
  }

  function find(list: string, kind: string, name: string): Found {
    const known: string[] = [];
    for (const { path, root } of parsed) {
      for (const entry of members(root[list], `${path}: ${list}`)) {
        if (entry["name"] === name) {
          const where = `${path}: the ${kind} "${name}"`;
          return { fields: mapping(entry[kind] ?? {}, where), folder: dirname(path), where };
        }
        if (typeof entry["name"] === "string") known.push(entry["name"]);
      }
    }
    return refuse(`${all}: there is no ${kind} "${name}"; there are ${known.slice(0, 10).join(", ") || "none"}`);
  }

  const chosen = find("contexts", "context", context);
  const cluster = find("clusters", "cluster", text(chosen, "cluster") ?? refuse(`${chosen.where} names no cluster`));
  const userName = text(chosen, "user");
  const user = userName === undefined ? undefined : find("users", "user", userName);
  const namespace = text(chosen, "namespace") ?? "default";
  const target = { context, namespace, ...readCluster(cluster, choice), ...readUser(user) };
  if (!target.isSecured && (target.token ?? target.tokenFile) !== undefined && !choice.allowInsecure &&
    !isLoopback(target.address)) {
    refuse(`${cluster.where} is reached by http, so that anybody on the way would read the token; use https, or say ` +
      "kubeconfig({ allowInsecure: true })");
  }
  return target;
}

function readCluster(cluster: Found, { allowInsecure }: KubeChoice) {
  const { where } = cluster;
  if (text(cluster, "proxy-url") !== undefined) {
    refuse(`${where} asks for a proxy (proxy-url), which is not supported; reach the cluster through "kubectl proxy" ` +
      "and the server http://127.0.0.1:8001 instead");
  }
  const verify = cluster.fields["insecure-skip-tls-verify"] !== true;
  if (!verify && !allowInsecure) {
    refuse(`${where} asks to trust any certificate (insecure-skip-tls-verify), which would hand the credentials to ` +
      "whoever sits in between; give certificate-authority-data instead, or say kubeconfig({ allowInsecure: true })");
  }
  const server = text(cluster, "server") ?? refuse(`${where} has no server`);
  const url = URL.canParse(server) ? new URL(server) : undefined;
  const isSecured = url?.protocol === "https:";
  if (url === undefined || (!isSecured && url.protocol !== "http:") || url.username !== "" || url.search !== "") {
    return refuse(`${where}: the server is no address such as https://10.0.0.1:6443`);
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return {
    address: formatAddress(host, url.port === "" ? (isSecured ? 443 : 80) : Number(url.port)),
    basePath: url.pathname.replace(/\/+$/, ""),
    isSecured, verify,
    ca: pem(cluster, "certificate-authority"),
    serverName: text(cluster, "tls-server-name"),
  };
}

/** What users' entries may ask for that is not done here, and what to do instead. */
const unsupported: Readonly<Record<string, string>> = {
  exec: "runs a program to get credentials (exec), and programs named in a file are not run here",
  "auth-provider": "asks for an auth-provider, which Kubernetes itself has given up",
  username: "has a user name and a password, which Kubernetes takes no more",
  as: "acts as somebody else (as), which is not supported",
};

function readUser(user: Found | undefined) {
  if (user === undefined) return { cert: undefined, key: undefined, token: undefined, tokenFile: undefined };
  for (const [name, why] of Object.entries(unsupported)) {
    if (user.fields[name] === undefined || user.fields[name] === null) continue;
    refuse(`${user.where} ${why}; do one of: put a token in its place (kubectl create token ACCOUNT, ` +
      'then tokenFile), run within the cluster by a service account, or run "kubectl proxy" and use the server ' +
      "http://127.0.0.1:8001");
  }
  const [cert, key] = [pem(user, "client-certificate"), pem(user, "client-key")];
  if ((cert === undefined) !== (key === undefined)) {
    refuse(`${user.where} has ${cert === undefined ? "client-key without client-certificate"
      : "client-certificate without client-key"}`);
  }
  const tokenFile = text(user, "tokenFile");
  return {
    cert, key, token: text(user, "token"),
    // The file goes before the token, since it may be renewed (as kubectl does it).
    tokenFile: tokenFile === undefined ? undefined : within(user.folder, tokenFile),
  };
}

/** `NAME-data` goes before `NAME`, which is a path from the file's own folder. */
function pem(found: Found, name: string): Pem | undefined {
  const data = text(found, `${name}-data`);
  if (data !== undefined) {
    const decoded = Buffer.from(data, "base64");
    if (!decoded.includes("-----BEGIN")) refuse(`${found.where}: ${name}-data is no PEM in base64`);
    return decoded;
  }
  const file = text(found, name);
  return file === undefined ? undefined : { file: within(found.folder, file) };
}

function within(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function isLoopback(address: string): boolean {
  const host = address.replace(/:\d+$/, "");
  return host === "localhost" || host === "[::1]" || (isIP(host) === 4 && host.startsWith("127."));
}

function parseFile(path: string, content: string): Fields {
  let value: unknown;
  try {
    value = parse(content, { maxAliasCount, prettyErrors: false, logLevel: "error" });
  } catch (error) {
    // A parser's own words may quote the text, which holds secrets.
    const { code, pos } = error as { code?: string; pos?: readonly number[] };
    const line = pos?.[0] === undefined ? "" : `:${content.slice(0, pos[0]).split("\n").length}`;
    refuse(`${path}${line}: it is no YAML${code === undefined ? "" : ` (${code})`}`);
  }
  return mapping(value, path);
}

function mapping(value: unknown, where: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  return refuse(`${where}: expected a mapping`);
}

function members(value: unknown, where: string): readonly Fields[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) refuse(`${where}: expected a list`);
  return (value as unknown[]).map((one, i) => mapping(one, `${where}[${i}]`));
}

/** Undefined for what is absent or empty. */
function text({ fields, where }: Found, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") refuse(`${where}: ${name} is no text; write it in quotes`);
  return value;
}

function refuse(what: string): never {
  throw new RpcError("invalid_argument", what, { phase: "resolve", retryable: false });
}
