/** `exportProto` writes contracts as `.proto` files. */
import { RpcError } from "../../core/error.ts";
import { isType, schemaOf } from "../schema-of.ts";
import type { Model } from "../model.ts";
import { requireModel } from "../schema.ts";
import type { AnyContract } from "../service.ts";
import { applyFacts } from "./apply-facts.ts";
import { describeContracts, protoPath } from "./descriptor.ts";
import type { ProtoFacts } from "./facts.ts";
import type { FileDescriptor } from "./file.ts";
import { printProto } from "./print.ts";

export interface ExportOptions {
  /** What an import kept beside the types, one for each package at most; see {@link ProtoFacts}. */
  readonly facts?: readonly ProtoFacts[] | undefined;
  /** Types to write beside those of the methods, by the package whose own they are. */
  readonly types?: ReadonlyMap<string, readonly Model[]> | undefined;
  /** Paths of files by package. Default: that of the facts, else `pkg/v1/pkg.proto`. */
  readonly path?: ((packageName: string) => string) | undefined;
}

/** One file of an export. */
export interface ExportedProto {
  /** As other files import it. */
  readonly path: string;
  readonly text: string;
}

/** The `.proto` text of the package of one contract; types of other packages are imports of it. */
export function exportProto(contract: AnyContract, options: ExportOptions = {}): string {
  const dot = contract.name.lastIndexOf(".");
  const home = dot === -1 ? "" : contract.name.slice(0, dot);
  const file = exportDescriptors([contract], options).find((one) => (one.package ?? "") === home);
  return printProto(file as FileDescriptor);
}

/**
 * The `.proto` files of contracts: one for each package, dependencies first, proto3 (docs/proto.md has the mapping).
 * Throws `invalid_argument` naming the method and the path of what cannot be said.
 */
export function exportProtoFiles(
  contracts: readonly AnyContract[], options: ExportOptions = {},
): readonly ExportedProto[] {
  return exportDescriptors(contracts, options).map((file) => ({ path: file.name, text: printProto(file) }));
}

/** The descriptors that {@link exportProtoFiles} prints. */
export function exportDescriptors(
  contracts: readonly AnyContract[], options: ExportOptions = {},
): readonly FileDescriptor[] {
  const facts = byPackage(options.facts ?? []);
  const path = options.path ?? ((name: string) => facts.get(name)?.path ?? protoPath(name, contracts));
  return describeContracts(contracts, { path, types: options.types, http: true }).map((file) => {
    const own = facts.get(file.package ?? "");
    return own === undefined ? file : applyFacts(file, own);
  });
}

/** Facts of several files of one package are those of the one file that it becomes: the first's path and options. */
function byPackage(all: readonly ProtoFacts[]): ReadonlyMap<string, ProtoFacts> {
  const facts = new Map<string, ProtoFacts>();
  for (const one of all) {
    const known = facts.get(one.package ?? "");
    facts.set(one.package ?? "", known === undefined ? one : {
      ...one, ...known, types: { ...one.types, ...known.types }, services: { ...one.services, ...known.services },
    });
  }
  return facts;
}

/** What a module of a contract exports, sorted by what it is. */
export interface ContractModule {
  readonly contracts: readonly AnyContract[];
  readonly types: ReadonlyMap<string, readonly Model[]>;
  readonly facts: readonly ProtoFacts[];
}

/**
 * Sorts the exports of a module: contracts, types with a name (`.meta({ id })`), and the facts named `protoFile…`.
 * Throws `invalid_argument` where there is nothing to export.
 */
export function readModule(exports: Readonly<Record<string, unknown>>): ContractModule {
  const contracts: AnyContract[] = [];
  const facts: ProtoFacts[] = [];
  const models: Model[] = [];
  for (const [name, value] of Object.entries(exports)) {
    if (isContract(value)) {
      if (!contracts.some((one) => one === value)) contracts.push(value);
    } else if (isType(value)) {
      const model = namedModel(value, name);
      if (model !== undefined) models.push(model);
    } else if (/^protoFile\d*$/.test(name) && typeof value === "object" && value !== null) facts.push(value);
  }
  if (contracts.length === 0 && models.length === 0) {
    throw new RpcError("invalid_argument",
      "the module exports neither a contract nor a type with a name (.meta({ id }))");
  }
  const [first] = contracts;
  const home = facts[0]?.package ?? first?.name.slice(0, Math.max(0, first.name.lastIndexOf("."))) ?? "";
  return { contracts, types: new Map([[home, models]]), facts };
}

function isContract(value: unknown): value is AnyContract {
  if (typeof value !== "object" || value === null) return false;
  const { name, methods } = value as Partial<AnyContract>;
  return typeof name === "string" && typeof methods === "object" &&
    Object.values(methods).every((method) => typeof method.wireName === "string");
}

/** The model of a type that its user named; others go where they are used. */
function namedModel(type: Parameters<typeof schemaOf>[0], name: string): Model | undefined {
  const meta = (type as { meta?: () => { id?: unknown } | undefined }).meta?.();
  if (typeof meta?.id !== "string") return undefined;
  const model = requireModel(schemaOf(type, name, name));
  return model.kind === "struct" || model.kind === "enum" || model.kind === "union" ? model : undefined;
}
