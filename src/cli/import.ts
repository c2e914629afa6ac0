/** `meridian import`: a contract in TypeScript from the files of another language. */
import { dirname } from "node:path";
import { Command } from "commander";
import { describePosition } from "../contract/proto/parse-error.ts";
import { importProto } from "../contract/proto/index.ts";
import { RpcError } from "../core/index.ts";
import { importPath, readTextIfThere, resolverOf, writeText } from "./files.ts";

interface ImportFlags {
  readonly protoPath: readonly string[];
  readonly out?: string;
  readonly from: string;
}

export function importCommand(): Command {
  return new Command("import")
    .description("Write the contract of .proto files (proto2, proto3, edition 2023) in TypeScript.")
    .argument("<files...>", ".proto files; the first one's package is the contract's")
    .option("-I, --proto-path <folder>", "where imports are sought, repeatable (default: the folder of the first file)",
      (folder: string, folders: readonly string[]) => [...folders, folder], [] as readonly string[])
    .option("-o, --out <file>", "the file to write (default: standard output)")
    .option("--from <module>", "what the contract imports from", "meridian-rpc")
    .action((files: readonly string[], flags: ImportFlags) => {
      const [first = ""] = files;
      for (const file of files) {
        if (readTextIfThere(file) === undefined) throw new RpcError("not_found", `there is no file ${file}`);
      }
      const folders = flags.protoPath.length > 0 ? flags.protoPath : [dirname(first)];
      const roots = files.map((file) => importPath(file, folders));
      const { text, dropped } = importProto(roots, resolverOf(folders), { from: flags.from });
      for (const { position, name } of dropped) {
        process.stderr.write(`${describePosition(position)}: the custom option ${name} is left out\n`);
      }
      writeText(flags.out, text);
    });
}
