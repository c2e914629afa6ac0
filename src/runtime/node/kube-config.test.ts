// Kubeconfig files as people have them, and what is wrong with some.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { RpcError } from "../../core/error.ts";
import { readKubeconfig } from "./kube-config-file.ts";
import { inCluster, kubeconfig } from "./kube-config.ts";

const choice = { context: undefined, allowInsecure: false };

interface Parts {
  readonly cluster?: string;
  readonly user?: string;
  readonly context?: string;
}

function config(parts: Parts = {}): string {
  const { cluster = "server: https://10.0.0.1:6443", user = "token: secret", context = "" } = parts;
  return `current-context: dev
contexts: [{ name: dev, context: { cluster: one, user: me${context} } }]
clusters: [{ name: one, cluster: { ${cluster} } }]
users: [{ name: me, user: { ${user} } }]
`;
}

const read = (parts: Parts, more = {}) =>
  readKubeconfig([{ path: "/home/me/.kube/config", text: config(parts) }], { ...choice, ...more });

/** The refusal of a file, which may say anything but the secret. */
function refusalOf(text: string, more = {}): string {
  try {
    readKubeconfig([{ path: "/k", text }], { ...choice, ...more });
  } catch (error) {
    assert.ok(RpcError.is(error) && error.code === "invalid_argument", String(error));
    assert.ok(!error.message.includes("secret"), error.message);
    return error.message;
  }
  return assert.fail("it was taken");
}

test("server, namespace and user of the current context", () => {
  const { address, basePath, isSecured, namespace, token, verify } = read({ context: ", namespace: shop" });
  assert.deepEqual([address, basePath, isSecured, namespace, token, verify],
    ["10.0.0.1:6443", "", true, "shop", "secret", true]);
  assert.equal(read({ cluster: "server: https://k8s.example" }).address, "k8s.example:443");
  assert.equal(read({ cluster: "server: 'https://[fd00::1]:6443/k8s/clusters/c-1/'" }).basePath, "/k8s/clusters/c-1");
  assert.equal(read({ cluster: "server: 'https://[fd00::1]:6443'" }).address, "[fd00::1]:6443");
  assert.equal(read({}).namespace, "default");
  assert.deepEqual(read({ user: "tokenFile: t" }).tokenFile, "/home/me/.kube/t");
  assert.deepEqual(read({ cluster: "server: https://a, certificate-authority: ../ca.crt" }).ca,
    { file: "/home/me/ca.crt" });
});

test("several files are one: what the first names counts, what it lacks the next may have", () => {
  const first = { path: "/a", text: config() };
  const second = { path: "/b", text: `current-context: prod
contexts: [{ name: prod, context: { cluster: two, user: me } }]
clusters: [{ name: one, cluster: { server: https://10.0.0.2 } }, { name: two, cluster: { server: https://10.0.0.3 } }]
` };
  assert.equal(readKubeconfig([first, second], choice).address, "10.0.0.1:6443");
  const { address, token } = readKubeconfig([first, second], { ...choice, context: "prod" });
  assert.deepEqual([address, token], ["10.0.0.3:443", "secret"]);
  assert.throws(() => readKubeconfig([second], choice), /\/b: there is no user "me"; there are none/);
});

test("what cannot be used is refused by file and entry, with what to do, and without the secret", () => {
  for (const [parts, pattern] of [
    [{ user: "exec: { command: aws }, token: secret" }, /the user "me" runs a program.*kubectl proxy/],
    [{ user: "auth-provider: { name: gcp }" }, /asks for an auth-provider/],
    [{ user: "username: me, password: secret" }, /user name and a password/],
    [{ user: "as: root, token: secret" }, /acts as somebody else/],
    [{ user: "client-certificate: x" }, /client-certificate without client-key/],
    [{ user: "client-certificate-data: c2VjcmV0, client-key-data: c2VjcmV0" }, /client-certificate-data is no PEM/],
    [{ user: "token: 12345" }, /the user "me": token is no text/],
    [{ cluster: "server: https://a, insecure-skip-tls-verify: true" }, /the cluster "one" asks to trust any/],
    [{ cluster: "server: https://a, proxy-url: http://p" }, /proxy-url/],
    [{ cluster: "server: http://10.0.0.1" }, /anybody on the way would read the token/],
    [{ cluster: "server: nonsense" }, /is no address such as https/],
    [{ cluster: "server: ftp://a" }, /is no address such as https/],
    [{ cluster: "" }, /the cluster "one" has no server/],
  ] as const) assert.match(refusalOf(config(parts)), pattern);
  assert.match(refusalOf("contexts: []"), /names no current-context/);
  assert.match(refusalOf("token: [secret"), /^\/k:1: it is no YAML/);
  assert.match(refusalOf("- secret"), /^\/k: expected a mapping/);
  assert.match(refusalOf("current-context: x\ncontexts: secret"), /contexts: expected a list/);
  assert.match(refusalOf(config(), { context: "prod" }), /no context "prod"; there are dev/);
  assert.equal(read({ cluster: "server: 'http://127.0.0.1:8001'" }).isSecured, false, "kubectl proxy");
  assert.equal(read({ cluster: "server: http://10.0.0.1" }, { allowInsecure: true }).address, "10.0.0.1:80");
  assert.equal(read({ cluster: "server: https://a, insecure-skip-tls-verify: true" }, { allowInsecure: true }).verify,
    false);
});

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-kube-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("files are read again once they changed, and those that are not there are told", async () => {
  const path = join(folder, "config");
  const credentials = kubeconfig({ path });
  await assert.rejects(credentials.read(), /there is no kubeconfig .*config: say where it is/);
  writeFileSync(path, config());
  const first = await credentials.read();
  assert.equal(first.authorization, "Bearer secret");
  assert.equal((await credentials.read()).security, first.security);
  writeFileSync(path, config({ user: "token: renewed" }));
  const second = await credentials.read();
  assert.equal(second.authorization, "Bearer renewed");
  assert.match(credentials.source, /^the kubeconfig .*config$/);
});

test("a pod's account needs an address, a token and a namespace", async () => {
  await assert.rejects(inCluster({ folder, host: "" }).read(), /KUBERNETES_SERVICE_HOST .* use kubeconfig\(\)/);
  await assert.rejects(inCluster({ folder, host: "10.0.0.1" }).read(), /token is not there; a pod has it unless/);
  writeFileSync(join(folder, "token"), "");
  await assert.rejects(inCluster({ folder, host: "10.0.0.1" }).read(), /token file .* is empty/);
  writeFileSync(join(folder, "token"), "secret\r\nx-forged: 1");
  await assert.rejects(inCluster({ folder, host: "10.0.0.1" }).read(), /holds something else than a token$/);
});
