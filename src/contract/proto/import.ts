/** `importProto` writes the TypeScript of a `.proto` file. */
import { loadProto, type ProtoResolver } from "./load.ts";
import type { CustomOption } from "./link-options.ts";
import { readContracts } from "./read-contracts.ts";
import { printContracts, type SourceOptions } from "./source.ts";

export interface ImportedProto {
  /** A module in TypeScript. */
  readonly text: string;
  /** What the files say that was left out, as `path:line:column: what`. */
  readonly dropped: readonly CustomOption[];
}

/**
 * Reads `.proto` files with all that they import, and writes their services and types as one module.
 *
 * `resolve` finds the text of a file by its path; files of google/protobuf and google/rpc are known. Throws
 * `invalid_argument` with `path:line:column` for what is malformed and for what a contract cannot say.
 */
export function importProto(
  roots: readonly string[], resolve: ProtoResolver, options: SourceOptions = {},
): ImportedProto {
  const loaded = loadProto(roots, resolve);
  const text = printContracts(readContracts(loaded.files, loaded.roots), options);
  const dropped = loaded.customOptions.filter(({ position }) => roots.includes(position.path));
  return { text, dropped };
}
