/** The embedded registry as an engine: held in a process of its own, so that it can be killed and stalled. */
import { fileURLToPath } from "node:url";
import type { EngineDiscovery } from "../../src/discovery/engine.ts";
import { registry as connectTo } from "../../src/registry/index.ts";
import { startEngine } from "./engine-process.ts";
import type { EngineUnderTest } from "./harness.ts";
import { accepts } from "../peers/programs.ts";

const host = fileURLToPath(new URL("registry-process.ts", import.meta.url));

export const embeddedRegistry: EngineUnderTest = {
  name: "embedded registry",
  missing: undefined,
  start: () => startEngine({
    name: "registry",
    command: (port) => [process.execPath, host, String(port)],
    answers: accepts,
  }),
  discovery: ({ address }, options = {}): EngineDiscovery => connectTo({ address, ...options }),
};
