/** `meridian import`: a contract in TypeScript from the files of another language. */
import { dirname } from "node:path";
import { Command } from "commander";
import { RpcError } from "../core/index.ts";
import { readTextIfThere, writeText } from "./files.ts";
import { languageOf, languages } from "./languages.ts";

interface ImportFlags {
  readonly protoPath: readonly string[];
  readonly out?: string;
  readonly from: string;
}

export function importCommand(): Command {
  const endings = languages.flatMap((one) => (one.import === undefined ? [] : one.endings.map((end) => `.${end}`)));
  return new Command("import")
    .description(`Write the contract of files in another language (${endings.join(", ")}) in TypeScript.`)
    .argument("<files...>", "files of one language; of .proto files, the first one's package is the contract's")
    .option("-I, --proto-path <folder>", "where imports are sought, repeatable (default: the folder of the first file)",
      (folder: string, folders: readonly string[]) => [...folders, folder], [] as readonly string[])
    .option("-o, --out <file>", "the file to write (default: standard output)")
    .option("--from <module>", "what the contract imports from", "meridian-rpc")
    .action(async (files: readonly string[], flags: ImportFlags) => {
      const [first = ""] = files;
      for (const file of files) {
        if (readTextIfThere(file) === undefined) throw new RpcError("not_found", `there is no file ${file}`);
      }
      const language = languageOf(first);
      const stranger = files.find((file) => languageOf(file) !== language);
      if (stranger !== undefined) {
        throw new RpcError("invalid_argument", `${first} and ${stranger} differ in language: import each alone`);
      }
      const folders = flags.protoPath.length > 0 ? flags.protoPath : [dirname(first)];
      const { text, notes } = await language.import(files, { folders, from: flags.from });
      for (const note of notes) process.stderr.write(`${note}\n`);
      writeText(flags.out, text);
    });
}
