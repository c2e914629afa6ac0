import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createFileSource } from "../runtime/node/file-source.ts";
import { discoveryCases } from "../testing/discovery.ts";
import { RpcError } from "../core/error.ts";
import { fileDiscovery, memoryDiscovery, staticDiscovery } from "./index.ts";

const timeout = 20_000;

for (const { name, run } of discoveryCases((services) => ({ discovery: staticDiscovery(services) }))) {
  test(`static ${name}`, { timeout }, run);
}

for (const { name, run } of discoveryCases((services) => {
  const discovery = memoryDiscovery();
  const set = (all: typeof services) => {
    for (const [service, endpoints] of Object.entries(all)) discovery.set(service, endpoints);
  };
  set(services);
  const breakSource = () => discovery.fail("geo.v1.Cities", new RpcError("unavailable", "broken"));
  return { discovery, registrar: discovery, set, breakSource };
}, { changes: true, failures: true, registrar: true })) {
  test(`memory ${name}`, { timeout }, run);
}

for (const { name, run } of discoveryCases((services) => {
  const directory = mkdtempSync(join(tmpdir(), "meridian-"));
  const path = join(directory, "services.json");
  const set = (all: typeof services) => writeFileSync(path, JSON.stringify({ services: all }));
  set(services);
  // Watching a file keeps no process alive, so the test must.
  const alive = setInterval(() => {}, 1000);
  return {
    discovery: fileDiscovery(createFileSource(path, { settleMs: 10 })),
    set,
    breakSource: () => writeFileSync(path, "services: ["),
    close() {
      clearInterval(alive);
      rmSync(directory, { recursive: true });
    },
  };
}, { changes: true, failures: true })) {
  test(`file ${name}`, { timeout }, run);
}
