/** `loadProto` reads a `.proto` file with all that it imports. */
import { RpcError } from "../../core/error.ts";
import type { FileDescriptor } from "./file.ts";
import { type Linked, linkProto } from "./link.ts";
import { describePosition, type Position, refuseAt } from "./parse-error.ts";
import type { FileNode } from "./parse-tree.ts";
import { parseProto } from "./parse.ts";
import { wellKnownFiles } from "./well-known-files.ts";

/** The text of a file by its path, or undefined if there is none. */
export type ProtoResolver = (path: string) => string | undefined;

/** Most files of one import. */
const maxFiles = 5_000;

/** What was read: the files asked for come last. */
export interface LoadedProto extends Linked {
  /** The paths that were asked for. */
  readonly roots: readonly string[];
}

/**
 * Reads `roots` and their imports. Files of `google/protobuf`, `google/rpc` and `google/api` (paths of HTTP)
 * that the resolver does not have are known here. Throws `invalid_argument` with path, line and column.
 */
export function loadProto(roots: readonly string[], resolve: ProtoResolver): LoadedProto {
  const files = new Map<string, FileNode>();
  const open: string[] = [];
  const load = (path: string, from: Position | undefined): void => {
    if (files.has(path)) return;
    if (open.includes(path)) {
      const ring = [...open.slice(open.indexOf(path)), path].join(" → ");
      if (from !== undefined) refuseAt(from, `files import each other: ${ring}`);
    }
    if (files.size + open.length >= maxFiles) throw new RpcError("invalid_argument", `more than ${maxFiles} files`);
    const text = resolve(path) ?? wellKnownFiles.get(path);
    if (text === undefined) {
      const where = from === undefined ? "" : `${describePosition(from)}: `;
      throw new RpcError("invalid_argument", `${where}${path} is not found; name the folder it lies in with -I`);
    }
    const file = parseProto(text, path);
    open.push(path);
    for (const entry of file.imports) load(entry.path, entry.position);
    open.pop();
    files.set(path, file);
  };
  for (const root of roots) load(root, undefined);
  return { ...linkProto([...files.values()]), roots };
}

/** The files asked for. */
export function rootsOf(loaded: LoadedProto): readonly FileDescriptor[] {
  return loaded.files.filter((file) => loaded.roots.includes(file.name));
}
