/** `exportThrift` writes contracts as `.thrift` files. */
import { RpcError } from "../../core/error.ts";
import type { Model } from "../model.ts";
import type { AnyContract } from "../service.ts";
import { stemOf, ThriftWriter } from "./describe.ts";

export interface ExportThriftOptions {
  /** Types to write beside those of the methods, by the package whose own they are. */
  readonly types?: ReadonlyMap<string, readonly Model[]> | undefined;
}

/** One file of an export. */
export interface ExportedThrift {
  /** As other files include it. */
  readonly path: string;
  readonly text: string;
}

/**
 * The `.thrift` files of contracts: one for each package, those included first. What Thrift has no word for (unsigned
 * integers, codes of errors, safety) is in annotations `meridian.…`, which its compiler passes over and an import
 * reads.
 *
 * Throws `invalid_argument` naming the method and the path of what cannot be said: streams, names that are words of
 * Thrift, field numbers above 32,767, packages that need each other.
 */
export function exportThrift(
  contracts: readonly AnyContract[], options: ExportThriftOptions = {},
): readonly ExportedThrift[] {
  const writer = new ThriftWriter(contracts.map(({ name }) => name));
  for (const [home, models] of options.types ?? []) for (const model of models) writer.type(model, home);
  for (const contract of contracts) writer.contract(contract);
  return inOrder(writer).map((home) => ({ path: `${stemOf(home)}.thrift`, text: textOf(home, writer) }));
}

function textOf(home: string, writer: ThriftWriter): string {
  const includes = [...writer.includes.get(home) ?? []].map((name) => `include "${stemOf(name)}.thrift"\n`).join("");
  const definitions = [...writer.packages.get(home)?.values() ?? []];
  return [
    ...(includes === "" ? [] : [includes]), ...(home === "" ? [] : [`namespace * ${home}\n`]), ...definitions,
  ].join("\n");
}

/** Packages behind those that they include. */
function inOrder({ packages, includes }: ThriftWriter): readonly string[] {
  const ordered = new Set<string>();
  const open: string[] = [];
  const visit = (home: string): void => {
    if (ordered.has(home)) return;
    if (open.includes(home)) throw circle([...open, home]);
    open.push(home);
    for (const needed of includes.get(home) ?? []) visit(needed);
    open.pop();
    ordered.add(home);
  };
  for (const home of packages.keys()) visit(home);
  return [...ordered];
}

function circle(names: readonly string[]): RpcError {
  return new RpcError("invalid_argument",
    `packages include each other, which Thrift's files cannot: ${names.join(" → ")}; move their types into one`);
}
