import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runtimeCases } from "../../testing/runtime.ts";
import { createNodeRuntime, nodeRuntime } from "./index.ts";

for (const { name, run } of runtimeCases(() => ({
  server: nodeRuntime,
  client: nodeRuntime,
  listenAddress: () => "127.0.0.1:0",
  drive: (body) => body(),
}))) {
  test(`tcp: ${name}`, run);
}

for (const { name, run } of runtimeCases(() => {
  const runtime = createNodeRuntime();
  const directory = mkdtempSync(join(tmpdir(), "meridian-"));
  let sockets = 0;
  return {
    server: runtime,
    client: runtime,
    listenAddress: () => `unix:${directory}/${++sockets}.sock`,
    drive: (body) => body(),
    async close() {
      rmSync(directory, { recursive: true });
    },
  };
})) {
  if (!/^(clock|alarm|after|defer|random|datagram)/.test(name)) test(`unix: ${name}`, run);
}
