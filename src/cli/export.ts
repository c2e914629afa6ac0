/** `meridian export`: the files of another language from a contract in TypeScript. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Command, Option } from "commander";
import { readModule } from "../contract/proto/index.ts";
import { RpcError } from "../core/index.ts";
import { below, readTextIfThere, writeText } from "./files.ts";
import { writableLanguages } from "./languages.ts";

interface ExportFlags {
  readonly to: string;
  readonly out?: string;
}

export function exportCommand(): Command {
  const writable = writableLanguages();
  return new Command("export")
    .description("Write the contracts that a module exports in another language.")
    .argument("<contract>", "a module (.ts, .js) whose exports are contracts")
    .addOption(new Option("--to <language>", "the language to write").choices([...writable.keys()])
      .makeOptionMandatory())
    .option("-o, --out <path>", "a file of that language, or a folder for all (default: standard output)")
    .action(async (contract: string, flags: ExportFlags) => {
      const language = writable.get(flags.to);
      if (language === undefined) throw new RpcError("invalid_argument", `--to ${flags.to}: no such language`);
      const files = await language.export(readModule(await load(contract)));
      const [last] = files.slice(-1);
      if (last === undefined) throw new RpcError("invalid_argument", `${contract} has nothing to write`);
      const { out } = flags;
      if (out === undefined || language.endings.some((ending) => out.endsWith(`.${ending}`))) {
        if (files.length > 1) {
          throw new RpcError("invalid_argument", `${contract} makes ${files.length} files, one for each package ` +
            `(${files.map(({ path }) => path).join(", ")}); name a folder with -o`);
        }
        writeText(out, last.text);
        return;
      }
      for (const { path, text } of files) writeText(below(out, path), text);
    });
}

/** Node runs TypeScript whose types can be stripped, so a contract needs no build. */
async function load(path: string): Promise<Readonly<Record<string, unknown>>> {
  if (readTextIfThere(path) === undefined) throw new RpcError("not_found", `there is no file ${path}`);
  try {
    return await import(pathToFileURL(resolve(path)).href) as Readonly<Record<string, unknown>>;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RpcError("invalid_argument", `${path} cannot be loaded: ${message}`, { cause: error });
  }
}
