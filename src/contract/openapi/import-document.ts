/** A document of OpenAPI as it was read: its values by JSON pointer, and the lines where YAML has them. */
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { RpcError } from "../../core/error.ts";

export type Json = { readonly [key: string]: unknown };

/** Most references that follow one another. */
const maxReferences = 64;
/** Most characters of a document. */
const maxChars = 32 << 20;

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The members of an object; none of what is no object. */
export function objectOf(value: unknown): Json {
  return isJson(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value as readonly unknown[] : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

/** `#/paths` and `/pets/{id}` → `#/paths/~1pets~1{id}`. */
export function below(pointer: string, ...keys: readonly (string | number)[]): string {
  return [pointer, ...keys.map((key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1"))].join("/");
}

export class OpenApiText {
  readonly root: Json;
  readonly notes: string[] = [];
  readonly #file: string;
  readonly #yaml: Document | undefined;
  readonly #lines = new LineCounter();
  readonly #noted = new Set<string>();

  /** Throws `invalid_argument` for what is neither JSON nor YAML, with its line. */
  constructor(text: string, file: string) {
    this.#file = file;
    if (text.length > maxChars) {
      throw new RpcError("invalid_argument", `${file} has ${text.length} characters; at most ${maxChars} are read`);
    }
    let root: unknown;
    if (/^\s*\{/.test(text)) {
      try {
        root = JSON.parse(text);
      } catch (error) {
        // A flow mapping of YAML begins like JSON.
        if (file.endsWith(".json")) {
          const why = error instanceof Error ? error.message : "";
          throw new RpcError("invalid_argument", `${file}: it is no JSON: ${why}`);
        }
      }
    }
    if (root === undefined) {
      this.#yaml = parseDocument(text, { lineCounter: this.#lines });
      const [wrong] = this.#yaml.errors;
      if (wrong !== undefined) {
        const line = this.#lines.linePos(wrong.pos[0]).line;
        throw new RpcError("invalid_argument", `${file}:${line}: it is no YAML: ${wrong.message.split("\n")[0]}`);
      }
      try {
        root = this.#yaml.toJS({ maxAliasCount: 100 });
      } catch (error) {
        const why = error instanceof Error ? error.message : "";
        throw new RpcError("invalid_argument", `${file}: it cannot be read: ${why}`);
      }
    }
    if (!isJson(root)) throw new RpcError("invalid_argument", `${file}: it is no object, so no document of OpenAPI`);
    this.root = root;
  }

  /** The file, the line in YAML, and the pointer. */
  where(pointer: string): string {
    const line = this.#lineOf(pointer);
    return `${this.#file}${line === undefined ? "" : `:${line}`}: ${pointer}`;
  }

  /** What cannot be said, and why. */
  refuse(pointer: string, why: string): RpcError {
    return new RpcError("invalid_argument", `${this.where(pointer)} ${why}`);
  }

  /** What is left out, or means less than it says; once for each `why` that is not about one place. */
  note(pointer: string, why: string, isGeneral = false): void {
    if (this.#noted.has(isGeneral ? why : pointer + why)) return;
    this.#noted.add(isGeneral ? why : pointer + why);
    this.notes.push(`${this.where(pointer)} ${why}${isGeneral ? ", here and elsewhere" : ""}`);
  }

  /** Follows `$ref` to what it names, and says where that is. */
  resolve(value: unknown, pointer: string): { readonly value: unknown; readonly pointer: string } {
    let at = { value, pointer };
    for (let i = 0; i < maxReferences; i++) {
      if (!isJson(at.value) || typeof at.value["$ref"] !== "string") return at;
      at = this.target(at.value["$ref"], at.pointer);
    }
    throw this.refuse(pointer, "refers to what refers to itself");
  }

  /** What a reference names, one step. */
  target(ref: string, pointer: string): { readonly value: unknown; readonly pointer: string } {
    if (!ref.startsWith("#/")) {
      throw this.refuse(pointer, `refers to ${JSON.stringify(ref.slice(0, 128))}; only references into the same ` +
        'document ("#/…") are followed: bundle the files into one first');
    }
    const value = this.#at(keysOf(ref));
    if (value === undefined) throw this.refuse(pointer, `refers to ${ref.slice(0, 256)}, which is not there`);
    return { value, pointer: ref };
  }

  #at(keys: readonly string[]): unknown {
    let value: unknown = this.root;
    for (const key of keys) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
      value = (value as Json)[key];
    }
    return value;
  }

  #lineOf(pointer: string): number | undefined {
    if (this.#yaml === undefined) return undefined;
    const keys: string[] = keysOf(pointer);
    // What is missing is told by what it is missing from.
    for (; keys.length > 0; keys.pop()) {
      const path = keys.map((key) => (/^\d+$/.test(key) && !this.#yaml?.hasIn(keys) ? Number(key) : key));
      const node = this.#yaml.getIn(path, true);
      if (isNode(node) && Array.isArray(node.range)) return this.#lines.linePos(node.range[0]).line;
    }
    return undefined;
  }
}

function keysOf(pointer: string): string[] {
  return pointer.split("/").slice(1).map((key) => {
    const plain = key.replaceAll("~1", "/").replaceAll("~0", "~");
    try {
      return decodeURIComponent(plain);
    } catch {
      return plain;
    }
  });
}
