/** A program is a `.thrift` file with those that it includes: where names are looked up. */
import { RpcError } from "../../core/error.ts";
import { parseThrift } from "./parse.ts";
import type { DefinitionNode, ThriftFile } from "./parse-tree.ts";
import { type Position, refuseAt } from "./tokens.ts";

export interface Program {
  readonly path: string;
  /** The package of what it defines; empty for none. */
  readonly namespace: string;
  /** By the names of their files without `.thrift`. */
  readonly includes: ReadonlyMap<string, Program>;
  readonly definitions: ReadonlyMap<string, DefinitionNode>;
}

/** Finds the text of a file. `importer` is the path of the file that includes it; undefined of a file asked for. */
export type ThriftResolver = (
  path: string, importer: string | undefined,
) => { readonly path: string; readonly text: string } | undefined;

/** Most files of one import. */
const maxFiles = 1_000;

/** Reads files with all that they include. Throws `invalid_argument` with the place of what is wrong. */
export function loadThrift(roots: readonly string[], resolve: ThriftResolver): readonly Program[] {
  const loaded = new Map<string, Program>();
  const open: string[] = [];
  const read = (name: string, importer: string | undefined, position: Position | undefined): Program => {
    const file = resolve(name, importer);
    if (file === undefined) {
      if (position !== undefined) refuseAt(position, `there is no file ${name} to include`);
      throw new RpcError("not_found", `there is no file ${name}`);
    }
    const known = loaded.get(file.path);
    if (known !== undefined) return known;
    if (open.includes(file.path) && position !== undefined) {
      refuseAt(position, `${name} includes itself, by ${[...open, file.path].join(" → ")}`);
    }
    if (loaded.size + open.length >= maxFiles) {
      throw new RpcError("invalid_argument", `${roots.join(", ")}: more than ${maxFiles} files are included`);
    }
    open.push(file.path);
    const tree = parseThrift(file.text, file.path);
    const includes = new Map<string, Program>();
    for (const { path, position: at } of tree.includes) includes.set(stemOf(path), read(path, file.path, at));
    open.pop();
    const program = { path: file.path, namespace: namespaceOf(tree), includes, definitions: definitionsOf(tree) };
    loaded.set(file.path, program);
    return program;
  };
  return roots.map((root) => read(root, undefined, undefined));
}

function stemOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.thrift$/, "");
}

/** That of JavaScript, else that of all languages, else the first that can be a package. */
function namespaceOf({ namespaces }: ThriftFile): string {
  const wanted = ["js", "nodejs", "nodets", "*", ...namespaces.keys()].map((scope) => namespaces.get(scope));
  return wanted.find((name) => name !== undefined && /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/.test(name)) ?? "";
}

function definitionsOf({ definitions }: ThriftFile): ReadonlyMap<string, DefinitionNode> {
  const found = new Map<string, DefinitionNode>();
  for (const definition of definitions) {
    if (found.has(definition.name)) refuseAt(definition.position, `${definition.name} is defined twice`);
    found.set(definition.name, definition);
  }
  return found;
}

export interface Found<T extends DefinitionNode = DefinitionNode> {
  readonly program: Program;
  readonly definition: T;
}

/** What `name` or `file.name` means in a program; undefined for nothing. */
export function lookUp(program: Program, name: string): Found | undefined {
  const own = program.definitions.get(name);
  if (own !== undefined) return { program, definition: own };
  const dot = name.lastIndexOf(".");
  const included = program.includes.get(name.slice(0, Math.max(0, dot)));
  const definition = included?.definitions.get(name.slice(dot + 1));
  return included === undefined || definition === undefined ? undefined : { program: included, definition };
}
