// What deploy/ holds is taken by those it is written for: Kubernetes' own API server, systemd, and our configuration.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { type ApiServer, startApiServer } from "../engines/kubernetes-apiserver.ts";
import { lacking, outputOf } from "../peers/programs.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const deploy = join(root, "deploy");
const regions = readdirSync(join(deploy, "kubernetes/regions"));

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template: { readonly metadata: object; readonly spec: PodSpec };
  };
}

interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly [{ readonly env: readonly { readonly name: string; readonly value?: string }[] }];
}

async function built(region: string): Promise<readonly Manifest[]> {
  const text = await outputOf("kubectl", ["kustomize", join(deploy, "kubernetes/regions", region)]);
  return parseAllDocuments(text).map((one) => one.toJS() as Manifest);
}

function found(manifests: readonly Manifest[], kind: string): Manifest {
  const one = manifests.find((manifest) => manifest.kind === kind);
  assert.ok(one !== undefined, `there is a ${kind}`);
  return one;
}

/** Whether `meridian check config` takes it, as a gateway in a pod whose node tells no zone reads it. */
async function checked(text: string, region: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "meridian-deploy-"));
  try {
    writeFileSync(join(folder, "meridian.yaml"), text);
    const { stdout } = await promisify(execFile)(process.execPath,
      [join(root, "src/cli/meridian.ts"), "check", "config", join(folder, "meridian.yaml")],
      { env: { ...process.env, MERIDIAN_REGION: region, MERIDIAN_ZONE: "" } });
    assert.match(stdout, /is right: 0 servers, 1 gateway/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("deploy/kubernetes", { skip: lacking("kubectl") }, () => {
  for (const region of regions) {
    it(`builds ${region}: its name, its configuration, and time to drain`, async () => {
      const manifests = await built(region);
      const { template } = found(manifests, "Deployment").spec as NonNullable<Manifest["spec"]>;
      const [container] = template.spec.containers;
      assert.equal(container.env.find(({ name }) => name === "MERIDIAN_REGION")?.value, region);
      assert.equal(found(manifests, "Service").metadata.labels?.["meridian-rpc/region"], region);
      const text = found(manifests, "ConfigMap").data?.["meridian.yaml"] ?? "";
      await checked(text, region);
      const said = (key: string): number => Number(new RegExp(`${key}: (\\d+)`).exec(text)?.[1]);
      assert.ok(template.spec.terminationGracePeriodSeconds * 1_000 > said("drainDelayMs") + said("graceMs"));
    });
  }

  it("is taken by Kubernetes' own API server, its pods under the strictest of its standards", {
    skip: lacking("kube-apiserver", "etcd", "openssl"), timeout: 180_000,
  }, async () => {
    const server: ApiServer = await startApiServer();
    const folder = mkdtempSync(join(tmpdir(), "meridian-deploy-"));
    try {
      const kubectl = (...args: string[]): Promise<string> => outputOf("kubectl",
        ["--kubeconfig", server.config, "--cache-dir", join(folder, "cache"), ...args], { timeoutMs: 60_000 });
      for (const region of regions) {
        const said = await kubectl("apply", "-k", join(deploy, "kubernetes/regions", region));
        assert.match(said, /deployment\.apps\/meridian-gateway (?:created|configured)/);
        const { template } = found(await built(region), "Deployment").spec as NonNullable<Manifest["spec"]>;
        const pod = { apiVersion: "v1", kind: "Pod", ...template, metadata: { ...template.metadata, name: region } };
        const made = await server.ask("POST", "/api/v1/namespaces/meridian/pods", pod);
        assert.equal(made.status, 201, JSON.stringify(made.body));
      }
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("deploy/systemd", { skip: lacking("systemd-analyze") }, () => {
  for (const unit of readdirSync(join(deploy, "systemd"))) {
    it(`${unit} has no fault`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "meridian-deploy-"));
      try {
        const path = join(folder, unit.replace("@", "@calculator"));
        copyFileSync(join(deploy, "systemd", unit), path);
        // Where Node is, is the machine's affair.
        const text = readFileSync(path, "utf8").replace("ExecStart=/usr/bin/node", `ExecStart=${process.execPath}`);
        writeFileSync(path, text);
        await outputOf("systemd-analyze", ["verify", path]);
        assert.match(text, /^KillSignal=SIGTERM$/m);
        assert.match(text, /^DynamicUser=yes$/m);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});

describe("deploy/docker", () => {
  it("runs the package's own program as nobody in particular", () => {
    const { bin, files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      readonly bin: { readonly meridian: string }; readonly files: readonly string[];
    };
    const text = readFileSync(join(deploy, "docker/Dockerfile"), "utf8");
    const [, program] = /^ENTRYPOINT \["node", "node_modules\/meridian-rpc\/(.*)"\]$/m.exec(text) ?? [];
    assert.equal(`./${program}`, bin.meridian);
    assert.match(text, /^USER 1000:1000$/m);
    assert.ok(files.includes("deploy"), "the package brings what the page on deployment names");
  });
});
