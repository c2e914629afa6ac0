/** `printProto` writes a proto3 descriptor as the text of a `.proto` file. */
import {
  type DescriptorRange, type EnumDescriptor, type FieldDescriptor, type FileDescriptor, fieldTypeNames,
  type HttpOption, labels,
  type MessageDescriptor, type Options, paths, type ServiceDescriptor, type SourceLocation,
} from "./file.ts";
import { printHttpOption } from "./http-option.ts";
import { type OptionPlace, printOptions } from "./link-options.ts";
import { lowerCamel } from "./names.ts";
import { maxFieldNumber } from "./parse-cursor.ts";
import { commentText } from "./proto-index.ts";

/** The text, whose descriptor is the same again. Comments come from the file's source locations. */
export function printProto(file: FileDescriptor): string {
  return new ProtoPrinter(file).print();
}

type Path = readonly number[];

class ProtoPrinter {
  readonly #file: FileDescriptor;
  readonly #locations: ReadonlyMap<string, SourceLocation>;
  /** What the file declares at its top, where a name of another package may be taken for one of these. */
  readonly #topLevel: ReadonlySet<string>;

  constructor(file: FileDescriptor) {
    this.#file = file;
    this.#locations = new Map((file.sourceCodeInfo?.location ?? []).map((entry) => [entry.path.join("."), entry]));
    const declared = [...file.messageType ?? [], ...file.enumType ?? [], ...file.service ?? [],
      ...(file.enumType ?? []).flatMap((entry) => entry.value ?? [])];
    this.#topLevel = new Set([...declared.map((entry) => entry.name), ...(file.package ?? "").split(".").slice(1)]);
  }

  print(): string {
    const file = this.#file;
    const blocks = [`${this.#comment([paths.file.syntax], "")}syntax = "proto3";`];
    if (file.package !== undefined) blocks.push(`package ${file.package};`);
    const imports = (file.dependency ?? []).map((path, i) => {
      const isPublic = file.publicDependency?.includes(i) === true;
      return `import ${isPublic ? "public " : ""}${JSON.stringify(path)};`;
    });
    if (imports.length > 0) blocks.push(imports.join("\n"));
    const options = printOptions(file.options, "file").map(([name, value]) => `option ${name} = ${value};`);
    if (options.length > 0) blocks.push(options.join("\n"));
    (file.service ?? []).forEach((service, i) => blocks.push(this.#service(service, [paths.file.service, i])));
    (file.messageType ?? []).forEach((message, i) => {
      blocks.push(this.#message(message, [paths.file.message, i], "", []));
    });
    (file.enumType ?? []).forEach((declared, i) => blocks.push(this.#enum(declared, [paths.file.enum, i], "")));
    return `${blocks.join("\n\n")}\n`;
  }

  #comment(path: Path, indent: string): string {
    const location = this.#locations.get(path.join("."));
    const text = commentText(location?.leadingComments) ?? commentText(location?.trailingComments);
    if (text === undefined) return "";
    return `${text.split("\n").map((line) => `${indent}// ${line}`.trimEnd()).join("\n")}\n`;
  }

  #service(service: ServiceDescriptor, path: Path): string {
    const lines = optionStatements(service.options, "service", "  ");
    (service.method ?? []).forEach((method, i) => {
      const [input, output] = [method.inputType, method.outputType].map((type) => this.#type(type, []));
      const head = `  rpc ${method.name}(${method.clientStreaming === true ? "stream " : ""}${input}) returns (${
        method.serverStreaming === true ? "stream " : ""}${output})`;
      const options = [...optionStatements(method.options, "method", "    "), ...this.#http(method.options)];
      const body = options.length > 0 ? ` {\n${options.join("\n")}\n  }` : ";";
      lines.push(`${this.#comment([...path, paths.service.method, i], "  ")}${head}${body}`);
    });
    return `${this.#comment(path, "")}service ${service.name} ${braces(lines, "")}`;
  }

  /** Paths of plain HTTP. */
  #http(options: Options | undefined): string[] {
    const rule = options?.["http"] as HttpOption | undefined;
    if (rule === undefined) return [];
    // A package or a type of the file may be called google, too.
    const dot = this.#topLevel.has("google") ? "." : "";
    return [`    option (${dot}google.api.http) = {`, ...printHttpOption(rule, "      "), "    };"];
  }

  #message(message: MessageDescriptor, path: Path, indent: string, around: readonly MessageDescriptor[]): string {
    const inner = `${indent}  `;
    const scopes = [...around, message];
    const entries = new Map((message.nestedType ?? [])
      .filter((nested) => nested.options?.["mapEntry"] === true).map((nested) => [nested.name, nested]));
    const ranges = (message.reservedRange ?? []).map(({ start, end }) => ({ start, end: end - 1 }));
    const lines = [...optionStatements(message.options, "message", inner),
      ...reservedStatements(ranges, message.reservedName, inner, maxFieldNumber)];
    const printed = new Set<number>();
    (message.field ?? []).forEach((field, i) => {
      const at = [...path, paths.message.field, i];
      const oneof = field.proto3Optional === true ? undefined : field.oneofIndex;
      if (oneof === undefined) lines.push(this.#field(field, at, inner, scopes, entries));
      else if (!printed.has(oneof)) {
        printed.add(oneof);
        lines.push(this.#oneof(message, oneof, path, inner, scopes));
      }
    });
    (message.nestedType ?? []).forEach((nested, i) => {
      if (entries.has(nested.name)) return;
      lines.push(this.#message(nested, [...path, paths.message.nested, i], inner, scopes));
    });
    (message.enumType ?? []).forEach((declared, i) => {
      lines.push(this.#enum(declared, [...path, paths.message.enum, i], inner));
    });
    return `${this.#comment(path, indent)}${indent}message ${message.name} ${braces(lines, indent)}`;
  }

  #oneof(
    message: MessageDescriptor, index: number, path: Path, indent: string, scopes: readonly MessageDescriptor[],
  ): string {
    const oneof = message.oneofDecl?.[index];
    const lines = optionStatements(oneof?.options, "oneof", `${indent}  `);
    (message.field ?? []).forEach((field, i) => {
      if (field.oneofIndex !== index || field.proto3Optional === true) return;
      lines.push(this.#field(field, [...path, paths.message.field, i], `${indent}  `, scopes, new Map()));
    });
    const comment = this.#comment([...path, paths.message.oneof, index], indent);
    return `${comment}${indent}oneof ${oneof?.name} ${braces(lines, indent)}`;
  }

  #field(
    field: FieldDescriptor, path: Path, indent: string, scopes: readonly MessageDescriptor[],
    entries: ReadonlyMap<string, MessageDescriptor>,
  ): string {
    const entry = entries.get(field.typeName?.slice(field.typeName.lastIndexOf(".") + 1) ?? "");
    let type = this.#fieldType(field, scopes);
    if (entry !== undefined && field.label === labels.repeated) {
      const [key, value] = (entry.field ?? []).map((part) => this.#fieldType(part, scopes));
      type = `map<${key}, ${value}>`;
    } else if (field.label === labels.repeated) type = `repeated ${type}`;
    else if (field.proto3Optional === true) type = `optional ${type}`;
    const options = printOptions(field.options, "field");
    if (field.jsonName !== undefined && field.jsonName !== lowerCamel(field.name)) {
      options.push(["json_name", JSON.stringify(field.jsonName)]);
    }
    return `${this.#comment(path, indent)}${indent}${type} ${field.name} = ${field.number}${bracketed(options)};`;
  }

  #fieldType(field: FieldDescriptor, scopes: readonly MessageDescriptor[]): string {
    if (field.typeName === undefined) return fieldTypeNames.get(field.type ?? 0) ?? "";
    return this.#type(field.typeName, scopes);
  }

  /** The shortest name that means this type from inside `scopes`. */
  #type(typeName: string, scopes: readonly MessageDescriptor[]): string {
    const prefix = this.#file.package === undefined ? "." : `.${this.#file.package}.`;
    const isOwn = typeName.startsWith(prefix) && this.#topLevel.has(typeName.slice(prefix.length).split(".")[0] ?? "");
    const relative = isOwn ? typeName.slice(prefix.length) : typeName.slice(1);
    const [first = ""] = relative.split(".", 1);
    const isHidden = scopes.some((message) => declaresName(message, first)) || (!isOwn && this.#topLevel.has(first));
    return isHidden ? typeName : relative;
  }

  #enum(declared: EnumDescriptor, path: Path, indent: string): string {
    const inner = `${indent}  `;
    const lines = [...optionStatements(declared.options, "enum", inner),
      ...reservedStatements(declared.reservedRange ?? [], declared.reservedName, inner, 2 ** 31 - 1)];
    (declared.value ?? []).forEach(({ name, number, options }, i) => {
      const comment = this.#comment([...path, paths.enum.value, i], inner);
      lines.push(`${comment}${inner}${name} = ${number}${bracketed(printOptions(options, "enumValue"))};`);
    });
    return `${this.#comment(path, indent)}${indent}enum ${declared.name} ${braces(lines, indent)}`;
  }
}

/** Whether a name is found inside this message before it would be sought outside. */
function declaresName(message: MessageDescriptor, name: string): boolean {
  const members = [...message.nestedType ?? [], ...message.enumType ?? [], ...message.field ?? [],
    ...message.oneofDecl ?? [], ...(message.enumType ?? []).flatMap((entry) => entry.value ?? [])];
  return members.some((member) => member.name === name);
}

function braces(lines: readonly string[], indent: string): string {
  return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${indent}}`;
}

function bracketed(options: readonly [string, string][]): string {
  return options.length === 0 ? "" : ` [${options.map(([name, value]) => `${name} = ${value}`).join(", ")}]`;
}

function optionStatements(options: Options | undefined, place: OptionPlace, indent: string): string[] {
  return printOptions(options, place).filter(([name]) => name !== "map_entry")
    .map(([name, value]) => `${indent}option ${name} = ${value};`);
}

/** Both ends of `ranges` are inclusive. */
function reservedStatements(
  ranges: readonly DescriptorRange[], names: readonly string[] | undefined, indent: string, max: number,
): string[] {
  const numbers = ranges.map(({ start, end }) => (
    start === end ? String(start) : `${start} to ${end === max ? "max" : end}`));
  return [
    ...(numbers.length > 0 ? [`${indent}reserved ${numbers.join(", ")};`] : []),
    ...(names !== undefined && names.length > 0
      ? [`${indent}reserved ${names.map((name) => JSON.stringify(name)).join(", ")};`] : []),
  ];
}
