/** `applyFacts` puts back into a descriptor what types have no word for; see facts.ts. */
import { RpcError } from "../../core/error.ts";
import type { OptionFacts, ProtoFacts, TypeFacts } from "./facts.ts";
import {
  type DescriptorRange, type EnumDescriptor, type FieldDescriptor, type FileDescriptor, type MessageDescriptor,
  type OneofDescriptor, type Options, type ServiceDescriptor,
} from "./file.ts";
import { type OptionPlace, optionsFrom } from "./link-options.ts";
import { snake } from "./names.ts";
import { maxFieldNumber } from "./parse-cursor.ts";

/** The file with the facts. Throws `invalid_argument` for facts of what the file does not have. */
export function applyFacts(file: FileDescriptor, facts: ProtoFacts): FileDescriptor {
  const known = new Set<string>();
  const messages = (file.messageType ?? []).map((message) => applyToMessage(message, "", facts, known));
  const enums = (file.enumType ?? []).map((declared) => applyToEnum(declared, declared.name, facts, known));
  const services = (file.service ?? []).map((service) => applyToService(service, facts));
  for (const name of Object.keys(facts.types ?? {})) {
    if (!known.has(name)) throw new RpcError("invalid_argument", `protoFile: no type ${name} goes into ${file.name}`);
  }
  return {
    ...file, options: merged(file.options, facts.options, "file"), messageType: some(messages), enumType: some(enums),
    service: some(services),
  };
}

function applyToMessage(
  message: MessageDescriptor, prefix: string, all: ProtoFacts, known: Set<string>,
): MessageDescriptor {
  const name = prefix + message.name;
  const facts = factsFor(all, name, known);
  const nestedType = (message.nestedType ?? []).map((nested) => applyToMessage(nested, `${name}.`, all, known));
  const enumType = (message.enumType ?? []).map((nested) => applyToEnum(nested, `${name}.${nested.name}`, all, known));
  const field = (message.field ?? []).map((one) => (
    { ...one, options: merged(one.options, own(facts.fields, one.name), "field") }));
  const oneofs = new Map(Object.entries(facts.oneofs ?? {}).map(([key, value]) => [snake(key), value]));
  const oneofDecl = (message.oneofDecl ?? []).map((oneof) => (
    { ...oneof, name: oneofs.get(oneof.name) ?? oneof.name }));
  addOptional(field, oneofDecl, facts.optional ?? []);
  const ranges = (facts.reserved ?? []).map((text) => readRange(text, name, maxFieldNumber))
    .map(({ start, end }) => ({ start, end: end + 1 }));
  return {
    ...message, field: some(field), nestedType: some(nestedType), enumType: some(enumType), oneofDecl: some(oneofDecl),
    options: merged(message.options, facts.options, "message"), reservedRange: some(ranges),
    reservedName: some(facts.reservedNames ?? []),
  };
}

/** Message fields that say `optional`, which they need not. The oneofs that protoc adds are in the fields' order. */
function addOptional(fields: FieldDescriptor[], oneofs: OneofDescriptor[], names: readonly string[]): void {
  if (names.length === 0) return;
  const synthetic = new Set(fields.filter((field) => field.proto3Optional === true).map((field) => field.oneofIndex));
  const real = oneofs.filter((_, i) => !synthetic.has(i));
  oneofs.splice(0, oneofs.length, ...real);
  const taken = new Set([...fields, ...real].map(({ name }) => name));
  for (const [i, field] of fields.entries()) {
    if (field.proto3Optional !== true && !names.includes(field.name)) continue;
    let name = `_${field.name}`;
    while (taken.has(name)) name = `X${name}`;
    taken.add(name);
    fields[i] = { ...field, proto3Optional: true, oneofIndex: oneofs.push({ name }) - 1 };
  }
}

function applyToEnum(declared: EnumDescriptor, name: string, all: ProtoFacts, known: Set<string>): EnumDescriptor {
  const facts = factsFor(all, name, known);
  const aliases = Object.entries(facts.aliases ?? {}).map(([alias, number]) => ({ name: alias, number }));
  const value = [...declared.value ?? [], ...aliases].map((one) => (
    { ...one, options: merged("options" in one ? one.options : undefined, own(facts.values, one.name), "enumValue") }));
  return {
    ...declared, value, options: merged(declared.options, facts.options, "enum"),
    reservedRange: some((facts.reserved ?? []).map((text) => readRange(text, name, 2 ** 31 - 1))),
    reservedName: some(facts.reservedNames ?? []),
  };
}

function applyToService(service: ServiceDescriptor, all: ProtoFacts): ServiceDescriptor {
  const facts = own(all.services, service.name);
  if (facts === undefined) return service;
  const method = (service.method ?? []).map((one) => (
    { ...one, options: withoutUnknown(merged(one.options, own(facts.methods, one.name), "method")) }));
  return { ...service, method: some(method), options: merged(service.options, facts.options, "service") };
}

/** That nothing is known of repeats is what the absence of the option says. */
function withoutUnknown(options: Options | undefined): Options | undefined {
  return options?.["idempotencyLevel"] === 0 ? { ...options, idempotencyLevel: undefined } : options;
}

function factsFor(all: ProtoFacts, name: string, known: Set<string>): TypeFacts {
  const facts = own(all.types, name);
  if (facts !== undefined) known.add(name);
  return facts ?? {};
}

function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}

function merged(options: Options | undefined, facts: OptionFacts | undefined, place: OptionPlace): Options | undefined {
  return facts === undefined ? options : { ...options, ...optionsFrom(facts, place) };
}

/** Both ends inclusive. */
function readRange(text: string, owner: string, max: number): DescriptorRange {
  const [, first, last = first] = /^(-?\d{1,10})(?: to (-?\d{1,10}|max))?$/.exec(text) ?? [];
  if (first === undefined) {
    throw new RpcError("invalid_argument",
      `protoFile: ${owner} reserves ${JSON.stringify(text)}; write "2" or "9 to 11"`);
  }
  return { start: Number(first), end: last === "max" ? max : Number(last) };
}

function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
