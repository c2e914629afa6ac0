/**
 * `linkProto` makes descriptors of syntax trees: types are found, options understood, and what `.proto` leaves unsaid
 * (JSON names, entry messages of maps, the oneofs of optional fields) is filled in as protoc does.
 */
import {
  type DescriptorRange, type EnumDescriptor, type FieldDescriptor, type FileDescriptor, fieldTypes, labels,
  type MessageDescriptor, type OneofDescriptor, paths, type ServiceDescriptor, type SourceLocation,
} from "./file.ts";
import { checkEnum, checkMessage } from "./link-checks.ts";
import { isHttpOption, readHttpOption } from "./http-option.ts";
import { type CustomOption, findOption, type OptionPlace, readOptions } from "./link-options.ts";
import { SymbolTable } from "./link-scope.ts";
import { lowerCamel, upperCamel } from "./names.ts";
import { refuseAt } from "./parse-error.ts";
import { isScalarName } from "./parse-message.ts";
import type {
  Declared, EnumNode, ExtendNode, FieldNode, FileNode, MessageNode, OptionNode, RangeNode, ServiceNode,
} from "./parse-tree.ts";

export interface Linked {
  /** Dependencies first, as in a FileDescriptorSet. */
  readonly files: readonly FileDescriptor[];
  /** Options that descriptors here do not hold. */
  readonly customOptions: readonly CustomOption[];
}

/** `files`: dependencies first. Throws `invalid_argument` with path, line and column. */
export function linkProto(files: readonly FileNode[]): Linked {
  const symbols = new SymbolTable();
  const custom: CustomOption[] = [];
  const byPath = new Map(files.map((file) => [file.path, file]));
  const linked = files.map((file) => {
    symbols.add(file, visibleFrom(file, byPath));
    return new FileLinker(file, symbols, custom).link();
  });
  return { files: linked, customOptions: custom };
}

function visibleFrom(file: FileNode, files: ReadonlyMap<string, FileNode>): ReadonlySet<string> {
  const visible = new Set([file.path, ...file.imports.map((entry) => entry.path)]);
  for (const path of visible) {
    if (path === file.path) continue;
    for (const { modifier, path: next } of files.get(path)?.imports ?? []) if (modifier === "public") visible.add(next);
  }
  return visible;
}

type Path = readonly number[];

class FileLinker {
  readonly #file: FileNode;
  readonly #symbols: SymbolTable;
  readonly #custom: CustomOption[];
  readonly #locations: SourceLocation[] = [];

  constructor(file: FileNode, symbols: SymbolTable, custom: CustomOption[]) {
    this.#file = file;
    this.#symbols = symbols;
    this.#custom = custom;
  }

  link(): FileDescriptor {
    const file = this.#file;
    const prefix = file.package;
    const at = paths.file;
    this.#locate([at.syntax], file.declared);
    const indices = (modifier: string) => file.imports.flatMap((entry, i) => (entry.modifier === modifier ? [i] : []));
    const [publicOnes, weakOnes] = [indices("public"), indices("weak")];
    const descriptor = {
      name: file.path,
      package: prefix === "" ? undefined : prefix,
      dependency: some(file.imports.map((entry) => entry.path)),
      publicDependency: some(publicOnes),
      weakDependency: some(weakOnes),
      messageType: some(file.messages.map((message, i) => this.#message(message, prefix, [at.message, i]))),
      enumType: some(file.enums.map((declared, i) => this.#enum(declared, [at.enum, i]))),
      service: some(file.services.map((service, i) => this.#service(service, prefix, [at.service, i]))),
      extension: some(this.#extensions(file.extensions, prefix, [at.extension])),
      options: this.#options(file.options, "file"),
      syntax: file.syntax === "proto2" ? undefined : file.syntax,
      edition: file.syntax === "editions" ? 1000 : undefined,
    };
    return { ...descriptor, sourceCodeInfo: { location: this.#locations } };
  }

  #locate(path: Path, { position, leading, trailing, detached }: Declared): void {
    this.#locations.push({
      path, span: [position.line - 1, position.column - 1, position.column], leadingComments: leading,
      trailingComments: trailing, leadingDetachedComments: detached.length > 0 ? detached : undefined,
    });
  }

  #options(nodes: readonly OptionNode[], place: OptionPlace): Record<string, unknown> | undefined {
    return readOptions(nodes, place, this.#custom);
  }

  #message(message: MessageNode, scope: string, path: Path): MessageDescriptor {
    checkMessage(message, this.#file);
    this.#locate(path, message);
    const name = scope === "" ? message.name : `${scope}.${message.name}`;
    const at = paths.message;
    const oneofs: OneofDescriptor[] = message.oneofs.map((oneof, i) => {
      this.#locate([...path, at.oneof, i], oneof);
      return { name: oneof.name, options: this.#options(oneof.options, "oneof") };
    });
    const entries: Placed[] = [];
    const fields = message.fields.map((field, i) => this.#field(field, name, [...path, at.field, i], entries));
    this.#addSyntheticOneofs(message, fields, oneofs);
    const enums = message.enums.map((declared, i) => this.#enum(declared, [...path, at.enum, i]));
    const ranges = message.extensionRanges.map((range) => (
      { ...exclusive(range), options: this.#options(range.options, "extensionRange") }));
    return {
      name: message.name, field: some(fields),
      extension: some(this.#extensions(message.extensions, name, [...path, at.extension])),
      nestedType: some(this.#nested(message, name, path, entries)), enumType: some(enums),
      extensionRange: some(ranges), oneofDecl: some(oneofs), options: this.#options(message.options, "message"),
      reservedRange: some(message.reserved.ranges.map(exclusive)), reservedName: some([...message.reserved.names]),
    };
  }

  /** Nested messages and the entry messages of maps, in the order in which they stand. */
  #nested(message: MessageNode, name: string, path: Path, entries: readonly Placed[]): MessageDescriptor[] {
    const placed = [
      ...message.messages.map((node) => ({ node, position: node.position, entry: undefined })),
      ...entries.map(({ position, entry }) => ({ node: undefined, position, entry })),
    ].sort((a, b) => a.position.line - b.position.line || a.position.column - b.position.column);
    return placed.map(({ node, entry }, i) => (
      node === undefined ? entry : this.#message(node, name, [...path, paths.message.nested, i])));
  }

  /** protoc gives every proto3 `optional` field a oneof of its own, behind the others. */
  #addSyntheticOneofs(message: MessageNode, fields: FieldDescriptor[], oneofs: OneofDescriptor[]): void {
    if (this.#file.syntax !== "proto3") return;
    const taken = new Set([...message.fields, ...message.oneofs].map((member) => member.name));
    for (const [i, { label, name }] of message.fields.entries()) {
      if (label !== "optional") continue;
      let oneof = `_${name}`;
      while (taken.has(oneof)) oneof = `X${oneof}`;
      taken.add(oneof);
      fields[i] = { ...fields[i] as FieldDescriptor, oneofIndex: oneofs.length, proto3Optional: true };
      oneofs.push({ name: oneof });
    }
  }

  #field(field: FieldNode, scope: string, path: Path, entries: Placed[]): FieldDescriptor {
    this.#locate(path, field);
    const { name, number } = field;
    const options = this.#options(field.options, "field");
    const json = findOption(field.options, "json_name");
    if (json !== undefined && json.value.kind !== "string") refuseAt(json.position, "json_name is a string in quotes");
    const jsonName = json?.value.kind === "string" ? json.value.text : lowerCamel(name);
    if (field.mapKey !== undefined) {
      const entry = `${upperCamel(name)}Entry`;
      entries.push({ position: field.position, entry: this.#entry(entry, field, scope) });
      return {
        name, number, label: labels.repeated, type: fieldTypes["message"], typeName: `.${scope}.${entry}`, options,
        jsonName,
      };
    }
    const type = this.#type(field, scope);
    return {
      name, number, label: labels[field.label ?? "optional"], ...type,
      defaultValue: defaultOf(field, type.type), options, oneofIndex: field.oneof, jsonName,
    };
  }

  #type(field: FieldNode, scope: string): { readonly type: number; readonly typeName?: string } {
    if (isScalarName(field.type)) return { type: fieldTypes[field.type] as number };
    const found = this.#symbols.resolve(field.type, scope, field.typePosition);
    const type = field.group !== undefined ? "group" : found.kind;
    return { type: fieldTypes[type] as number, typeName: `.${found.name}` };
  }

  #entry(name: string, field: FieldNode, scope: string): MessageDescriptor {
    const label = labels.optional;
    const key = { name: "key", number: 1, label, type: fieldTypes[field.mapKey ?? ""], jsonName: "key" };
    const value = { name: "value", number: 2, label, ...this.#type(field, scope), jsonName: "value" };
    return { name, field: [key, value], options: { mapEntry: true } };
  }

  #extensions(nodes: readonly ExtendNode[], scope: string, path: Path): FieldDescriptor[] {
    let index = 0;
    return nodes.flatMap(({ extendee, position, fields }) => {
      const found = this.#symbols.resolve(extendee, scope, position);
      return fields.map((field) => {
        if (field.mapKey !== undefined) refuseAt(field.position, "an extension cannot be a map; use repeated");
        return { ...this.#field(field, scope, [...path, index++], []), extendee: `.${found.name}` };
      });
    });
  }

  #enum(declared: EnumNode, path: Path): EnumDescriptor {
    checkEnum(declared, this.#file);
    this.#locate(path, declared);
    const value = declared.values.map((node, i) => {
      this.#locate([...path, paths.enum.value, i], node);
      return { name: node.name, number: node.number, options: this.#options(node.options, "enumValue") };
    });
    return {
      name: declared.name, value, options: this.#options(declared.options, "enum"),
      reservedRange: some(declared.reserved.ranges.map(({ first, last }) => ({ start: first, end: last }))),
      reservedName: some([...declared.reserved.names]),
    };
  }

  /** The options of a method: the built-in ones, and its paths of plain HTTP. */
  #methodOptions(nodes: readonly OptionNode[], path: Path): Record<string, unknown> | undefined {
    const options = this.#options(nodes.filter((node) => !isHttpOption(node)), "method");
    const at = [...path, paths.method.options, paths.method.http];
    const http = readHttpOption(nodes.filter(isHttpOption), (part, { line, column }) => {
      this.#locations.push({ path: [...at, ...part], span: [line - 1, column - 1, column] });
    });
    return http === undefined ? options : { ...options, http };
  }

  #service(service: ServiceNode, scope: string, path: Path): ServiceDescriptor {
    this.#locate(path, service);
    const method = service.methods.map((node, i) => {
      const at = [...path, paths.service.method, i];
      this.#locate(at, node);
      const [input, output] = [node.input, node.output].map(({ type, position }) => {
        const found = this.#symbols.resolve(type, `${scope}${scope === "" ? "" : "."}${service.name}`, position);
        if (found.kind !== "message") refuseAt(position, `${type} is an enum; a method takes and gives messages`);
        return `.${found.name}`;
      }) as [string, string];
      return {
        name: node.name, inputType: input, outputType: output, options: this.#methodOptions(node.options, at),
        clientStreaming: node.input.isStream || undefined, serverStreaming: node.output.isStream || undefined,
      };
    });
    return { name: service.name, method: some(method), options: this.#options(service.options, "service") };
  }
}

interface Placed {
  readonly position: Declared["position"];
  readonly entry: MessageDescriptor;
}

function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}

function exclusive({ first, last }: RangeNode): DescriptorRange {
  return { start: first, end: last + 1 };
}

/** The text of a `default`, in the form that descriptors have it. */
function defaultOf(field: FieldNode, type: number): string | undefined {
  const option = findOption(field.options, "default");
  if (option === undefined) return undefined;
  const { value, position } = option;
  const isText = type === fieldTypes["string"] || type === fieldTypes["bytes"];
  if (field.label === "repeated") refuseAt(position, "a repeated field has no default value");
  if (type === fieldTypes["message"] || type === fieldTypes["group"]) {
    refuseAt(position, "a message has no default value");
  }
  if (isText !== (value.kind === "string")) refuseAt(position, `the default value of ${field.name} is of another type`);
  switch (value.kind) {
    case "string": return type === fieldTypes["bytes"] ? escapeBytes(value.bytes) : value.text;
    case "identifier": return value.text;
    case "number": return value.integer === undefined ? describeFloat(value.number) : String(value.integer);
    case "list": case "message": return refuseAt(position, `the default value of ${field.name} is of another type`);
    default: return value satisfies never;
  }
}

function describeFloat(number: number): string {
  if (Number.isFinite(number)) return String(number);
  return Number.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
}

/** As C escapes, which is how descriptors hold the default of bytes. */
function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (
    byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x27 && byte !== 0x5c
      ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`)).join("");
}
