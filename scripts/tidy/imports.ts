// The import table: which folder of src may import which, and that value imports form no cycle.
import { posix } from "node:path";
import { type Finding, type Import, importsOf, isProduct, type SourceFile } from "./source.ts";

const policies = ["balance", "region", "health", "resilience", "overload", "replay", "cache"];
const below = [
  "core", "contract", "wire", "http", "codec", "protocol", "discovery", "telemetry", "security",
  ...policies,
];

/** Folder → the folders it may import besides itself. docs/ARCHITECTURE.md says why. */
export const table: Readonly<Record<string, readonly string[] | "anything">> = {
  core: [],
  // A Coder writes into a Writer; an interface between them would only rename it.
  contract: ["core", "wire"],
  wire: ["core"],
  http: ["core", "wire"],
  codec: ["core", "contract", "wire"],
  protocol: ["core", "contract", "wire", "http"],
  ...Object.fromEntries(policies.map((name) => [name, ["core"]])),
  // They keep values, as the bytes or the text that codecs make of them.
  replay: ["core", "contract", "wire", "codec", "resilience"],
  cache: ["core", "contract", "wire", "codec", "resilience"],
  discovery: ["core", "wire"],
  // Drivers of engines, a folder each: they speak to servers of others, by HTTP and by gRPC.
  "discovery/*": ["core", "wire", "http", "discovery", "contract", "codec", "protocol", "resilience", "client",
    "leadership"],
  telemetry: ["core"],
  client: below,
  server: below,
  gateway: [...below, "client", "server"],
  // A service of Meridian's own, made of clients and servers; nothing below them may depend on it.
  registry: [...below, "client", "server", "gateway"],
  // Who calls, and what it may: data and pure decisions; servers and gateways take them in.
  security: ["core", "contract", "wire", "http", "discovery"],
  // What operators see and change, and the file that they write: over everything that they speak of.
  admin: [...below, "client", "server", "gateway", "registry"],
  config: [...below, "discovery/*", "admin", "client", "server", "gateway", "registry"],
  // Calls over many servers are made of clients; who leads is decided in an engine.
  distributed: [...below, "client", "server"],
  leadership: [...below, "client", "server"],
  // Worlds to rehearse in: the same parts on a simulated runtime.
  sim: [...below, "distributed", "leadership", "client", "server", "gateway", "registry", "runtime/sim", "testing"],
  // `node:http2` stands behind the same interface as our own HTTP.
  "runtime/node": ["core", "wire", "http"],
  "runtime/web": ["core", "wire", "http"],
  // The client of browsers: a front door over one runtime, as the package's own are over Node's.
  web: [...below, "client", "runtime/web"],
  "runtime/sim": ["core", "wire"],
  testing: ["core", "contract", "wire", "http", "leadership", "replay", "cache", "runtime/sim"],
  cli: "anything",
  // The web page knows the framework only through the admin API.
  dashboard: ["core", "contract", "admin", "web"],
};

/** The package's own front doors fill in the default runtime; nothing else names it. */
const defaultRuntimeDoors = new Set([
  "src/index.ts",
  "src/client/index.ts",
  "src/server/index.ts",
  "src/gateway/index.ts",
  "src/config/index.ts",
  "src/registry/index.ts",
  "src/leadership/index.ts",
  "src/admin/index.ts",
  "src/security/index.ts",
  ...["consul", "dns", "etcd", "kubernetes", "redis", "zookeeper"].map((name) => `src/discovery/${name}/index.ts`),
]);
const mayUseNode = new Set(["runtime/node", "cli"]);
const noPackages = new Set(["core", "wire"]);

/** "src/runtime/node/clock.ts" → "runtime/node"; "src/index.ts" → ""; "src/discovery/etcd/watch.ts" → "discovery/*". */
export function folderOf(path: string): string {
  const parts = path.split("/").slice(1, -1);
  if (parts[0] === "discovery" && parts.length > 1) return "discovery/*";
  return parts[0] === "runtime" ? parts.slice(0, 2).join("/") : (parts[0] ?? "");
}

export function checkImports(files: readonly SourceFile[], packages: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  const graph = new Map<string, string[]>();
  for (const { path, text } of files) {
    if (!isProduct(path)) continue;
    const targets: string[] = [];
    for (const entry of importsOf(text)) {
      const message = entry.specifier.startsWith(".")
        ? relativeImport(path, entry)
        : packageImport(path, entry, packages);
      if (message !== undefined) findings.push({ path, line: entry.line, message });
      if (entry.specifier.startsWith(".") && !entry.typeOnly && !entry.dynamic) {
        targets.push(resolve(path, entry));
      }
    }
    graph.set(path, targets);
  }
  return [...findings, ...cycles(graph)];
}

function resolve(path: string, entry: Import): string {
  return posix.join(posix.dirname(path), entry.specifier);
}

function relativeImport(path: string, entry: Import): string | undefined {
  const target = resolve(path, entry);
  if (!target.startsWith("src/")) return `src imports nothing outside src, but ${entry.specifier}`;
  if (target.endsWith(".test.ts")) return `imports a test: ${entry.specifier}`;
  const [from, to] = [folderOf(path), folderOf(target)];
  if (from === "protocol" && to === "protocol") return siblingProtocol(path, target);
  if (from === "discovery/*" && to === from) return siblingEngine(path, target);
  if (from === to || to === "core") return undefined;
  if (to === "runtime/node" && defaultRuntimeDoors.has(path)) return undefined;
  if (from === "") {
    const unfit = ["cli", "dashboard", "testing", "runtime/sim", "sim"].includes(to);
    return unfit ? `the package entry may not import ${to}` : undefined;
  }
  const allowed = table[from];
  if (allowed === undefined) return `${from} is not in the import table (scripts/tidy/imports.ts)`;
  if (allowed === "anything" || allowed.includes(to)) return undefined;
  return `${from} may import ${["core", ...allowed.filter((f) => f !== "core")].join(", ")}; not ${to}`;
}

/** Protocols are copies of one shape; what two of them share lies in src/protocol itself. */
function siblingProtocol(path: string, target: string): string | undefined {
  const [from, to] = [path.split("/"), target.split("/")];
  if (from.length < 4 || to.length < 4 || from[2] === to[2]) return undefined;
  return `protocol ${from[2]} may not import its sibling ${to[2]}`;
}

/** Engines are known by one shape, of which each knows no other. */
function siblingEngine(path: string, target: string): string | undefined {
  const [from, to] = [path.split("/")[2], target.split("/")[2]];
  return from === to ? undefined : `the engine ${from} may not import its sibling ${to}`;
}

function packageImport(path: string, entry: Import, packages: readonly string[]): string | undefined {
  const folder = folderOf(path);
  if (entry.specifier.startsWith("node:")) {
    return mayUseNode.has(folder) ? undefined : `${entry.specifier} outside src/runtime/node and src/cli`;
  }
  if (noPackages.has(folder)) return `${folder} depends on no package, but imports ${entry.specifier}`;
  const depth = entry.specifier.startsWith("@") ? 2 : 1;
  const name = entry.specifier.split("/").slice(0, depth).join("/");
  if (packages.includes(name)) return undefined;
  return `package ${name} is neither a dependency nor a peer dependency`;
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): Finding[] {
  const findings: Finding[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string) => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      const message = `import cycle: ${[...trail.slice(start), path].join(" → ")}`;
      findings.push({ path, line: 0, message });
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return findings;
}
