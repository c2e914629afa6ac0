/**
 * Builds the real kube-apiserver, which no package of Debian's has, into Go's own folder of programs:
 *
 *     node test/engines/kubernetes-apiserver-build.ts
 *
 * Its module replaces its own parts by folders of its repository, which `go install` does not take; here they are
 * replaced by the published ones of the same version. Takes about four minutes of two cores and 2.4 GB of modules.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { path } from "../peers/programs.ts";

const version = "1.34.4";
const env = { ...process.env, PATH: path, GOFLAGS: "-mod=mod" };
const folder = mkdtempSync(join(tmpdir(), "meridian-kube-apiserver-"));
const go = (...args: string[]): string =>
  execFileSync("go", args, { cwd: folder, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();

const programs = join(go("env", "GOPATH"), "bin");
const target = join(programs, "kube-apiserver");
try {
  if (!existsSync(target)) build();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function build(): void {
  writeFileSync(join(folder, "go.mod"), "module meridian.example/kube-apiserver\n\ngo 1.24\n");
  const { GoMod } = JSON.parse(go("mod", "download", "-json", `k8s.io/kubernetes@v${version}`)) as { GoMod: string };
  const published = readFileSync(GoMod, "utf8")
    .replace(/^module .*$/m, "module meridian.example/kube-apiserver")
    .replace(/^(\s*k8s\.io\/[a-z-]+ =>) \.\/staging\/src\/(k8s\.io\/[a-z-]+)$/gm, `$1 $2 v0.${version.slice(2)}`);
  writeFileSync(join(folder, "go.mod"), `${published}\nrequire k8s.io/kubernetes v${version}\n`);
  const name = "k8s.io/component-base/version";
  const [major, minor] = version.split(".");
  go("build", "-trimpath", "-ldflags",
    `-s -w -X ${name}.gitVersion=v${version} -X ${name}.gitMajor=${major} -X ${name}.gitMinor=${minor}`,
    "-o", "kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver");
  mkdirSync(programs, { recursive: true });
  copyFileSync(join(folder, "kube-apiserver"), target);
}
