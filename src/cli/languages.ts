/** The languages that contracts are written in besides TypeScript: for `meridian export` and `import`. */
import type { ContractModule } from "../contract/proto/index.ts";
import { RpcError } from "../core/index.ts";
import { avro } from "./languages-avro.ts";
import { jsonSchema, openapi } from "./languages-openapi.ts";
import { proto } from "./languages-proto.ts";
import { thrift } from "./languages-thrift.ts";

/** A file that an export makes: its path below the folder that is asked for, and its text. */
export interface WrittenFile {
  readonly path: string;
  readonly text: string;
}

/** What an import gives: a module in TypeScript, and lines for people about what was left out. */
export interface ReadContract {
  readonly text: string;
  readonly notes: readonly string[];
}

export interface ImportOptions {
  /** Folders in which included files are sought, first wins; never empty. */
  readonly folders: readonly string[];
  /** What the module imports from. */
  readonly from: string;
}

export interface Language {
  /** What `--to` takes. */
  readonly name: string;
  /** How its files' names end, without the dot. The first is what exports write. */
  readonly endings: readonly string[];
  /** Absent where a language is only read. */
  export?(module: ContractModule): readonly WrittenFile[] | Promise<readonly WrittenFile[]>;
  /** `files` exist and end with one of `endings`. Absent where a language is only written. */
  import?(files: readonly string[], options: ImportOptions): ReadContract | Promise<ReadContract>;
}

/** In the order of help texts. */
export const languages: readonly Language[] = [proto, thrift, avro, openapi, jsonSchema];

/** The languages that `--to` takes, by name. */
export function writableLanguages(): ReadonlyMap<string, Required<Pick<Language, "export">> & Language> {
  return new Map(languages.flatMap((one) => (one.export === undefined ? []
    : [[one.name, one as Required<Pick<Language, "export">> & Language] as const])));
}

/** The language of a file by its name. Throws `invalid_argument` naming the endings that are known. */
export function languageOf(file: string): Required<Pick<Language, "import">> & Language {
  const readable = languages.filter((one) => one.import !== undefined);
  const found = readable.find(({ endings }) => endings.some((ending) => file.endsWith(`.${ending}`)));
  if (found !== undefined) return found as Required<Pick<Language, "import">> & Language;
  const known = readable.flatMap(({ endings }) => endings.map((ending) => `.${ending}`)).join(", ");
  throw new RpcError("invalid_argument", `${file}: its language is not known by its name; known are ${known}`);
}
