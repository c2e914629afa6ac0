/** Contracts of descriptors: those of protobuf-es, or the bytes that protoc and buf write. */
import type * as z from "zod";
import type { CallKind } from "../../core/method.ts";
import { RpcError } from "../../core/error.ts";
import { type NoErrors, type Rpc, rpc } from "../rpc.ts";
import { type AnyContract, type Contract, type RpcDeclarations, service } from "../service.ts";
import { type FileDescriptor, paths } from "./file.ts";
import { isMethodName, type ProtoService, readOneService } from "./read-contracts.ts";
import { readFileDescriptorSet, readHttpRuleField } from "./set-bytes.ts";
import { zodMaker } from "./zod-types.ts";

/** A file of protobuf-es (`DescFile`): its descriptor, and the files that it imports. */
export interface DescribedFile {
  /** A message of google.protobuf.FileDescriptorProto. */
  readonly proto: object;
  readonly dependencies: readonly DescribedFile[];
}

type MethodKind = "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";

/** A service of protobuf-es v2 (`DescService`, `GenService`), as far as it is read. */
export interface DescribedService {
  readonly kind: "service";
  readonly typeName: string;
  readonly file: DescribedFile;
  /** By the names that protobuf-es gives methods; `name` is that in `.proto`. */
  readonly method: Readonly<Record<string, { readonly methodKind: MethodKind; readonly name: string }>>;
}

interface Kinds {
  unary: "unary";
  server_streaming: "server_stream";
  client_streaming: "client_stream";
  bidi_streaming: "bidi_stream";
}

/**
 * What a value of a described type is, the compiler does not know: protobuf-es has types of its own for it, with other
 * values (numbers for enums, messages for dates).
 */
// oxlint-disable-next-line typescript/no-explicit-any
type Described = z.ZodType<any, any>;

/** The contract of a described service: its methods by name and kind. */
export type DescribedContract<S extends DescribedService> = Contract<{
  readonly [Name in keyof S["method"]]: Rpc<Kinds[S["method"][Name]["methodKind"]], Described, Described, NoErrors>;
}>;

/**
 * The contract of a service that protobuf-es generated or loaded (`GenService`, `DescService` of @bufbuild/protobuf 2).
 *
 * ```ts
 * import { ElizaService } from "./gen/eliza_pb.js";
 * const eliza = createClient(fromDescriptor(ElizaService), { address });
 * ```
 *
 * Values are those of contracts (docs/proto.md). Throws `invalid_argument` for what a contract cannot say.
 */
export function fromDescriptor<const S extends DescribedService>(described: S): DescribedContract<S> {
  const files = new Map<object, FileDescriptor>();
  collect(described.file, files, 0);
  const read = readOneService([...files.values()], described.typeName);
  const names = new Map(Object.entries(described.method).map(([name, method]) => [method.name, name]));
  const methods = read.methods.map((method) => {
    const name = names.get(method.wireName) ?? method.name;
    // protobuf-es may call a method what a client has itself; that one keeps the name of an import.
    return isMethodName(name) ? { ...method, name } : method;
  });
  return contractOf({ ...read, methods }) as unknown as DescribedContract<S>;
}

/** Most files that one service may need. */
const maxFiles = 10_000;

function collect(file: DescribedFile, files: Map<object, FileDescriptor>, depth: number): void {
  if (files.has(file.proto)) return;
  if (files.size >= maxFiles || depth > 500) throw new RpcError("invalid_argument", `more than ${maxFiles} files`);
  // Entered first, so that its dependencies do not come back here.
  files.set(file.proto, own(file.proto) as FileDescriptor);
  for (const dependency of file.dependencies) collect(dependency, files, depth + 1);
}

/** A message without what it inherits: protobuf-es keeps the values of absent fields in its prototypes. */
function own(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(own);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const plain: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (!key.startsWith("$") && member !== undefined) plain[key] = own(member);
  }
  // Extensions, protobuf-es keeps as fields that it does not know: bytes behind their length.
  const { $unknown = [] } = value as { readonly $unknown?: readonly { readonly no: number; readonly data: unknown }[] };
  for (const { no, data } of $unknown) {
    if (no === paths.method.http && data instanceof Uint8Array) plain["http"] = readHttpRuleField(data);
  }
  return plain;
}

/**
 * The contracts of all services in the bytes of a FileDescriptorSet, by full name: what `protoc --descriptor_set_out
 * --include_imports` and `buf build` write. Throws `invalid_argument` for malformed bytes and for what a contract
 * cannot say.
 */
export function fromFileDescriptorSet(bytes: Uint8Array): Readonly<Record<string, AnyContract>> {
  const files = readFileDescriptorSet(bytes);
  const contracts: Record<string, AnyContract> = Object.create(null) as Record<string, AnyContract>;
  for (const file of files) {
    for (const { name } of file.service ?? []) {
      const fullName = file.package === undefined || file.package === "" ? name : `${file.package}.${name}`;
      contracts[fullName] = contractOf(readOneService(files, fullName));
    }
  }
  return contracts;
}

/** The contract of a service that was read. */
export function contractOf({ name, methods }: ProtoService): AnyContract {
  const make = zodMaker();
  const declarations: Record<string, Rpc> = {};
  for (const method of methods) {
    declarations[method.name] = rpc<Described, Described, CallKind>({
      kind: method.kind, wireName: method.wireName, input: make(method.input), output: make(method.output),
      idempotent: method.idempotent, safe: method.safe,
      ...(method.description === undefined ? {} : { description: method.description }),
      ...(method.http === undefined ? {} : { http: method.http }),
    });
  }
  return service(name, declarations as RpcDeclarations);
}
