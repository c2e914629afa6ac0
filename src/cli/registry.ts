/** `meridian registry`: Meridian's own registry, for one machine. */
import { Command } from "commander";
import { findConfig, loadConfig, registryPort } from "../config/index.ts";
import { hostRegistry } from "../registry/index.ts";
import { eventLog, sayer } from "./log.ts";
import { wholeNumber } from "./numbers.ts";
import { heed, untilStopped } from "./running.ts";

interface Flags {
  readonly config?: string;
  readonly host?: string;
  readonly port?: number;
  readonly json?: boolean;
}

export function registryCommand(): Command {
  return new Command("registry")
    .description("Run Meridian's own registry: who serves what on this machine. Several machines take an engine.")
    .option("--config <file>", "a configuration, whose section `registry` counts; default: none")
    .option("--host <host>", "default 127.0.0.1, or what the file says")
    .option("--port <port>", `default ${registryPort}, or what the file says`, wholeNumber(0, 65_535))
    .option("--json", "one JSON object a line")
    .action(async (flags: Flags) => {
      const say = sayer(flags.json === true);
      const heeding = heed();
      const path = flags.config === undefined ? undefined : findConfig(flags.config);
      const config = path === undefined ? {} : await loadConfig(path);
      const { host, port = registryPort, ...limits } = config.registry ?? {};
      const observer = eventLog(() => config.telemetry?.log);
      const registry = await hostRegistry({
        ...limits, host: flags.host ?? host, port: flags.port ?? port, observer,
      });
      const { address } = registry;
      say("ready", { kind: "registry", name: "registry", address }, `registry: ready at ${address}`);
      const reload = () => Promise.resolve({ kind: "unchanged" } as const);
      await untilStopped(heeding, { name: "registry", reload, close: () => registry.close() }, say);
    });
}
