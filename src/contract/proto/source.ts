/** `printContracts` writes the contracts of `.proto` files as the TypeScript module that a person would keep. */
import type { Model } from "../model.ts";
import { pascalCase, uniqueName } from "../names.ts";
import type { ProtoFacts } from "./facts.ts";
import type { ProtoContracts, ProtoMethod, ProtoService } from "./read-contracts.ts";
import {
  type NamedType, printComment, printEnum, printKey, printModel, printStruct, printText, type SourceNames, typesIn,
} from "./source-types.ts";

export interface SourceOptions {
  /** What the module imports `service`, `rpc` and the rest from. Default `meridian-rpc`. */
  readonly from?: string | undefined;
}

/** Names that the module itself, or JavaScript, has other uses for. */
const takenNames = [
  "z", "service", "rpc", "field", "bytes", "oneof", "openEnum", "scalar", "wellKnown", "protoFile", "Uint8Array",
];

/** The text of a module: types in the order in which they need each other, then services, then `protoFile`. */
export function printContracts(contracts: ProtoContracts, options: SourceOptions = {}): string {
  const used = new Set<string>();
  const taken = new Set(takenNames);
  const serviceNames = contracts.services.map(({ name }) => uniqueName(taken, constantName(name)));
  const constants = new Map<Model, string>();
  for (const type of contracts.types) constants.set(type, uniqueName(taken, constantName(type.name)));
  const declared = new Set<Model>();
  const names: SourceNames = {
    constants,
    isDeclared: (model) => declared.has(model),
    use: (name) => used.add(name),
    comment: (name) => contracts.comments.get(name),
  };
  const types = inOrder(contracts.types).map((type) => {
    const text = type.kind === "enum" ? printEnum(type, names) : printStruct(type, names);
    declared.add(type);
    return text;
  });
  const services = contracts.services.map((service, i) => printService(service, serviceNames[i] as string, names));
  if (services.length > 0) for (const name of ["service", "rpc"]) used.add(name);
  const facts = contracts.facts.map((file, i) => printFacts(file, i, contracts));
  const body = [...types, ...services, ...facts.filter((text) => text !== "")].join("\n\n");
  const from = JSON.stringify(options.from ?? "meridian-rpc");
  const imports = [
    ...(/\bz\./.test(body) ? [`import * as z from "zod";`] : []),
    ...(used.size > 0 ? [`import { ${[...used].sort().join(", ")} } from ${from};`] : []),
  ];
  return `${header(contracts)}${imports.join("\n")}\n\n${body}\n`;
}

function header({ facts }: ProtoContracts): string {
  const files = facts.flatMap(({ path }) => (path === undefined ? [] : [path])).join(", ");
  return files === "" ? "" : `// The contract of ${files}; \`meridian export\` gives the .proto back.\n`;
}

/** `pkg.Outer.Inner` → `OuterInner`. */
export function constantName(name: string): string {
  const parts = name.split(".");
  const first = parts.findIndex((part) => /^[A-Z]/.test(part));
  return parts.slice(first === -1 ? -1 : first).map(pascalCase).join("");
}

/** Types behind those that they refer to, as far as they do not refer to each other. */
export function inOrder<T extends NamedType>(types: readonly T[]): readonly T[] {
  const ordered: NamedType[] = [];
  const met = new Set<Model>();
  // A stack of our own: chains of types may be longer than the one of JavaScript.
  for (const root of types) {
    const stack: { type: NamedType; open: NamedType[] }[] = [];
    const enter = (type: NamedType): void => {
      if (met.has(type)) return;
      met.add(type);
      const members = type.kind === "struct" ? type.fields : type.kind === "union" ? type.variants : [];
      const open = members.flatMap((member) => typesIn(member.model)).toReversed();
      stack.push({ type, open });
    };
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.open.pop();
      if (next !== undefined) enter(next);
      else ordered.push((stack.pop() as typeof top).type);
    }
  }
  return ordered as T[];
}

function printService({ name, methods, description }: ProtoService, constant: string, names: SourceNames): string {
  const printed = methods.map((method) => printMethod(method, names)).join("");
  const body = printed === "" ? "{}" : `{\n${printed}}`;
  return `${printComment(description, "")}export const ${constant} = service(${JSON.stringify(name)}, ${body});`;
}

function printMethod(method: ProtoMethod, names: SourceNames): string {
  const { name, wireName, kind, idempotent, safe } = method;
  const members = [
    ...(kind === "unary" ? [] : [`kind: "${kind}"`]),
    ...(wireName === name.slice(0, 1).toUpperCase() + name.slice(1) ? [] : [`wireName: ${JSON.stringify(wireName)}`]),
    `input: ${printModel(method.input, names)}`,
    `output: ${printModel(method.output, names)}`,
    ...(safe ? ["safe: true"] : idempotent === true ? ["idempotent: true"] : []),
    ...(method.http === undefined ? [] : [`http: ${printLiteral(method.http, "    ")}`]),
  ];
  const description = method.description === undefined ? [] : [printDescription(method.description)];
  const short = `  ${printKey(name)}: rpc({ ${members.join(", ")} }),\n`;
  if (description.length === 0 && short.length <= 120 && !short.trimEnd().includes("\n")) return short;
  const lines = [...description, ...members].map((member) => `    ${member},\n`);
  return `  ${printKey(name)}: rpc({\n${lines.join("")}  }),\n`;
}

function printDescription(text: string): string {
  const isLong = text.includes("\n") || text.length > 90;
  return `description:${isLong ? "\n      " : " "}${printText(text, "      ")}`;
}

/** What the types do not say; nothing where they say all. */
function printFacts(facts: ProtoFacts, index: number, { services }: ProtoContracts): string {
  const { path: _, package: packageName, ...rest } = facts;
  // Without a service nothing else tells the package.
  const saysPackage = packageName !== undefined && services.length === 0;
  if (Object.keys(rest).length === 0 && !saysPackage) return "";
  const name = index === 0 ? "protoFile" : `protoFile${index + 1}`;
  const comment = "/** What the .proto file says beyond the types, for `meridian export`. */";
  return `${comment}\nexport const ${name} = ${printLiteral(facts, "")};`;
}

function printLiteral(value: unknown, indent: string): string {
  if (Array.isArray(value)) return `[${value.map((item) => printLiteral(item, indent)).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  const flat = `{ ${entries.map(([key, member]) => `${printKey(key)}: ${printLiteral(member, "")}`).join(", ")} }`;
  if (flat.length <= 80 && !flat.includes("\n")) return flat;
  const inner = `${indent}  `;
  const lines = entries.map(([key, member]) => `${inner}${printKey(key)}: ${printLiteral(member, inner)},\n`);
  return `{\n${lines.join("")}${indent}}`;
}
