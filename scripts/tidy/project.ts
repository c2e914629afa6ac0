// Rules on the project as a whole: exports, changelog, lockfile, and nothing of the machine it was made on.
import type { Finding, SourceFile } from "./source.ts";

/** The package's public doors. Each has its own index.ts, and an exports entry as soon as that exists. */
export const publicSubpaths: readonly string[] = [
  ".", "./core", "./contract", "./server", "./client", "./gateway", "./codec",
  "./balance", "./region", "./health", "./resilience", "./overload", "./replay", "./cache",
  "./distributed", "./leadership", "./sim", "./discovery", "./registry", "./telemetry",
  "./admin", "./config", "./security",
  "./contract/proto", "./contract/avro", "./contract/thrift", "./contract/openapi", "./contract/compare",
  "./http", "./protocol", "./web",
  "./telemetry/otel", "./runtime/node", "./runtime/sim", "./runtime/web", "./testing",
  ...["consul", "dns", "etcd", "kubernetes", "redis", "zookeeper"].map((engine) => `./discovery/${engine}`),
];

/** "./runtime/node" → "src/runtime/node/index.ts". */
export function sourceOf(subpath: string): string {
  return subpath === "." ? "src/index.ts" : `src/${subpath.slice(2)}/index.ts`;
}

export function exportEntry(subpath: string): { types: string; default: string } {
  const built = sourceOf(subpath).replace(/^src\//, "./dist/").replace(/\.ts$/, "");
  return { types: `${built}.d.ts`, default: `${built}.js` };
}

export function checkExports(packageJson: string, paths: ReadonlySet<string>): Finding[] {
  const path = "package.json";
  const map = (JSON.parse(packageJson) as { exports?: Record<string, unknown> }).exports ?? {};
  const found: Finding[] = [];
  const say = (message: string) => found.push({ path, line: 0, message });
  for (const [subpath, target] of Object.entries(map)) {
    if (subpath === "./package.json") continue;
    const source = sourceOf(subpath);
    if (!paths.has(source)) say(`exports ${subpath}, but ${source} does not exist`);
    else if (JSON.stringify(target) !== JSON.stringify(exportEntry(subpath))) {
      say(`exports ${subpath} must be ${JSON.stringify(exportEntry(subpath))}`);
    }
  }
  for (const subpath of publicSubpaths) {
    if (subpath in map || !paths.has(sourceOf(subpath))) continue;
    say(`${sourceOf(subpath)} exists, but exports has no ${subpath}; npm run tidy -- --fix adds it`);
  }
  return found;
}

/** package.json with every public subpath whose source exists in its exports, and no other. */
export function withExports(packageJson: string, paths: ReadonlySet<string>): string {
  const parsed = JSON.parse(packageJson) as Record<string, unknown>;
  const entries = publicSubpaths
    .filter((subpath) => paths.has(sourceOf(subpath)))
    .map((subpath): [string, unknown] => [subpath, exportEntry(subpath)]);
  parsed["exports"] = Object.fromEntries([...entries, ["./package.json", "./package.json"]]);
  return `${JSON.stringify(parsed, null, 2)}\n`;
}

const kinds = new Set(["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]);

export function checkChangelog({ path, text }: SourceFile): Finding[] {
  const found: Finding[] = [];
  const lines = text.split("\n");
  const say = (line: number, message: string) => found.push({ path, line, message });
  if (lines[0] !== "# Changelog") say(1, "begin with `# Changelog`");
  const versions = lines.flatMap((line, i) => (line.startsWith("## ") ? [{ line, at: i + 1 }] : []));
  if (versions[0]?.line !== "## [Unreleased]") say(versions[0]?.at ?? 0, "`## [Unreleased]` stands on top");
  for (const { line, at } of versions.slice(1)) {
    if (/^## \[\d+\.\d+\.\d+(?:-[\w.]+)?\] - \d{4}-\d{2}-\d{2}$/.test(line)) continue;
    say(at, "a version reads `## [1.2.3] - 2030-12-31`");
  }
  for (const [i, line] of lines.entries()) {
    if (!line.startsWith("### ") || kinds.has(line.slice(4))) continue;
    say(i + 1, `a kind of change is one of ${[...kinds].join(", ")}`);
  }
  return found;
}

export function checkLockfile({ path, text }: SourceFile): Finding[] {
  const at = text.split("\n").findIndex((line) => line.includes('"resolved"'));
  if (at === -1) return [];
  const message = "no download addresses: keep omit-lockfile-registry-resolved in .npmrc";
  return [{ path, line: at + 1, message }];
}

const machinePath = /(?:^|[^A-Za-z0-9_.$}])\/(?:work|root)\//;

export function checkMachinePaths({ path, text }: SourceFile): Finding[] {
  return text.split("\n").flatMap((line, i) =>
    machinePath.test(line) ? [{ path, line: i + 1, message: "a path of one machine" }] : [],
  );
}
