/**
 * `describeContracts` says contracts as files of Protocol Buffers: the descriptors that reflection serves, that
 * `.proto` files are printed from, and that every Protobuf library can load.
 */
import { RpcError } from "../../core/error.ts";
import type { AnyMethod } from "../method.ts";
import type { Model } from "../model.ts";
import type { AnyContract } from "../service.ts";
import { packageOf } from "./describe-names.ts";
import { isFile, type ProtoPackage, ProtoTypes } from "./describe-types.ts";
import {
  type FileDescriptor, type MessageDescriptor, type MethodDescriptor, paths, type ServiceDescriptor,
  type SourceLocation,
} from "./file.ts";
import { httpOptionOf } from "./http-paths.ts";
import { loadProto } from "./load.ts";
import { snake } from "./names.ts";
import { annotationsFile } from "./well-known-files.ts";

export interface DescribeOptions {
  /** Paths of files by package. Default: see {@link protoPath}. */
  readonly path?: ((packageName: string) => string) | undefined;
  /** Whether the data of declared errors are described too; nothing in `.proto` refers to them. Default true. */
  readonly errors?: boolean | undefined;
  /** Types to describe beside those of the methods, by the package whose own they are. */
  readonly types?: ReadonlyMap<string, readonly Model[]> | undefined;
  /**
   * Whether paths of plain HTTP are described too, as `google.api.http`. Its file extends descriptor.proto, of which
   * {@link withDependencies} has no more than a stub: fit for compilers that have their own, not for reflection.
   * Default false.
   */
  readonly http?: boolean | undefined;
}

/**
 * One file for each package, dependencies first, all in proto3. Types of equal name and structure are declared once;
 * of unequal ones the second is called `Name2`. Files of `google/protobuf` are referred to, not included: see
 * {@link withDependencies}. Throws `invalid_argument` naming the method and the path of what cannot be said.
 */
export function describeContracts(
  contracts: readonly AnyContract[], options: DescribeOptions = {},
): readonly FileDescriptor[] {
  const types = new ProtoTypes();
  const services = new Map<ProtoPackage, ServiceDescriptor[]>();
  // The names of services first: no message may take one.
  for (const { name } of contracts) types.package(packageOf(name)).taken.add(lastOf(name));
  for (const contract of contracts) {
    const home = types.package(packageOf(contract.name));
    const described = describeService(contract, home, types, options.http === true);
    const known = services.get(home);
    if (known === undefined) services.set(home, [described]);
    else known.push(described);
  }
  for (const contract of options.errors === false ? [] : contracts) describeErrors(contract, types);
  for (const [name, models] of options.types ?? []) {
    const scope = { home: name, owner: types.package(name) };
    for (const model of models) types.at(`type ${wordOf(model)}`, () => types.value(model, scope));
  }
  const path = options.path ?? ((name: string) => protoPath(name, contracts));
  return inOrder([...types.packages.values()], path)
    .map((one) => finishFile(one, services.get(one) ?? [], types, path));
}

/** `weather.v1` → `weather/v1/weather.proto`; without a package, the first service's name. */
export function protoPath(packageName: string, contracts: readonly AnyContract[] = []): string {
  if (packageName === "") {
    const first = contracts.find(({ name }) => packageOf(name) === "");
    return `${snake(first?.name ?? "types")}.proto`;
  }
  const parts = packageName.split(".");
  const stem = parts.findLast((part) => !/^v\d/.test(part)) ?? "types";
  return `${parts.join("/")}/${stem}.proto`;
}

/** The same files behind the well-known ones that they depend on, as a FileDescriptorSet has them. */
export function withDependencies(files: readonly FileDescriptor[]): readonly FileDescriptor[] {
  const own = new Set(files.map(({ name }) => name));
  const needed = new Set(files.flatMap(({ dependency = [] }) => dependency).filter((path) => !own.has(path)));
  const known = loadProto([...needed], () => undefined).files.map((file) => ({ ...file, sourceCodeInfo: undefined }));
  return [...known, ...files];
}

function describeService(
  contract: AnyContract, home: ProtoPackage, types: ProtoTypes, hasHttp: boolean,
): ServiceDescriptor {
  const method = Object.values(contract.methods).map((one) => describeMethod(one, home, types, hasHttp));
  return { name: lastOf(contract.name), method };
}

function describeMethod(
  method: AnyMethod, home: ProtoPackage, types: ProtoTypes, hasHttp: boolean,
): MethodDescriptor {
  const http = hasHttp ? httpOptionOf(method) : undefined;
  if (http !== undefined) home.uses.add(annotationsFile);
  // NO_SIDE_EFFECTS, which clients of Connect need to know before they call by GET, or IDEMPOTENT.
  const idempotencyLevel = method.safe === true ? 1 : method.idempotent === true ? 2 : undefined;
  const described: MethodDescriptor = {
    name: method.wireName,
    inputType: types.message(method.input, home, method.path, "input"),
    outputType: types.message(method.output, home, method.path, "output"),
    options: idempotencyLevel === undefined && http === undefined ? undefined : { idempotencyLevel, http },
    clientStreaming: method.kind === "client_stream" || method.kind === "bidi_stream" ? true : undefined,
    serverStreaming: method.kind === "server_stream" || method.kind === "bidi_stream" ? true : undefined,
  };
  if (method.description !== undefined) types.comments.set(described, method.description);
  return described;
}

function describeErrors(contract: AnyContract, types: ProtoTypes): void {
  const home = types.package(packageOf(contract.name));
  for (const method of Object.values(contract.methods)) {
    for (const [name, schema] of Object.entries(method.errors)) {
      types.message(schema, home, method.path, `errors.${name}`);
    }
  }
}

function finishFile(
  one: ProtoPackage, service: readonly ServiceDescriptor[], types: ProtoTypes, path: (name: string) => string,
): FileDescriptor {
  const dependency = [...one.uses].map((use) => (isFile(use) ? use : path(use))).sort();
  const messageType = one.messages.map((message) => message.finish());
  const file = {
    name: path(one.name), package: one.name === "" ? undefined : one.name, dependency: some(dependency),
    messageType: some(messageType), enumType: some(one.enums), service: some(service), syntax: "proto3",
  };
  const location = locationsOf(file, types.comments);
  return { ...file, sourceCodeInfo: location.length > 0 ? { location } : undefined };
}

/** Packages behind those that they use. */
function inOrder(packages: readonly ProtoPackage[], path: (name: string) => string): readonly ProtoPackage[] {
  const ordered = new Set<ProtoPackage>();
  const open: ProtoPackage[] = [];
  const visit = (one: ProtoPackage): void => {
    if (ordered.has(one)) return;
    if (open.includes(one)) {
      const ring = [...open.slice(open.indexOf(one)), one].map(({ name }) => path(name)).join(" → ");
      throw new RpcError("invalid_argument", `types of these packages need each other, which .proto forbids: ${ring}`);
    }
    open.push(one);
    for (const other of packages) if (one.uses.has(other.name) && other !== one) visit(other);
    open.pop();
    ordered.add(one);
  };
  for (const one of packages) visit(one);
  return [...ordered];
}

/** Comments where descriptors have them. Lines and columns would be those of a file that nobody wrote. */
function locationsOf(file: FileDescriptor, comments: ReadonlyMap<object, string>): readonly SourceLocation[] {
  const locations: SourceLocation[] = [];
  const note = (described: object, path: readonly number[]): void => {
    const text = comments.get(described);
    if (text === undefined) return;
    const leadingComments = text.split("\n").map((line) => (line === "" ? "\n" : ` ${line}\n`)).join("");
    locations.push({ path, span: [0, 0, 0], leadingComments });
  };
  const visit = (message: MessageDescriptor, path: readonly number[]): void => {
    for (const [i, field] of (message.field ?? []).entries()) note(field, [...path, paths.message.field, i]);
    for (const [i, nested] of (message.nestedType ?? []).entries()) visit(nested, [...path, paths.message.nested, i]);
  };
  for (const [i, message] of (file.messageType ?? []).entries()) visit(message, [paths.file.message, i]);
  for (const [i, service] of (file.service ?? []).entries()) {
    const path = [paths.file.service, i];
    for (const [j, method] of (service.method ?? []).entries()) note(method, [...path, paths.service.method, j]);
  }
  return locations;
}

function lastOf(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf(".") + 1);
}

function wordOf(model: Model): string {
  return "name" in model ? model.name : model.kind;
}

function some<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
