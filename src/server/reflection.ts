/**
 * Reflection lets tools ask a server what it serves (`grpc.reflection.v1` and `v1alpha`): `buf curl`, grpcurl and
 * Postman call methods by it without a `.proto` file.
 *
 * The protocol is that of https://github.com/grpc/grpc/blob/v1.66.0/doc/server-reflection.md.
 */
import { type Code, codeNumber } from "../core/code.ts";
import { RpcError } from "../core/error.ts";
import { describeContracts, withDependencies } from "../contract/proto/descriptor.ts";
import { SymbolIndex } from "../contract/proto/symbol-index.ts";
import { wellKnownFiles } from "../contract/proto/well-known-files.ts";
import { loadProto } from "../contract/proto/load.ts";
import type { AnyContract } from "../contract/service.ts";
import type { Handlers } from "../contract/types.ts";
import type { ReflectionRequest, ReflectionResponse, ServerReflection } from "./reflection-contract.ts";

export { ServerReflection, ServerReflectionAlpha } from "./reflection-contract.ts";

export interface ReflectionOptions {
  /** The contracts that are implemented, those of this service included. */
  readonly contracts: () => readonly AnyContract[];
}

/**
 * Handlers of {@link ServerReflection} and {@link ServerReflectionAlpha}:
 * `server.implement(ServerReflection, reflectionOf({ contracts: () => implemented }))`. Descriptors are made at the
 * first question, and again when contracts were added.
 */
export function reflectionOf({ contracts }: ReflectionOptions): Handlers<typeof ServerReflection> {
  let described: Described | undefined;
  const current = (): Described => {
    const all = contracts();
    if (described?.contracts !== all.length) described = describeAll(all);
    return described;
  };
  return {
    async *serverReflectionInfo(requests) {
      const sent = new Set<string>();
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request, current(), sent) };
      }
    },
  };
}

interface Described {
  /** How many there were. */
  readonly contracts: number;
  readonly services: readonly string[];
  readonly index: SymbolIndex;
  /** Why a service has no descriptor. */
  readonly failures: ReadonlyMap<string, string>;
}

type Answer = ReflectionResponse["messageResponse"];

/** `sent` are the files that this stream has had: what they depend on is not sent again. */
function answer({ messageRequest }: ReflectionRequest, described: Described, sent: Set<string>): Answer {
  const { index, services } = described;
  switch (messageRequest?.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: services.map((name) => ({ name })) } };
    case "fileByFilename": {
      const name = messageRequest.value;
      return index.has(name) ? fileAnswer(name, index, sent) : failed("not_found", `no file ${quoted(name)} here`);
    }
    case "fileContainingSymbol": {
      const symbol = messageRequest.value;
      const file = index.fileOf(symbol);
      if (file !== undefined) return fileAnswer(file, index, sent);
      return failed("not_found", described.failures.get(symbol) ?? `nothing here is called ${quoted(symbol)}`);
    }
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = messageRequest.value;
      const wanted = `extension ${extensionNumber} of ${quoted(containingType)}`;
      return failed("not_found", `no ${wanted} here: contracts have none`);
    }
    case "allExtensionNumbersOfType": {
      const type = messageRequest.value;
      if (!index.isMessage(type)) return failed("not_found", `no message ${quoted(type)} here`);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: type, extensionNumber: [] } };
    }
    case undefined: return failed("invalid_argument", "the request asks nothing that is known here");
    default: return messageRequest satisfies never;
  }
}

function fileAnswer(name: string, index: SymbolIndex, sent: Set<string>): Answer {
  const names = index.withDependencies(name).filter((one) => one === name || !sent.has(one));
  for (const one of names) sent.add(one);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: names.map((one) => index.bytes(one)) } };
}

function failed(code: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode: codeNumber(code), errorMessage } };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 256));
}

/**
 * Contracts that Protocol Buffers cannot say (types of other libraries, whose structure is unknown) are listed, but
 * have no descriptor; the others do not suffer for them.
 */
function describeAll(contracts: readonly AnyContract[]): Described {
  const failures = new Map<string, string>();
  const attempt = (some: readonly AnyContract[]) => {
    try {
      return describeContracts(some);
    } catch (error) {
      for (const { name } of some) failures.set(name, `${name} has no descriptor: ${RpcError.from(error).message}`);
      return undefined;
    }
  };
  let files = attempt(contracts);
  if (files === undefined) {
    failures.clear();
    files = attempt(contracts.filter((one) => attempt([one]) !== undefined)) ?? [];
  }
  const own = new Set(files.map(({ name }) => name));
  // Also those that nothing refers to: they are what error details are made of.
  const others = [...wellKnownFiles.keys()].filter((path) => path !== stub && !own.has(path));
  const known = loadProto(others, () => undefined).files.map((file) => ({ ...file, sourceCodeInfo: undefined }));
  const all = new Map([...known, ...withDependencies(files)].map((file) => [file.name, file]));
  return {
    contracts: contracts.length, services: contracts.map(({ name }) => name).sort(), failures,
    index: new SymbolIndex([...all.values()]),
  };
}

/** Known only as far as custom options need it, which contracts have not. */
const stub = "google/protobuf/descriptor.proto";
