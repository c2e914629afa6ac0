/**
 * The real kube-apiserver beside etcd, where both are installed (kubernetes-apiserver-build.ts builds it). It refuses
 * slices of loopback addresses, so tests of it enter others, and translate what is told.
 */
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type IncomingMessage } from "node:http";
import https from "node:https";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { execFileSync } from "node:child_process";
import { type EngineProcess, startEngine } from "./engine-process.ts";

export interface ApiServer extends EngineProcess {
  /** A kubeconfig of one who may do everything; context `nobody` may do nothing. */
  readonly config: string;
  ask(method: string, path: string, body?: object): Promise<{ status: number; body: Record<string, unknown> }>;
}

export async function startApiServer(): Promise<ApiServer> {
  const etcd = await startEngine({
    name: "etcd", morePorts: 1, answers: async (port) => (await fetch(`http://127.0.0.1:${port}/health`)).ok,
    command: (port, folder) => ["etcd", "--data-dir", folder, "--listen-client-urls", `http://127.0.0.1:${port}`,
      "--advertise-client-urls", `http://127.0.0.1:${port}`, "--listen-peer-urls", `http://127.0.0.1:${port + 1}`,
      "--initial-advertise-peer-urls", `http://127.0.0.1:${port + 1}`,
      "--initial-cluster", `default=http://127.0.0.1:${port + 1}`, "--unsafe-no-fsync"],
  });
  const server = await startEngine({
    name: "kube-apiserver", command: (port, folder) => command(port, folder, etcd.port),
    answers: async (port) => (await ask(port, "GET", "/readyz")).status === 200,
  });
  const config = join(dirname(server.folder), "config");
  writeFileSync(config, configOf(server.port, join(server.folder, "certs", "apiserver.crt")));
  return {
    ...server, config, ask: (method, path, body) => ask(server.port, method, path, body),
    async stop() {
      await server.stop();
      await etcd.stop();
    },
  };
}

function command(port: number, folder: string, etcdPort: number): readonly [string, ...string[]] {
  mkdirSync(folder, { recursive: true });
  const key = join(folder, "accounts.key");
  execFileSync("openssl", ["genrsa", "-out", key, "2048"], { stdio: "pipe" });
  writeFileSync(join(folder, "tokens.csv"), 'all,admin,1,"system:masters"\nnone,nobody,2\n');
  return ["kube-apiserver", "--etcd-servers", `http://127.0.0.1:${etcdPort}`, "--secure-port", String(port),
    "--bind-address", "127.0.0.1", "--cert-dir", join(folder, "certs"), "--service-cluster-ip-range", "10.0.0.0/24",
    "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key,
    "--service-account-signing-key-file", key, "--authorization-mode", "RBAC",
    "--token-auth-file", join(folder, "tokens.csv"), "--disable-admission-plugins", "ServiceAccount"];
}

function configOf(port: number, authority: string): string {
  // What it signs by itself vouches for itself.
  readFileSync(authority);
  return `apiVersion: v1
kind: Config
current-context: all
contexts:
  - { name: all, context: { cluster: here, user: all } }
  - { name: nobody, context: { cluster: here, user: nobody } }
clusters: [{ name: here, cluster: { server: "https://127.0.0.1:${port}", certificate-authority: "${authority}" } }]
users: [{ name: all, user: { token: all } }, { name: nobody, user: { token: none } }]
`;
}

async function ask(port: number, method: string, path: string, body?: object) {
  const request = https.request(`https://127.0.0.1:${port}${path}`, {
    method, rejectUnauthorized: false, agent: false,
    headers: { authorization: "Bearer all", ...(body === undefined ? {} : { "content-type": "application/json" }) },
  });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [answer] = await once(request, "response") as [IncomingMessage];
  const content = await text(answer);
  return {
    status: answer.statusCode ?? 0,
    body: (content.startsWith("{") ? JSON.parse(content) : {}) as Record<string, unknown>,
  };
}
