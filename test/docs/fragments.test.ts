// What documents show in fragments compiles as strictly as ours, with README's contract and what they take for granted.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { after, test } from "node:test";
import { readSnippets, root, runnable } from "./snippets.ts";

const documents = [
  "docs/simulator.md", "docs/avro.md", "docs/thrift.md", "docs/websocket.md", "docs/json-rpc.md",
  "docs/udp.md", "docs/telemetry.md", "docs/security.md", "docs/zeromq.md", "docs/mounting.md",
  "docs/http.md", "docs/overload.md", "docs/idempotency.md", "docs/caching.md", "docs/discovery.md",
  "docs/discovery-views.md", "docs/failure-detection.md", "docs/resilience.md",
  "docs/admin.md",
  "docs/check.md", "docs/configuration.md", "docs/thrift-idl.md", "docs/leadership.md", "docs/distributed-calls.md",
  ...["consul", "dns", "redis"].map((engine) => `docs/discovery-${engine}.md`),
];

/** Where names come from that a fragment uses and does not import. */
const known: ReadonlyMap<string, string> = new Map([
  ...["connect", "createClient", "createServer", "grpc", "grpcWeb", "native", "tls", "udp"].map((name) =>
    [name, `import { ${name} } from "meridian-rpc";`] as const),
  ...["consul", "dns", "etcd", "kubernetes", "redis", "zookeeper"].map((engine) =>
    [`${engine}Discovery`, `import { ${engine}Discovery } from "meridian-rpc/discovery/${engine}";`] as const),
  ...["createRegistry", "RegistryContract"].map((name) =>
    [name, `import { ${name} } from "meridian-rpc/registry";`] as const),
  ["nodeRuntime", 'import { nodeRuntime } from "meridian-rpc/runtime/node";'],
  ["gateway", 'declare const gateway: import("meridian-rpc").Gateway;'],
  ["Cities", 'import { Calculator as Cities } from "./contract.ts";'],
  ["Calculator", 'import { Calculator } from "./contract.ts";'],
  ["handlers", 'declare const handlers: import("meridian-rpc").Handlers<typeof import("./contract.ts").Calculator>;'],
  ["discovery", 'declare const discovery: import("meridian-rpc").Discovery;'],
  ["address", "declare const address: string;"],
]);

function complete(fragment: string): string {
  const code = fragment.replaceAll(/"[^"\n]*"/g, '""');
  const imported = [...code.matchAll(/^import \{([^}]*)\}/gm)].map(([, names]) => names).join();
  const lacking = [...known].filter(([name]) =>
    new RegExp(`\\b${name}\\b(?!:)`).test(code) && !new RegExp(`\\b${name}\\b`).test(imported) &&
    !new RegExp(`^const (?:\\{[^}]*)?\\b${name}\\b`, "m").test(code));
  return [...lacking.map(([, line]) => line), fragment, "export {};\n"].join("\n");
}

mkdirSync(join(root, "test/.tmp"), { recursive: true });
const directory = mkdtempSync(join(root, "test/.tmp", "fragments-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test("fragments of documents pass the strictest compiler", async () => {
  const files = new Map([["contract.ts", readSnippets("README.md").files.get("contract.ts") ?? ""]]);
  for (const document of documents) {
    const fragments = [...readFileSync(join(root, document), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)];
    assert.ok(fragments.length > 0, `${document} has no fragment`);
    fragments.forEach(([, body = ""], i) => files.set(`${basename(document, ".md")}-${i + 1}.ts`, complete(body)));
  }
  const { files: translated } = await runnable({ document: "", files, outputs: new Map() });
  for (const [name, text] of translated) writeFileSync(join(directory, name), text);
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({
    extends: relative(directory, join(root, "tsconfig.json")), include: ["*.ts"], exclude: [],
  }));
  const { stdout, error } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", directory], { encoding: "utf8" });
  assert.equal(error, undefined);
  // What is wrong with the sources themselves is told by the stage that checks those.
  assert.deepEqual(stdout.split("\n").filter((line) => line !== "" && !line.startsWith("src/")), []);
});
