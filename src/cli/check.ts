/** `meridian check`: what breaks callers between an older contract and this one. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { compareLocks, type Finding, type Lock, lockContracts, readLock } from "../contract/compare/index.ts";
import { readModule } from "../contract/proto/index.ts";
import { RpcError } from "../core/index.ts";
import { checkConfigCommand } from "./check-config.ts";
import { readTextIfThere, writeText } from "./files.ts";

interface CheckFlags {
  readonly against?: string;
  readonly write?: string;
  readonly json?: boolean;
}

/** `said` is told the exit code: 1 where something breaks. */
export function checkCommand(said: (code: number) => void): Command {
  return new Command("check")
    .description("Say what breaks callers of an older contract, wire by wire; or keep what this one promises.")
    // What stands behind `config` is for it.
    .enablePositionalOptions().addCommand(checkConfigCommand(said))
    .argument("<contract>", "a module (.ts, .js) whose exports are contracts")
    .option("--against <old>", "an older module, or a lock that --write made")
    .option("--write <lock>", "the file to keep this contract's promises in, for later checks")
    .option("--json", "print the findings as JSON")
    .action(async (contract: string, flags: CheckFlags) => {
      if (flags.against === undefined && flags.write === undefined) {
        throw new RpcError("invalid_argument",
          "name what to compare with (--against OLD), or a lock to write (--write LOCK)");
      }
      const now = await promisesOf(contract);
      if (flags.against !== undefined) {
        const findings = compareLocks(await promisesOf(flags.against), now);
        const text = flags.json === true ? `${JSON.stringify(findings, undefined, 2)}\n` : findings.map(lines).join("");
        process.stdout.write(text === "" ? "nothing breaks\n" : text);
        if (findings.length > 0) said(1);
      }
      if (flags.write !== undefined) writeText(flags.write, `${JSON.stringify(now, undefined, 1)}\n`);
    });
}

function lines({ rule, wire, place, what, why, instead }: Finding): string {
  return `${place}: ${what} [${wire}, ${rule}]\n  ${why}; ${instead}\n`;
}

async function promisesOf(path: string): Promise<Lock> {
  const text = readTextIfThere(path);
  if (text === undefined) throw new RpcError("not_found", `there is no file ${path}`);
  if (!/\.[cm]?[jt]s$/.test(path)) return readLock(text, path);
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(pathToFileURL(resolve(path)).href) as Readonly<Record<string, unknown>>;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RpcError("invalid_argument", `${path} cannot be loaded: ${message}`, { cause: error });
  }
  return lockContracts(readModule(module).contracts);
}
