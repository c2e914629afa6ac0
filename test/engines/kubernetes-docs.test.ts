// docs/discovery-kubernetes.md: its code compiles and runs, its manifests agree with each other and with the code.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { lacking, outputOf } from "../peers/programs.ts";
import { readSnippets, root, runnable, type Snippets } from "../docs/snippets.ts";
import { slicesOf, startEmulator } from "./kubernetes.ts";
import { startApiServer } from "./kubernetes-apiserver.ts";

const document = "docs/discovery-kubernetes.md";
const page = readSnippets(document);
let snippets: Snippets;
let folder = "";

before(async () => {
  mkdirSync(join(root, "test/.tmp"), { recursive: true });
  folder = mkdtempSync(join(root, "test/.tmp", "discovery-kubernetes-"));
  snippets = await runnable(page);
  for (const [name, text] of snippets.files) writeFileSync(join(folder, name), text);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Fragments that stand in the text, with what they take for granted. */
async function fragments(): Promise<ReadonlyMap<string, string>> {
  const bare = [...readFileSync(join(root, document), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)];
  assert.ok(bare.length >= 3);
  const lead = 'import { kubernetesDiscovery } from "meridian-rpc/discovery/kubernetes";\n';
  const files = new Map(bare.map(([, body = ""], i) =>
    [`fragment-${i + 1}.ts`, `${body.includes("meridian-rpc/discovery/kubernetes") ? "" : lead}${body}export {};\n`]));
  return (await runnable({ document, files, outputs: new Map() })).files;
}

test("the page's code passes the strictest compiler", async () => {
  for (const [name, text] of await fragments()) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({
    extends: relative(folder, join(root, "tsconfig.json")), include: ["*.ts"], exclude: [],
  }));
  const { stdout, error } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
  assert.equal(error, undefined);
  // What is wrong with the sources themselves is told by the stage that checks those.
  assert.deepEqual(stdout.split("\n").filter((line) => line !== "" && !line.startsWith("src/")), []);
});

test("Kubernetes (emulator): the page's client finds the page's server by a kubeconfig", {
  timeout: 120_000,
}, async () => {
  await using things = new AsyncDisposableStack();
  const emulator = await startEmulator();
  things.defer(() => emulator.stop());
  const port = /port: (\d+)/.exec(snippets.files.get("server.ts") ?? "")?.[1] ?? "";
  // What Kubernetes makes of the Service and its one ready pod.
  const [slice] = slicesOf("geo.v1.Cities", [{ address: `127.0.0.1:${port}`, region: "eu-west" }]) as
    [{ metadata: Record<string, unknown> }];
  slice.metadata["namespace"] = "shop";
  await emulator.order({ do: "put", objects: [slice], instead: "" });
  writeFileSync(join(folder, "config"), `current-context: here
contexts: [{ name: here, context: { cluster: here } }]
clusters: [{ name: here, cluster: { server: "http://${emulator.address}" } }]
`);
  const server = run("server.ts");
  things.defer(async () => {
    if (server.exitCode !== null) return;
    const exit = once(server, "exit");
    server.kill("SIGKILL");
    await exit;
  });
  await printed(server, "server.ts");
  const client = run("client.ts");
  const exited = once(client, "exit");
  await printed(client, "client.ts");
  assert.deepEqual(await exited, [0, null]);
});

type Fields = Record<string, unknown>;

/** The value at a path, such as `spec.ports.0.name`. */
function at(object: unknown, path: string): unknown {
  return path.split(".").reduce((value, key) => (value as Fields | undefined)?.[key], object);
}

function manifests(name: string): Map<string, unknown> {
  return new Map(parseAllDocuments(page.files.get(name) ?? "").map((one) => {
    assert.deepEqual(one.errors, []);
    const value: unknown = one.toJS();
    return [String(at(value, "kind")), value];
  }));
}

test("the page's manifests agree with each other and with its code", () => {
  const cities = manifests("cities.yaml");
  const [service, deployment] = [cities.get("Service"), cities.get("Deployment")];
  const pod = at(deployment, "spec.template");
  const container = at(pod, "spec.containers.0");
  assert.deepEqual(at(service, "spec.selector"), at(pod, "metadata.labels"));
  assert.deepEqual(at(deployment, "spec.selector.matchLabels"), at(pod, "metadata.labels"));
  assert.equal(at(service, "spec.ports.0.targetPort"), at(container, "ports.0.name"));
  assert.equal(at(container, "livenessProbe.tcpSocket.port"), at(container, "ports.0.name"));
  assert.equal(at(container, "readinessProbe.grpc.port"), at(container, "ports.0.containerPort"));

  const [server, client, contract] = ["server.ts", "client.ts", "contract.ts"].map((one) => page.files.get(one) ?? "");
  assert.match(server ?? "", new RegExp(`port: ${String(at(container, "ports.0.containerPort"))}`));
  const name = /service\("([^"]+)"/.exec(contract ?? "")?.[1];
  const labels = at(service, "metadata.labels") as Record<string, string>;
  assert.equal(labels["meridian-rpc/service"], name);
  assert.equal(at(container, "readinessProbe.grpc.service"), name);
  assert.match(client ?? "", new RegExp(`region: "${labels["meridian-rpc/region"]}"`));
  assert.match(client ?? "", new RegExp(`namespace: "${String(at(service, "metadata.namespace"))}"`));
  const ms = (pattern: RegExp): number => Number(pattern.exec(server ?? "")?.[1]?.replaceAll("_", ""));
  const graceMs = ms(/drainDelayMs: ([\d_]+)/) + ms(/close\(([\d_]+)\)/);
  assert.ok(Number(at(pod, "spec.terminationGracePeriodSeconds")) * 1_000 > graceMs);

  const access = manifests("access.yaml");
  const [account, role, binding] = ["ServiceAccount", "Role", "RoleBinding"].map((kind) => access.get(kind));
  assert.deepEqual(at(role, "rules"),
    [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] }]);
  assert.equal(at(binding, "roleRef.name"), at(role, "metadata.name"));
  assert.equal(at(binding, "subjects.0.name"), at(account, "metadata.name"));
  for (const one of [account, role, binding, deployment]) {
    assert.equal(at(one, "metadata.namespace"), at(service, "metadata.namespace"));
  }
});

test("kube-apiserver: takes the page's manifests from kubectl", {
  timeout: 180_000, skip: lacking("kube-apiserver", "etcd", "openssl", "kubectl"),
}, async () => {
  const server = await startApiServer();
  try {
    const metadata = { name: "shop" };
    await server.ask("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata });
    for (const name of ["cities.yaml", "access.yaml"]) {
      writeFileSync(join(folder, name), page.files.get(name) ?? "");
      const said = await outputOf("kubectl", ["--kubeconfig", server.config, "--cache-dir", join(folder, "cache"),
        "apply", "-f", join(folder, name)], { timeoutMs: 60_000 });
      assert.equal(said.match(/ created$/gm)?.length, name === "cities.yaml" ? 2 : 3, said);
    }
  } finally {
    await server.stop();
  }
});

function run(name: string): ChildProcess {
  return spawn(process.execPath, [join(folder, name)], {
    stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, KUBECONFIG: join(folder, "config") },
  });
}

/** Resolves once the program has printed what the page says. */
async function printed(child: ChildProcess, name: string): Promise<void> {
  const wanted = snippets.outputs.get(name) ?? "";
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.length >= wanted.length) break;
  }
  assert.equal(text, wanted);
}
