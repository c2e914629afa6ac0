// kubectl as the foreign witness that the emulator speaks Kubernetes, and that the driver sees what kubectl does.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { kubeconfig } from "../../src/runtime/node/index.ts";
import { lacking, outputOf, path } from "../peers/programs.ts";
import { startEmulator } from "./kubernetes.ts";
import { hear, until } from "./kubernetes-heard.ts";

const manifest = (address: string, port: number): string => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: cities-1
  labels: { kubernetes.io/service-name: cities }
addressType: IPv4
ports: [{ name: grpc, port: ${port} }]
endpoints: [{ addresses: ["${address}"], conditions: { ready: true } }]
`;

test("Kubernetes (emulator): kubectl creates, applies, gets, watches and deletes slices, and the driver sees it", {
  timeout: 180_000, skip: lacking("kubectl"),
}, async () => {
  await using things = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "meridian-kubectl-"));
  things.defer(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startEmulator();
  things.defer(() => server.stop());
  const config = join(folder, "config");
  writeFileSync(config, `apiVersion: v1
kind: Config
current-context: here
contexts: [{ name: here, context: { cluster: here, namespace: shop } }]
clusters: [{ name: here, cluster: { server: "http://${server.address}" } }]
`);
  const kubectl = (...args: string[]): Promise<string> => outputOf("kubectl",
    ["--kubeconfig", config, "--cache-dir", join(folder, "cache"), ...args], { cwd: folder, timeoutMs: 60_000 });
  const write = (address: string, port: number): void =>
    writeFileSync(join(folder, "slice.yaml"), manifest(address, port));

  // No token: kubectl sends none over plain HTTP.
  const heard = hear(server, "cities", { credentials: kubeconfig({ path: config }) });
  things.defer(() => heard.close());
  await heard.told();
  write("10.0.0.1", 7001);
  assert.match(await kubectl("apply", "--validate=false", "-f", "slice.yaml"), /cities-1 created/);
  await heard.told("10.0.0.1:7001");

  let watched = "";
  const watching = spawn("kubectl", ["--kubeconfig", config, "--cache-dir", join(folder, "cache"), "get",
    "endpointslices", "-w", "-o", "jsonpath={.metadata.name} {.ports[0].port}{\"\\n\"}"],
    { env: { ...process.env, PATH: path }, stdio: ["ignore", "pipe", "inherit"] });
  things.defer(async () => {
    if (watching.exitCode !== null || watching.signalCode !== null) return;
    const exit = once(watching, "exit");
    watching.kill("SIGKILL");
    await exit;
  });
  watching.stdout.on("data", (bytes: Buffer) => void (watched += bytes.toString()));
  await until("kubectl watches", () => watched.includes("cities-1 7001"));

  write("10.0.0.2", 7002);
  assert.match(await kubectl("apply", "--validate=false", "-f", "slice.yaml"), /cities-1 configured/);
  await heard.told("10.0.0.2:7002");
  await until("kubectl sees the change", () => watched.includes("cities-1 7002"));
  const { items } = JSON.parse(await kubectl("get", "endpointslices", "-o", "json")) as
    { items: { metadata: { name: string; namespace: string } }[] };
  assert.deepEqual(items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`), ["shop/cities-1"]);

  await kubectl("label", "endpointslice", "cities-1", "meridian-rpc/weight=5");
  await until("the label counts", () => heard.endpoint("10.0.0.2:7002")?.weight === 5);
  assert.match(await kubectl("delete", "endpointslice", "cities-1"), /deleted/);
  await heard.told();
  assert.deepEqual(heard.failures, []);
});
