/** `run` runs the `meridian` program: its commands, and the exit codes of their errors. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { RpcError } from "../core/index.ts";
import { checkCommand } from "./check.ts";
import { endpointsCommand } from "./endpoints.ts";
import { exportCommand } from "./export.ts";
import { importCommand } from "./import.ts";
import { operatingCommands } from "./operate.ts";
import { registryCommand } from "./registry.ts";
import { gatewayCommand, serveCommand } from "./serve.ts";
import { simCommand } from "./sim.ts";
import { swarmCommand } from "./swarm.ts";
import { topCommand } from "./top.ts";
import { upCommand } from "./up.ts";
import { whyCommand } from "./why.ts";

/** Of the package this file lies in, as source or built. */
function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  };
  return version;
}

/** Runs the program; returns its exit code: 0, 1 for an error that it names, 2 for a command line it cannot read. */
export async function run(argv: readonly string[]): Promise<number> {
  const program = new Command("meridian")
    .description("Serve contracts, forward to them, see who is well, and rehearse failures.")
    .version(packageVersion())
    .showHelpAfterError("(meridian --help lists the commands)")
    // What stands behind a command is the command's: `check` and `check config` have options of the same name.
    .enablePositionalOptions()
    .exitOverride();
  // What a command has to say beside that it ended.
  let code = 0;
  program.addCommand(upCommand((said) => void (code = said)));
  program.addCommand(serveCommand()).addCommand(gatewayCommand()).addCommand(registryCommand());
  program.addCommand(checkCommand((said) => void (code = said)));
  program.addCommand(endpointsCommand((said) => void (code = said)));
  program.addCommand(topCommand((said) => void (code = said)));
  program.addCommand(whyCommand((said) => void (code = said)));
  for (const command of operatingCommands((said) => void (code = said))) program.addCommand(command);
  program.addCommand(exportCommand()).addCommand(importCommand());
  program.addCommand(simCommand((said) => void (code = said)));
  program.addCommand(swarmCommand((said) => void (code = said)));
  // Settings of the program do not reach commands that were made elsewhere.
  for (const command of program.commands) {
    command.exitOverride().showHelpAfterError(`(meridian ${command.name()} --help)`);
    for (const inner of command.commands) {
      inner.exitOverride().showHelpAfterError(`(meridian ${command.name()} ${inner.name()} --help)`);
    }
  }
  try {
    await program.parseAsync(["node", "meridian", ...argv]);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const stack = !RpcError.is(error) && process.env["MERIDIAN_DEBUG"] !== undefined && error instanceof Error;
    process.stderr.write(`meridian: ${stack ? error.stack : error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
