// Kubernetes (emulator): who we are, over TLS, and what is said where that does not do.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ClusterCredentials } from "../../src/core/cluster.ts";
import { inCluster, kubeconfig } from "../../src/runtime/node/index.ts";
import { lacking } from "../peers/programs.ts";
import { anybody, type KubernetesEmulator, startEmulator } from "./kubernetes.ts";
import type { EmulatorSettings } from "./kubernetes-emulator.ts";
import { hear, put, until } from "./kubernetes-heard.ts";

const name = "geo.v1.Cities";
const [a, b] = ["10.0.0.1:7001", "10.0.0.2:7001"];
const limit = { timeout: 120_000, skip: lacking("openssl") };

let folder = "";
const file = (one: string): string => join(folder, one);

before(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-kubernetes-"));
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  for (const one of ["ca", "stranger"]) {
    const files = ["-keyout", `${one}.key`, "-out", `${one}.crt`];
    openssl("req", "-x509", ...made, "-days", "2", ...files, "-subj", `/CN=${one}`);
  }
  writeFileSync(file("names"), "subjectAltName=DNS:kubernetes.default.svc,IP:127.0.0.1");
  for (const one of ["server", "jane"]) {
    openssl("req", ...made, "-keyout", `${one}.key`, "-out", `${one}.csr`, "-subj", `/CN=${one}`);
    openssl("x509", "-req", "-in", `${one}.csr`, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
      "-out", `${one}.crt`, "-extfile", "names");
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function secured(things: AsyncDisposableStack, settings: EmulatorSettings = {}): Promise<KubernetesEmulator> {
  const server = await startEmulator({
    tls: { cert: file("server.crt"), key: file("server.key") }, clientCa: file("ca.crt"), ...settings,
  });
  things.defer(() => server.stop());
  await put(server, name, [{ address: a }]);
  return server;
}

/** The files of a pod's service account. */
function account({ port }: KubernetesEmulator, token: string): ClusterCredentials {
  writeFileSync(file("token"), `${token}\n`);
  writeFileSync(file("namespace"), "prod");
  return inCluster({ folder, host: "127.0.0.1", port });
}

test("Kubernetes (emulator): a service account whose token rotates goes on without a failure", limit, async () => {
  await using things = new AsyncDisposableStack();
  const server = await secured(things, { tokens: { first: { user: "web" } } });
  const heard = hear(server, name, { credentials: account(server, "first") });
  things.defer(() => heard.close());
  await heard.told(a);
  writeFileSync(file("token"), "second\n");
  await server.order({ do: "settings", settings: { tokens: { second: { user: "web" } } } });
  await server.order({ do: "endWatches", how: "closed" });
  await put(server, name, [{ address: b }]);
  await heard.told(b);
  assert.deepEqual(heard.failures, []);
});

test("Kubernetes (emulator): a token that rotates between reading and asking is read once more", limit, async () => {
  await using things = new AsyncDisposableStack();
  const server = await secured(things, { tokens: { second: { user: "web" } } });
  const files = account(server, "second");
  let reads = 0;
  const late: ClusterCredentials = {
    source: files.source,
    async read() {
      const access = await files.read();
      // The first read is for the namespace, the second for the list.
      return ++reads === 2 ? { ...access, authorization: "Bearer first" } : access;
    },
  };
  const heard = hear(server, name, { credentials: late });
  things.defer(() => heard.close());
  await heard.told(a);
  assert.deepEqual(heard.failures, []);
});

test("Kubernetes (emulator): a token that is refused twice is an error that says what to do", limit, async () => {
  await using things = new AsyncDisposableStack();
  const server = await secured(things, { tokens: { other: { user: "web" } } });
  const heard = hear(server, name, { credentials: account(server, "wrong-secret") });
  things.defer(() => heard.close());
  const message = await heard.failed(/does not accept the credentials of the service account in /);
  assert.match(message, /kubectl create token ACCOUNT/);
  assert.ok(!message.includes("wrong-secret"));
  assert.equal(heard.failures[0]?.code, "unauthenticated");
  const { asked } = await server.order({ do: "asked" });
  assert.ok(asked.filter((one) => /limit=/.test(one)).length >= 2);
  writeFileSync(file("token"), "other");
  await heard.told(a);
});

test("Kubernetes (emulator): who may not list, or only list, is told the rule that allows it", limit, async () => {
  await using things = new AsyncDisposableStack();
  const user = "system:serviceaccount:shop:web";
  const server = await secured(things, { tokens: { t: { user, verbs: ["get"] } } });
  const heard = hear(server, name, { credentials: account(server, "t") });
  things.defer(() => heard.close());
  const message = await heard.failed(/forbids "list" of endpointslices in the namespace "prod"/);
  assert.match(message, /kubectl create role meridian-discovery -n prod --verb=list,watch/);
  assert.match(message, /--serviceaccount=shop:web/);
  assert.equal(heard.failures[0]?.code, "permission_denied");
  await server.order({ do: "settings", settings: { tokens: { t: { user, verbs: ["list"] } } } });
  await heard.told(a);
  await heard.failed(/forbids "watch" of endpointslices in the namespace "prod"/);
  await server.order({ do: "settings", settings: { tokens: { t: { user, namespaces: ["prod"] } } } });
  await put(server, name, [{ address: b }]);
  await heard.told(b);
  const elsewhere = hear(server, "cities.hidden", { credentials: account(server, "t") });
  things.defer(() => elsewhere.close());
  await elsewhere.failed(/in the namespace "hidden"/);
});

const base64 = (one: string): string => readFileSync(file(one)).toString("base64");

function config(server: KubernetesEmulator, cluster: string, user: string): string {
  return `apiVersion: v1
kind: Config
current-context: dev
contexts:
  - name: dev
    context: { cluster: here, user: jane, namespace: prod }
clusters:
  - name: here
    cluster: { server: "https://${server.address}", ${cluster} }
users:
  - name: jane
    user: { ${user} }
`;
}

test("Kubernetes (emulator): a kubeconfig with certificates and tokens, and one that changes", limit, async () => {
  await using things = new AsyncDisposableStack();
  const server = await secured(things, { tokens: { t: { user: "jane" } } });
  const trusted = `certificate-authority-data: ${base64("ca.crt")}, tls-server-name: kubernetes.default.svc`;
  const users = [
    `client-certificate-data: ${base64("jane.crt")}, client-key-data: ${base64("jane.key")}`,
    "client-certificate: jane.crt, client-key: jane.key", "token: t", "tokenFile: tokens/t",
  ];
  execFileSync("mkdir", ["-p", file("tokens")]);
  writeFileSync(file("tokens/t"), "t");
  for (const user of users) {
    writeFileSync(file("config"), config(server, trusted, user));
    const heard = hear(server, name, { credentials: kubeconfig({ path: file("config") }) });
    await heard.told(a);
    await heard.close();
  }
  writeFileSync(file("config"), config(server, trusted, "token: stale"));
  const heard = hear(server, name, { credentials: kubeconfig({ path: file("config") }) });
  things.defer(() => heard.close());
  await heard.failed(/does not accept the credentials of the kubeconfig .*config/);
  writeFileSync(file("config"), config(server, trusted, "token: t"));
  await heard.told(a);
});

test("Kubernetes (emulator): a server that nobody vouches for gets no credentials", limit, async () => {
  await using things = new AsyncDisposableStack();
  const server = await secured(things);
  writeFileSync(file("config"), config(server, `certificate-authority: stranger.crt`, "token: t"));
  const heard = hear(server, name, { credentials: kubeconfig({ path: file("config") }) });
  things.defer(() => heard.close());
  await heard.failed(/certificate/);
  assert.deepEqual((await server.order({ do: "asked" })).asked.filter((one) => /endpointslices/.test(one)), []);
  writeFileSync(file("config"), config(server, "insecure-skip-tls-verify: true", "token: t"));
  await heard.failed(/asks to trust any certificate .* kubeconfig\(\{ allowInsecure: true \}\)/);
  const careless = hear(server, name, { credentials: kubeconfig({ path: file("config"), allowInsecure: true }) });
  things.defer(() => careless.close());
  await careless.told(a);
});

test("Kubernetes (emulator): programs that a kubeconfig names are not run", limit, async () => {
  await using things = new AsyncDisposableStack();
  const server = await secured(things);
  writeFileSync(file("config"), config(server, `certificate-authority: ca.crt`,
    `exec: { apiVersion: client.authentication.k8s.io/v1, command: touch, args: ["${file("ran")}"] }`));
  const heard = hear(server, name, { credentials: kubeconfig({ path: file("config") }) });
  things.defer(() => heard.close());
  const message = await heard.failed(/the user "jane" runs a program to get credentials \(exec\)/);
  assert.match(message, /kubectl create token ACCOUNT.*kubectl proxy/);
  assert.throws(() => readFileSync(file("ran")), /ENOENT/);
});

test("Kubernetes (emulator): nobody registers here, and a closed discovery is closed", limit, async () => {
  await using things = new AsyncDisposableStack();
  const server = await startEmulator();
  things.defer(() => server.stop());
  await put(server, name, [{ address: a }]);
  const heard = hear(server, name);
  await heard.told(a);
  await until("a watch is open", async () => (await server.order({ do: "asked" })).watches === 1);
  await heard.close();
  await until("no watch is left", async () => (await server.order({ do: "asked" })).watches === 0);
  const { kubernetesDiscovery } = await import("../../src/discovery/kubernetes/index.ts");
  await using discovery = kubernetesDiscovery({ credentials: anybody(server.address) });
  assert.throws(() => discovery.register(name, { address: a }), /is only read/);
});
