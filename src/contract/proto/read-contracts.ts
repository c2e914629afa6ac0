/** `readContracts` finds in `.proto` files what a contract is made of: services, types, and the facts beside them. */
import type { CallKind, Idempotency } from "../../core/method.ts";
import { RpcError } from "../../core/error.ts";
import type { HttpRule } from "../http/rule.ts";
import type { EnumModel, Model, StructModel } from "../model.ts";
import { camelCase, uniqueName } from "../names.ts";
import { factsOf, type ProtoFacts } from "./facts.ts";
import { type FileDescriptor, type HttpOption, type MethodDescriptor, paths, type ServiceDescriptor } from "./file.ts";
import { hasGet, httpRuleFrom, type RefusePart } from "./http-paths.ts";
import { commentText, ProtoIndex } from "./proto-index.ts";
import { TypeReader } from "./read-types.ts";

export interface ProtoMethod {
  /** In the contract: `sayHello`. */
  readonly name: string;
  /** In `.proto`: `SayHello`. */
  readonly wireName: string;
  readonly kind: CallKind;
  readonly idempotent: Idempotency;
  readonly safe: boolean;
  readonly input: Model;
  readonly output: Model;
  readonly description: string | undefined;
  /** Where plain HTTP finds it. */
  readonly http: HttpRule | undefined;
}

export interface ProtoService {
  /** Full name. */
  readonly name: string;
  readonly methods: readonly ProtoMethod[];
  readonly description: string | undefined;
}

export interface ProtoContracts {
  readonly services: readonly ProtoService[];
  /** The messages and enums of the files asked for and those that they refer to; not those of google.protobuf. */
  readonly types: readonly (StructModel | EnumModel)[];
  /** Of types; of enum values by `Type.VALUE`. */
  readonly comments: ReadonlyMap<string, string>;
  /** Of each file asked for. */
  readonly facts: readonly ProtoFacts[];
}

/**
 * `roots` are the names of the files asked for; the first one's package is the contract's. Throws `invalid_argument`
 * with the place of what a contract cannot say: groups, required fields, extensions of messages.
 */
export function readContracts(files: readonly FileDescriptor[], roots: readonly string[]): ProtoContracts {
  const index = new ProtoIndex(files);
  const asked = roots.flatMap((root) => files.filter((file) => file.name === root));
  const home = asked[0]?.package ?? "";
  const reader = new TypeReader(index, home);
  const services = asked.flatMap((file) => (file.service ?? []).map((service, i) => (
    readService(service, file, [paths.file.service, i], index, reader))));
  for (const type of index.types.values()) {
    const isEntry = type.kind === "message" && type.descriptor.options?.["mapEntry"] === true;
    if (asked.includes(type.file) && !isEntry) reader.read(type.fullName);
  }
  for (const file of asked) refuseExtensions(file, index);
  const comments = new Map<string, string>();
  for (const [fullName, model] of reader.models) addComments(fullName, model, index, comments);
  return { services, types: [...reader.models.values()], comments, facts: asked.map(factsOf) };
}

/**
 * The service of this full name and the types that it needs, whatever else is in the files. Its paths of plain HTTP
 * that a contract cannot say are left out: whoever has descriptors has not written them.
 */
export function readOneService(files: readonly FileDescriptor[], fullName: string): ProtoService {
  for (const file of files) {
    const prefix = file.package === undefined ? "" : `${file.package}.`;
    const at = (file.service ?? []).findIndex(({ name }) => prefix + name === fullName);
    const service = file.service?.[at];
    if (service === undefined) continue;
    const index = new ProtoIndex(files);
    const reader = new TypeReader(index, file.package ?? "");
    return readService(service, file, [paths.file.service, at], index, reader, false);
  }
  throw new RpcError("invalid_argument", `the service ${fullName} is in none of the files`);
}

function readService(
  service: ServiceDescriptor, file: FileDescriptor, path: readonly number[], index: ProtoIndex, reader: TypeReader,
  isStrict = true,
): ProtoService {
  const name = file.package === undefined ? service.name : `${file.package}.${service.name}`;
  const names = methodNames((service.method ?? []).map((method) => method.name));
  const methods = (service.method ?? []).map((method, i): ProtoMethod => {
    const at = [...path, paths.service.method, i];
    const level = method.options?.["idempotencyLevel"];
    const [input, output] = [reader.read(method.inputType), reader.read(method.outputType)];
    const owner = { path: `${name}/${method.name}`, kind: kindOf(method), input, output };
    const http = readHttp(method.options?.["http"] as HttpOption | undefined, owner, isStrict, (part, why) => (
      index.refuse(file, [...at, paths.method.options, paths.method.http, ...part], why)));
    // What may be fetched by a link changes nothing, whether or not the file says so to gRPC.
    const safe = level === 1 || http?.isGet === true;
    return {
      name: names.get(method.name) ?? method.name, wireName: method.name, kind: owner.kind,
      idempotent: safe || level === 2, safe, input, output, description: comment(index, file, at), http: http?.rule,
    };
  });
  return { name, methods, description: comment(index, file, path) };
}

function readHttp(
  option: HttpOption | undefined, owner: Parameters<typeof httpRuleFrom>[1], isStrict: boolean, refuse: RefusePart,
): { readonly rule: HttpRule; readonly isGet: boolean } | undefined {
  if (option === undefined) return undefined;
  try {
    return { rule: httpRuleFrom(option, owner, refuse), isGet: hasGet(option) };
  } catch (error) {
    if (isStrict) throw error;
    return undefined;
  }
}

function kindOf({ clientStreaming, serverStreaming }: MethodDescriptor): CallKind {
  if (clientStreaming === true) return serverStreaming === true ? "bidi_stream" : "client_stream";
  return serverStreaming === true ? "server_stream" : "unary";
}

/** A client has these itself; see `service`. */
const reservedNames: ReadonlySet<string> = new Set(["then", "catch", "finally", "close", "toJSON", "prototype"]);

/** Whether a contract can have a method of this name. */
export function isMethodName(name: string): boolean {
  return !reservedNames.has(name) && !(name in Object.prototype) && /^[A-Za-z_]\w*$/.test(name);
}

/**
 * The methods' names in a contract, by those on the wire. Servers take both, so who is called on the wire as another
 * would be here (`foo` beside `Foo`) has the first choice.
 */
function methodNames(wireNames: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  const names = new Map<string, string>();
  const own = (wireName: string): boolean => plainName(wireName) === wireName;
  for (const wireName of [...wireNames.filter(own), ...wireNames.filter((name) => !own(name))]) {
    const name = plainName(wireName);
    const lower = uniqueName(taken, name.toLowerCase());
    names.set(wireName, name + lower.slice(name.length));
  }
  return names;
}

/** `SayHello` → `sayHello`, `URLGet` → `urlGet`, `say_hello` → `sayHello`. */
function plainName(wireName: string): string {
  const lowered = wireName.replace(/^[A-Z]+(?=[A-Z][a-z]|$|[^A-Za-z])/, (word) => word.toLowerCase());
  const plain = camelCase(lowered);
  return isMethodName(plain) ? plain : `${plain}Call`;
}

function comment(index: ProtoIndex, file: FileDescriptor, path: readonly number[]): string | undefined {
  const location = index.location(file, path);
  return commentText(location?.leadingComments) ?? commentText(location?.trailingComments);
}

function addComments(
  fullName: string, model: StructModel | EnumModel, index: ProtoIndex, comments: Map<string, string>,
): void {
  const type = index.type(fullName);
  const own = comment(index, type.file, type.path);
  if (own !== undefined) comments.set(model.name, own);
  if (type.kind === "message") return;
  (type.descriptor.value ?? []).forEach((value, i) => {
    const text = comment(index, type.file, [...type.path, paths.enum.value, i]);
    if (text !== undefined) comments.set(`${model.name}.${value.name}`, text);
  });
}

/** Extensions of options are annotations, which no value on a wire has; others are fields. */
function refuseExtensions(file: FileDescriptor, index: ProtoIndex): void {
  (file.extension ?? []).forEach(({ extendee = "", name }, i) => {
    if (/^\.google\.protobuf\.[A-Za-z]+Options$/.test(extendee)) return;
    index.refuse(file, [paths.file.extension, i],
      `the extension ${name} of ${extendee.slice(1)}: extensions have no place in a contract; add the field itself`);
  });
  for (const type of index.types.values()) {
    if (type.file !== file || type.kind !== "message") continue;
    (type.descriptor.extension ?? []).forEach(({ extendee = "", name }, i) => {
      if (/^\.google\.protobuf\.[A-Za-z]+Options$/.test(extendee)) return;
      index.refuse(file, [...type.path, paths.message.extension, i],
        `the extension ${name} of ${extendee.slice(1)}: extensions have no place in a contract; add the field itself`);
    });
  }
}
