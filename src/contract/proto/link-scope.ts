/** Names of types and what they stand for: the scoping rules of `.proto`. */
import { type Position, refuseAt } from "./parse-error.ts";
import type { EnumNode, FileNode, MessageNode } from "./parse-tree.ts";

type Declared = { readonly kind: "message" | "enum" | "package" | "other"; readonly file: string };

/** Everything declared in a set of files, by full name without a leading dot. */
export class SymbolTable {
  readonly #symbols = new Map<string, Declared>();
  /** Files that each file sees: itself, its imports and what those import publicly. */
  readonly #visible = new Map<string, ReadonlySet<string>>();

  /** Enters the declarations of a file. Refuses a name that is taken. */
  add(file: FileNode, visible: ReadonlySet<string>): void {
    this.#visible.set(file.path, visible);
    const parts = file.package === "" ? [] : file.package.split(".");
    for (let i = 1; i <= parts.length; i++) {
      this.#enter(parts.slice(0, i).join("."), "package", file.path, file.declared.position);
    }
    const prefix = file.package === "" ? "" : `${file.package}.`;
    for (const message of file.messages) this.#message(message, prefix, file.path);
    for (const declared of file.enums) this.#enum(declared, prefix, file.path);
    for (const { name, position, methods } of file.services) {
      this.#enter(prefix + name, "other", file.path, position);
      const names = new Set<string>();
      for (const method of methods) {
        if (names.has(method.name)) refuseAt(method.position, `${name} has two methods ${method.name}; rename one`);
        names.add(method.name);
      }
    }
    for (const { fields } of file.extensions) {
      for (const { name, position } of fields) this.#enter(prefix + name, "other", file.path, position);
    }
  }

  #message(message: MessageNode, prefix: string, file: string): void {
    const name = prefix + message.name;
    this.#enter(name, "message", file, message.position);
    for (const nested of message.messages) this.#message(nested, `${name}.`, file);
    for (const nested of message.enums) this.#enum(nested, `${name}.`, file);
    for (const { name: member, position } of [...message.fields, ...message.oneofs]) {
      this.#enter(`${name}.${member}`, "other", file, position);
    }
  }

  #enum(declared: EnumNode, prefix: string, file: string): void {
    this.#enter(prefix + declared.name, "enum", file, declared.position);
    // Values are siblings of their enum, as in C++.
    for (const { name, position } of declared.values) this.#enter(prefix + name, "other", file, position);
  }

  #enter(name: string, kind: Declared["kind"], file: string, position: Position): void {
    const known = this.#symbols.get(name);
    if (known === undefined) this.#symbols.set(name, { kind, file });
    else if (kind !== "package" || known.kind !== "package") {
      refuseAt(position, `${name} is declared already${known.file === file ? "" : ` in ${known.file}`}`);
    }
  }

  /** The message or enum that `type` means in `scope` (a full name): innermost first. */
  resolve(type: string, scope: string, position: Position): Found {
    const found = type.startsWith(".") ? this.#type(type.slice(1)) : this.#search(type, scope, position);
    if (found === undefined) refuseAt(position, `the type ${type} is declared nowhere that this file sees`);
    if (this.#visible.get(position.path)?.has(found.file) !== true) {
      refuseAt(position, `${found.name} is declared in ${found.file}, which this file does not import`);
    }
    return found;
  }

  #search(type: string, scope: string, position: Position): Found | undefined {
    const [first = ""] = type.split(".", 1);
    const isDotted = first.length < type.length;
    for (let at: string | undefined = scope; at !== undefined; at = outer(at)) {
      const prefix = at === "" ? "" : `${at}.`;
      const head = this.#symbols.get(prefix + first);
      // What can hold nothing is passed over where something in it is sought.
      if (head === undefined || head.kind === "other" || (isDotted && head.kind === "enum")) continue;
      const found = this.#type(prefix + type);
      if (found !== undefined) return found;
      if (isDotted && head.kind === "message") {
        refuseAt(position, `the type ${type} is sought in ${prefix}${first}, which has none of that name; ` +
          `write .${type} for the one of the package`);
      }
    }
    return undefined;
  }

  #type(name: string): Found | undefined {
    const symbol = this.#symbols.get(name);
    if (symbol === undefined || (symbol.kind !== "message" && symbol.kind !== "enum")) return undefined;
    return { name, kind: symbol.kind, file: symbol.file };
  }
}

/** A message or an enum. */
export interface Found {
  readonly name: string;
  readonly kind: "message" | "enum";
  readonly file: string;
}

/** `a.b` → `a` → the empty name → undefined. */
function outer(scope: string): string | undefined {
  if (scope === "") return undefined;
  const dot = scope.lastIndexOf(".");
  return dot === -1 ? "" : scope.slice(0, dot);
}
