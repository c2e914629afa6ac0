/** A ProtoIndex finds the declarations of a set of files by name, with features resolved and places known. */
import { RpcError } from "../../core/error.ts";
import {
  type EnumDescriptor, type FileDescriptor, type MessageDescriptor, type Options, paths, type SourceLocation,
} from "./file.ts";

/** What a declaration's features are when nobody says anything; the names are those of descriptor.proto. */
export interface Features {
  /** 1 explicit, 2 implicit, 3 legacy required. */
  readonly fieldPresence: number;
  /** 1 open, 2 closed. */
  readonly enumType: number;
  /** 1 length-prefixed, 2 delimited. */
  readonly messageEncoding: number;
}

const proto2: Features = { fieldPresence: 1, enumType: 2, messageEncoding: 1 };
const proto3: Features = { fieldPresence: 2, enumType: 1, messageEncoding: 1 };
const edition2023: Features = { fieldPresence: 1, enumType: 1, messageEncoding: 1 };

/** A declaration and where it stands. */
export interface Declaration<D> {
  readonly descriptor: D;
  readonly file: FileDescriptor;
  /** Full name without a leading dot. */
  readonly fullName: string;
  /** Names from the file down: `["Outer", "Inner"]`. */
  readonly names: readonly string[];
  /** As source locations have it. */
  readonly path: readonly number[];
  readonly features: Features;
}

export type TypeDeclaration =
  | Declaration<MessageDescriptor> & { readonly kind: "message" }
  | Declaration<EnumDescriptor> & { readonly kind: "enum" };

export class ProtoIndex {
  /** Messages and enums by full name, in the order of their files; entry messages of maps too. */
  readonly types = new Map<string, TypeDeclaration>();
  readonly #locations = new Map<FileDescriptor, ReadonlyMap<string, SourceLocation>>();

  constructor(files: ReadonlyArray<FileDescriptor>) {
    for (const file of files) {
      const features = inherit(defaultsOf(file), file.options);
      const scope = file.package ?? "";
      (file.messageType ?? []).forEach((message, i) => {
        this.#message(message, { file, scope, names: [], path: [paths.file.message, i], features });
      });
      (file.enumType ?? []).forEach((declared, i) => {
        this.#enum(declared, { file, scope, names: [], path: [paths.file.enum, i], features });
      });
    }
  }

  #message(descriptor: MessageDescriptor, at: Scope): void {
    const { fullName, names, file, path } = this.#place(descriptor.name, at);
    const features = inherit(at.features, descriptor.options);
    this.types.set(fullName, { kind: "message", descriptor, file, fullName, names, path, features });
    const inner = { file, scope: fullName, names, features };
    (descriptor.nestedType ?? []).forEach((nested, i) => {
      this.#message(nested, { ...inner, path: [...path, paths.message.nested, i] });
    });
    (descriptor.enumType ?? []).forEach((nested, i) => {
      this.#enum(nested, { ...inner, path: [...path, paths.message.enum, i] });
    });
  }

  #enum(descriptor: EnumDescriptor, at: Scope): void {
    const place = this.#place(descriptor.name, at);
    this.types.set(place.fullName,
      { kind: "enum", descriptor, ...place, features: inherit(at.features, descriptor.options) });
  }

  #place(name: string, { scope, names, file, path }: Scope): Omit<Declaration<unknown>, "descriptor" | "features"> {
    return { fullName: scope === "" ? name : `${scope}.${name}`, names: [...names, name], file, path };
  }

  /** The type of this absolute name. Throws `invalid_argument` for one that no file declares. */
  type(typeName: string): TypeDeclaration {
    const found = this.types.get(typeName.replace(/^\./, ""));
    if (found === undefined) throw new RpcError("invalid_argument", `the type ${typeName} is in none of the files`);
    return found;
  }

  /** Where something stands and its comments, if the file says. */
  location(file: FileDescriptor, path: readonly number[]): SourceLocation | undefined {
    let locations = this.#locations.get(file);
    if (locations === undefined) {
      locations = new Map((file.sourceCodeInfo?.location ?? []).map((entry) => [entry.path.join("."), entry]));
      this.#locations.set(file, locations);
    }
    return locations.get(path.join("."));
  }

  /** Throws `invalid_argument`: `a.proto:3:7: message`, with the place of what is around where its own is not known. */
  refuse(file: FileDescriptor, path: readonly number[], message: string): never {
    let known = path;
    while (known.length > 0 && this.location(file, known) === undefined) known = known.slice(0, -1);
    const [line, column] = this.location(file, known)?.span ?? [];
    const place = line === undefined ? "" : `:${line + 1}:${(column ?? 0) + 1}`;
    throw new RpcError("invalid_argument", `${file.name}${place}: ${message}`);
  }
}

interface Scope {
  readonly file: FileDescriptor;
  readonly scope: string;
  readonly names: readonly string[];
  readonly path: readonly number[];
  readonly features: Features;
}

function defaultsOf(file: FileDescriptor): Features {
  if (file.syntax === "proto3") return proto3;
  return file.syntax === "editions" ? edition2023 : proto2;
}

/** The features of something inside what has `outer`. */
export function inherit(outer: Features, options: Options | undefined): Features {
  const set = options?.["features"] as Partial<Features> | undefined;
  if (set === undefined) return outer;
  return {
    fieldPresence: set.fieldPresence || outer.fieldPresence, enumType: set.enumType || outer.enumType,
    messageEncoding: set.messageEncoding || outer.messageEncoding,
  };
}

/** A comment as people read it: without the blank that follows the comment marks, and without blank ends. */
export function commentText(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const lines = text.split("\n").map((line) => line.replace(/^ /, "").trimEnd());
  const plain = lines.join("\n").trim();
  return plain === "" ? undefined : plain;
}
