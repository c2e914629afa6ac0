// The driver over the real kube-apiserver: that the emulator's answers are not only ours.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Discovery } from "../../src/core/discovery.ts";
import { type EndpointAddress, endpointAddress, type EndpointFields } from "../../src/core/endpoint.ts";
import { kubernetesDiscovery } from "../../src/discovery/kubernetes/index.ts";
import { kubeconfig } from "../../src/runtime/node/index.ts";
import { discoveryCases, type ServiceFields } from "../../src/testing/discovery.ts";
import { lacking } from "../peers/programs.ts";
import { slicesOf } from "./kubernetes.ts";
import { type ApiServer, startApiServer } from "./kubernetes-apiserver.ts";
import { hear } from "./kubernetes-heard.ts";

const skip = lacking("kube-apiserver", "etcd", "openssl");
let server: ApiServer;
before(async () => {
  if (skip === false) server = await startApiServer();
}, { timeout: 120_000 });
after(() => server?.stop());

/** Kubernetes takes no slices of loopback addresses. */
const outside = (text: string): string => text.replace(/^127\./, "11.").replace("[::1]", "[fd00::1]");
const inside = (text: string): string => text.replace(/^11\./, "127.").replace("[fd00::1]", "[::1]");

function translated(discovery: Discovery): Discovery {
  const back = (one: EndpointAddress): EndpointAddress =>
    endpointAddress({ ...one, address: inside(one.address), id: inside(one.id) });
  return {
    watch: (name, watcher) => discovery.watch(name, {
      snapshot: (endpoints) => watcher.snapshot(endpoints.map(back)),
      failed: (error) => watcher.failed?.(error),
    }),
  };
}

type Slice = { metadata: { name: string } };

async function enter(namespace: string, services: ServiceFields): Promise<void> {
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const wanted = Object.entries(services).flatMap(([name, fields]) => slicesOf(name,
    fields.map((one: EndpointFields) => ({ ...one, address: outside(one.address) })))) as unknown as Slice[];
  const { body } = await server.ask("GET", path);
  const present = (body["items"] as Slice[]).map(({ metadata }) => metadata.name);
  for (const slice of wanted) {
    const { name } = slice.metadata;
    const object = { ...slice, metadata: { ...slice.metadata, namespace } };
    const { status, body: answer } = present.includes(name) ? await server.ask("PUT", `${path}/${name}`, object)
      : await server.ask("POST", path, object);
    assert.ok(status === 200 || status === 201, JSON.stringify(answer));
  }
  for (const name of present) {
    if (!wanted.some(({ metadata }) => metadata.name === name)) await server.ask("DELETE", `${path}/${name}`);
  }
}

let count = 0;
async function freshNamespace(): Promise<string> {
  const name = `case-${++count}`;
  await server.ask("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  return name;
}

for (const { name, run } of discoveryCases(async (services) => {
  const namespace = await freshNamespace();
  await enter(namespace, services);
  const discovery = kubernetesDiscovery({
    credentials: kubeconfig({ path: server.config }), namespace, retryMaxMs: 100, pageSlices: 4,
  });
  let isBroken = false;
  return {
    discovery: translated(discovery),
    async set(all) {
      if (isBroken) await server.restart();
      isBroken = false;
      await enter(namespace, all);
    },
    async breakSource() {
      isBroken = true;
      await server.kill();
    },
    close: () => discovery.close(),
  };
}, { changes: true, failures: true })) {
  test(`kube-apiserver: ${name}`, { timeout: 180_000, skip }, run);
}

test("kube-apiserver: a stall is noticed, a watch's end is passed over, a refusal says what to allow", {
  timeout: 180_000, skip,
}, async () => {
  const namespace = await freshNamespace();
  const put = (...addresses: string[]) => enter(namespace, { cities: addresses.map((address) => ({ address })) });
  await put("10.0.0.1:7001");
  await using things = new AsyncDisposableStack();
  const heard = hear(server, `cities.${namespace}`, {
    credentials: kubeconfig({ path: server.config }), watchMs: 1_000,
  });
  things.defer(() => heard.close());
  await heard.told("10.0.0.1:7001");
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  await put("10.0.0.1:7001", "10.0.0.2:7001");
  await heard.told("10.0.0.1:7001", "10.0.0.2:7001");
  assert.deepEqual(heard.failures, []);
  server.stall();
  await heard.failed(/no longer answers/);
  server.resume();
  await put("10.0.0.2:7001");
  await heard.told("10.0.0.2:7001");

  const nobody = hear(server, `cities.${namespace}`, {
    credentials: kubeconfig({ path: server.config, context: "nobody" }),
  });
  things.defer(() => nobody.close());
  const message = await nobody.failed(/forbids "list" of endpointslices in the namespace/);
  assert.match(message, new RegExp(`kubectl create role meridian-discovery -n ${namespace} .*--user=nobody$`));
});
