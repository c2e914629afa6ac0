/**
 * ProtoFacts are what a `.proto` file says that types have no word for: options, what is reserved, aliases. An import
 * writes them as the export `protoFile` of the contract's module, and an export puts them back.
 */
import {
  type DescriptorRange, type EnumDescriptor, type FieldDescriptor, type FileDescriptor, type HttpOption,
  type MessageDescriptor, type Options, type ServiceDescriptor,
} from "./file.ts";
import { hasGet } from "./http-paths.ts";
import { type OptionPlace, optionValues } from "./link-options.ts";
import { lowerCamel, snake } from "./names.ts";
import { maxFieldNumber } from "./parse-cursor.ts";

/** Built-in options by their names in `.proto`; enums are names: `{ jstype: "JS_STRING" }`. */
export type OptionFacts = Readonly<Record<string, string | boolean>>;

export interface TypeFacts {
  readonly options?: OptionFacts;
  /** Numbers nobody may use again: `"2"`, `"9 to 11"`. */
  readonly reserved?: readonly string[];
  readonly reservedNames?: readonly string[];
  /** Of a message's fields, by their names in `.proto`. */
  readonly fields?: Readonly<Record<string, OptionFacts>>;
  /** Of a message's oneofs whose name in `.proto` does not follow from the property's: by the property. */
  readonly oneofs?: Readonly<Record<string, string>>;
  /** Message fields that are written `optional`, as which they mean the same. */
  readonly optional?: readonly string[];
  /** Of an enum's values. */
  readonly values?: Readonly<Record<string, OptionFacts>>;
  /** Further names of an enum's numbers. */
  readonly aliases?: Readonly<Record<string, number>>;
}

export interface ServiceFacts {
  readonly options?: OptionFacts;
  /** By their names in `.proto`. */
  readonly methods?: Readonly<Record<string, OptionFacts>>;
}

export interface ProtoFacts {
  /** As other files import it: `helloworld.proto`. */
  readonly path?: string;
  readonly package?: string;
  readonly options?: OptionFacts;
  /** By path of names: `Outer.Inner`. */
  readonly types?: Readonly<Record<string, TypeFacts>>;
  readonly services?: Readonly<Record<string, ServiceFacts>>;
}

/** The facts of a file; undefined members where there are none. */
export function factsOf(file: FileDescriptor): ProtoFacts {
  const types: Record<string, TypeFacts> = {};
  const add = (name: string, facts: TypeFacts): void => {
    if (Object.keys(facts).length > 0) types[name] = facts;
  };
  const visit = (messages: readonly MessageDescriptor[], enums: readonly EnumDescriptor[], prefix: string): void => {
    for (const message of messages) {
      if (message.options?.["mapEntry"] === true) continue;
      add(prefix + message.name, messageFacts(message));
      visit(message.nestedType ?? [], message.enumType ?? [], `${prefix}${message.name}.`);
    }
    for (const declared of enums) add(prefix + declared.name, enumFacts(declared));
  };
  visit(file.messageType ?? [], file.enumType ?? [], "");
  return compact<ProtoFacts>({
    path: file.name, package: file.package, options: optionFacts(file.options, "file"),
    types: compact<Record<string, TypeFacts>>(types),
    services: compact<Record<string, ServiceFacts>>(Object.fromEntries(
      (file.service ?? []).map((service) => [service.name, serviceFacts(service)]))),
  }) ?? {};
}

function messageFacts(message: MessageDescriptor): TypeFacts {
  const fields = message.field ?? [];
  // Numbers kept for extensions are taken by somebody: nobody else may have them.
  const ranges = [...message.reservedRange ?? [], ...message.extensionRange ?? []];
  const optional = fields.filter((field) => field.proto3Optional === true && field.type === 11);
  return compact<TypeFacts>({
    options: optionFacts(message.options, "message"),
    reserved: some(ranges.map(({ start, end }) => describeRange({ start, end: end - 1 }, maxFieldNumber))),
    reservedNames: some(message.reservedName ?? []),
    fields: compact<Record<string, OptionFacts>>(Object.fromEntries(
      fields.map((field) => [field.name, optionFacts(field.options, "field")]))),
    oneofs: compact<Record<string, string>>(Object.fromEntries((message.oneofDecl ?? [])
      .filter(({ name }) => snake(lowerCamel(name)) !== name && !isSynthetic(name, fields))
      .map(({ name }) => [lowerCamel(name), name]))),
    optional: some(optional.map((field) => field.name)),
  }) ?? {};
}

/** Whether a oneof is the one that protoc gives an optional field. */
function isSynthetic(name: string, fields: readonly FieldDescriptor[]): boolean {
  return /^X*_/.test(name) && fields.some((field) => field.proto3Optional === true && name.endsWith(`_${field.name}`));
}

function enumFacts(declared: EnumDescriptor): TypeFacts {
  const numbers = new Set<number>();
  const aliases: Record<string, number> = {};
  for (const { name, number } of declared.value ?? []) {
    if (numbers.has(number)) aliases[name] = number;
    numbers.add(number);
  }
  return compact<TypeFacts>({
    options: optionFacts(declared.options, "enum"),
    reserved: some((declared.reservedRange ?? []).map((range) => describeRange(range, 2 ** 31 - 1))),
    reservedNames: some(declared.reservedName ?? []),
    values: compact<Record<string, OptionFacts>>(Object.fromEntries(
      (declared.value ?? []).map((value) => [value.name, optionFacts(value.options, "enumValue")]))),
    aliases: compact<Record<string, number>>(aliases),
  }) ?? {};
}

function serviceFacts(service: ServiceDescriptor): ServiceFacts | undefined {
  const methods = (service.method ?? []).map((method) => {
    const { idempotency_level: level = "IDEMPOTENCY_UNKNOWN", ...rest } = optionFacts(method.options, "method") ?? {};
    // The contract says itself what bears a repeat, but that a GET does so follows from its path.
    const http = method.options?.["http"] as HttpOption | undefined;
    const isUnsaid = http !== undefined && hasGet(http) && level !== "NO_SIDE_EFFECTS";
    return [method.name, compact<OptionFacts>(isUnsaid ? { idempotency_level: level, ...rest } : rest)];
  });
  return compact<ServiceFacts>({
    options: optionFacts(service.options, "service"),
    methods: compact<Record<string, OptionFacts>>(Object.fromEntries(methods)),
  });
}

function optionFacts(options: Options | undefined, place: OptionPlace): OptionFacts | undefined {
  // Features say how this file differs from its edition; an export is proto3, where presence says it field by field.
  return compact<OptionFacts>(
    Object.fromEntries(optionValues(options, place).filter(([name]) => !name.startsWith("features."))));
}

/** Both ends inclusive. */
function describeRange({ start, end }: DescriptorRange, max: number): string {
  if (start === end) return String(start);
  return `${start} to ${end === max ? "max" : end}`;
}

/** Without the members that are undefined; undefined if none is left. */
function compact<T>(members: { readonly [K in keyof T]: T[K] | undefined }): T | undefined {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) as T : undefined;
}

function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
