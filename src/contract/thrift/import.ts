/** `importThrift` writes the TypeScript of `.thrift` files. */
import { loadThrift, type ThriftResolver } from "./link.ts";
import { readContracts } from "./read-contracts.ts";
import { printContracts, type ThriftSourceOptions } from "./source.ts";

export interface ImportedThrift {
  /** A module in TypeScript. */
  readonly text: string;
  /** What the files say that was left out, as `path:line:column: what`. */
  readonly notes: readonly string[];
}

/**
 * Reads `.thrift` files with all that they include, and writes their services, types and constants as one module; the
 * first one's namespace is the contract's (that of `js`, else of `*`, else the first). docs/thrift-idl.md has the
 * mapping.
 *
 * `resolve` finds the text of a file by its name and that of the file which includes it. Throws `invalid_argument` with
 * `path:line:column` for what is malformed and for what a contract cannot say.
 */
export function importThrift(
  roots: readonly string[], resolve: ThriftResolver, options: ThriftSourceOptions = {},
): ImportedThrift {
  const contracts = readContracts(loadThrift(roots, resolve));
  const files = roots.map((root) => root.slice(root.lastIndexOf("/") + 1));
  return { text: printContracts(contracts, { files, ...options }), notes: contracts.notes };
}
