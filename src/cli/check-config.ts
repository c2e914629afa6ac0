/** `meridian check config`: whether a configuration would be taken, and all that is wrong with it. */
import { Command } from "commander";
import { RpcError } from "../core/index.ts";
import { type Config, type ConfigReading, describeFault, findConfig, nodeConfigSource } from "../config/index.ts";

/** `said` is told the exit code: 1 where the configuration would be refused. */
export function checkConfigCommand(said: (code: number) => void): Command {
  return new Command("config")
    .description("Say whether a configuration would be taken, and all that is wrong with it.")
    .argument("[file]", "default: MERIDIAN_CONFIG, meridian.yaml, meridian.config.ts … in this folder")
    .option("--json", "one JSON object: { file, ok, faults, count }")
    .addHelpText("after", "\nExit code 0 if it would be taken, 1 if not, 2 for a command line that cannot be read.")
    .action(async (file: string | undefined, flags: { readonly json?: boolean }) => {
      const path = findConfig(file);
      if (path === undefined) {
        throw new RpcError("not_found", "there is no configuration here: name the file, or write meridian.yaml");
      }
      const reading = await nodeConfigSource(path).read();
      if (flags.json === true) process.stdout.write(`${JSON.stringify(asJson(path, reading))}\n`);
      else process.stdout.write(asText(path, reading));
      if (!reading.ok) said(1);
    });
}

function asJson(file: string, reading: ConfigReading): object {
  return reading.ok ? { file, ok: true, faults: [], count: 0 }
    : { file, ok: false, faults: reading.faults, count: reading.count };
}

function asText(path: string, reading: ConfigReading): string {
  if (reading.ok) return `${path} is right: ${summary(reading.config)}\n`;
  const lines = reading.faults.map(describeFault);
  if (reading.count > lines.length) lines.push(`and ${reading.count - lines.length} more`);
  return `${lines.join("\n")}\n`;
}

function summary({ servers = {}, gateways = {}, regions = {}, discovery = { registry: {} } }: Config): string {
  const count = (entries: object, what: string): string => {
    const number = Object.keys(entries).length;
    return `${number} ${what}${number === 1 ? "" : "s"}`;
  };
  const found = Object.keys(discovery).join();
  return `${count(servers, "server")}, ${count(gateways, "gateway")}, ${count(regions, "region")}, found by ${found}`;
}
