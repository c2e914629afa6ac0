/** `printContracts` writes the contracts of `.thrift` files as the TypeScript module that a person would keep. */
import type { Model } from "../model.ts";
import { pascalCase, uniqueName } from "../names.ts";
import { constantName, inOrder } from "../proto/source.ts";
import {
  type NamedType, printComment, printEnum, printKey, printLiteral, printModel, printObject, printStruct, printText,
  printUnion, type SourceNames, typesIn,
} from "../proto/source-types.ts";
import type { ThriftContracts, ThriftError, ThriftMethod, ThriftService } from "./read-contracts.ts";

export interface ThriftSourceOptions {
  /** What the module imports `service`, `rpc` and the rest from. Default `meridian-rpc`. */
  readonly from?: string | undefined;
  /** The files, for the module's first line. */
  readonly files?: readonly string[] | undefined;
}

/** Names that the module itself, or JavaScript, has other uses for. */
const takenNames = [
  "z", "service", "rpc", "field", "bytes", "oneof", "openEnum", "scalar", "wellKnown", "Uint8Array", "Map", "Date",
  "Object", "Array", "String", "Number", "Boolean", "Symbol", "Error", "Promise", "Set", "Function", "BigInt", "JSON",
  "Math", "undefined", "NaN", "Infinity", "default", "class", "enum", "export", "import", "function", "var", "let",
  "const", "new", "delete", "typeof", "void", "null", "true", "false", "in", "if", "else", "for", "while", "do",
  "return", "switch", "case", "break", "continue", "this", "super", "try", "catch", "finally", "throw", "with", "yield",
  "await", "static", "extends", "debugger", "instanceof", "interface", "package", "private", "protected", "public",
  "implements", "eval", "arguments",
];

/** The text of a module: constants, types in the order in which they need each other, then services. */
export function printContracts(contracts: ThriftContracts, options: ThriftSourceOptions = {}): string {
  const used = new Set<string>();
  const taken = new Set(takenNames);
  const wanted = contracts.services.map((one) => [one, uniqueName(taken, constantName(one.name))] as const);
  const constants = new Map<Model, string>();
  for (const type of contracts.types) constants.set(type, uniqueName(taken, constantName(type.name)));
  const names = sourceNames(contracts, constants, used);
  const consts = contracts.consts.map(({ name, value, description }) =>
    `${printComment(description, "")}export const ${uniqueName(taken, name)} = ${printLiteral(value)};`);
  const own = contracts.types.filter((type) => typesIn(type).includes(type));
  const types = inOrder<NamedType>(own).filter((type) => !contracts.expressions.has(type)).map((type) => {
    const text = type.kind === "enum" ? printEnum(type, names)
      : type.kind === "union" ? printUnion(type, names) : printStruct(type, names);
    names.declared.add(type);
    return text;
  });
  const services = printServices(new Map(wanted), taken, names);
  if (services.length > 0) {
    used.add("rpc");
    if (wanted.length > 0) used.add("service");
  }
  const body = [...consts, ...types, ...services].join("\n\n");
  const from = JSON.stringify(options.from ?? "meridian-rpc");
  const imports = [
    ...(/\bz\./.test(body) ? [`import * as z from "zod";`] : []),
    ...(used.size > 0 ? [`import { ${[...used].sort().join(", ")} } from ${from};`] : []),
  ];
  const { files = [] } = options;
  const header = files.length === 0 ? ""
    : `// The contract of ${files.join(", ")}; \`meridian export --to thrift\` gives the .thrift back.\n`;
  return `${header}${imports.join("\n")}\n\n${body}\n`;
}

interface Names extends SourceNames {
  readonly declared: Set<Model>;
}

function sourceNames(contracts: ThriftContracts, constants: Map<Model, string>, used: Set<string>): Names {
  for (const [model, text] of contracts.expressions) constants.set(model, text);
  const declared = new Set<Model>(contracts.expressions.keys());
  return {
    constants, declared,
    isDeclared: (model) => declared.has(model), use: (name) => used.add(name),
    comment: (name) => contracts.comments.get(name),
  };
}

/** Services behind those that they extend, whose methods stand by themselves. */
function printServices(own: ReadonlyMap<ThriftService, string>, taken: Set<string>, names: Names): readonly string[] {
  const methods = new Map<ThriftService, string>();
  const isBase = new Set<ThriftService>();
  for (const one of own.keys()) for (let at = one.base; at !== undefined; at = at.base) isBase.add(at);
  const texts: string[] = [];
  const printed = new Set<ThriftService>();
  const print = (one: ThriftService): void => {
    if (printed.has(one)) return;
    printed.add(one);
    if (one.base !== undefined) print(one.base);
    const above = one.base === undefined ? "" : `  ...${methods.get(one.base)},\n`;
    const body = `{\n${above}${one.methods.map((method) => printMethod(method, names)).join("")}}`;
    const constant = own.get(one);
    const comment = printComment(one.description, "");
    let shape = body === "{\n}" ? "{}" : body;
    if (isBase.has(one)) {
      const name = uniqueName(taken, `${pascalCase(one.name.slice(one.name.lastIndexOf(".") + 1))}Methods`);
      methods.set(one, name);
      texts.push(`${constant === undefined ? comment : ""}export const ${name} = ${shape};`);
      shape = name;
    }
    if (constant !== undefined) {
      texts.push(`${comment}export const ${constant} = service(${JSON.stringify(one.name)}, ${shape});`);
    }
  };
  for (const one of own.keys()) print(one);
  return texts;
}

function printMethod(method: ThriftMethod, names: Names): string {
  const { name, wireName, oneway, idempotent, safe, timeoutMs, criticality, errors, description } = method;
  const isVoid = method.output.kind === "struct" && method.output.name === "";
  const members = [
    ...(wireName === undefined ? [] : [`wireName: ${JSON.stringify(wireName)}`]),
    `input: ${printInput(method, names)}`,
    `output: ${isVoid ? "z.object({})" : printModel(method.output, names)}`,
    ...(errors.length === 0 ? [] : [printErrors(errors, names)]),
    ...(oneway ? ["oneway: true"] : []),
    ...(safe ? ["safe: true"] : idempotent === false ? [] : [`idempotent: ${JSON.stringify(idempotent)}`]),
    ...(timeoutMs === undefined ? [] : [`timeoutMs: ${timeoutMs}`]),
    ...(criticality === undefined ? [] : [`criticality: ${JSON.stringify(criticality)}`]),
  ];
  const told = description === undefined ? [] : [`description: ${printDescription(description)}`];
  const short = `  ${printKey(name)}: rpc({ ${members.join(", ")} }),\n`;
  if (told.length === 0 && short.length <= 120 && !short.slice(0, -1).includes("\n")) return short;
  const lines = [...told, ...members].map((member) => `    ${member.replaceAll("\n", "\n    ")},\n`);
  return `  ${printKey(name)}: rpc({\n${lines.join("")}  }),\n`;
}

function printDescription(text: string): string {
  const isLong = text.includes("\n") || text.length > 90;
  return `${isLong ? "\n  " : ""}${printText(text, "  ")}`;
}

/** In one line where there is room. */
function printInput({ input, inputName }: ThriftMethod, names: Names): string {
  if (input.kind !== "struct" || names.constants.has(input)) return printModel(input, names);
  const named = inputName === undefined ? "" : `.meta({ id: ${JSON.stringify(inputName)} })`;
  const text = printObject(input, names);
  const flat = text.replace(/^z\.object\(\{\n/, "z.object({ ").replace(/,\n\}\)$/, " })").replaceAll(/,\n {2}(?=\S)/g,
    ", ")
    .replaceAll(/\{ {3}/g, "{ ");
  return `${flat.includes("\n") || flat.length > 90 ? text : flat}${named}`;
}

function printErrors(errors: readonly ThriftError[], names: Names): string {
  const printed = errors.map(({ name, id, code, model }, i) => {
    const data = printModel(model, names);
    const members = [
      ...(code === undefined ? [] : [`code: ${JSON.stringify(code)}`]), data === "data" ? "data" : `data: ${data}`,
      ...(id === i + 1 ? [] : [`id: ${id}`]),
    ];
    if (members.length > 1) return `${name}: { ${members.join(", ")} }`;
    return data === name ? name : `${name}: ${data}`;
  });
  return `errors: { ${printed.join(", ")} }`;
}
