/** `readContracts` finds in `.thrift` files what a contract is made of: services, types and constants. */
import type { Criticality, Idempotency } from "../../core/method.ts";
import { codeNames } from "./names.ts";
import type { Model, StructModel } from "../model.ts";
import { pascalCase } from "../names.ts";
import { constValue } from "./const-value.ts";
import { type Found, lookUp, type Program } from "./link.ts";
import type { ConstDefinition, FieldNode, FunctionNode, ServiceNode } from "./parse-tree.ts";
import { type NamedModel, TypeReader } from "./read-types.ts";
import { type Position, refuseAt } from "./tokens.ts";

export interface ThriftError {
  readonly name: string;
  readonly id: number;
  /** Where it is not `failed_precondition`. */
  readonly code: string | undefined;
  readonly model: Model;
}

export interface ThriftMethod {
  readonly name: string;
  readonly wireName: string | undefined;
  readonly oneway: boolean;
  readonly idempotent: Idempotency;
  readonly safe: boolean;
  readonly timeoutMs: number | undefined;
  readonly criticality: Criticality | undefined;
  /** A struct that is no type of its own stands where it is used. */
  readonly input: Model;
  /** Of a struct that is no type of its own: the name that it has beside. */
  readonly inputName: string | undefined;
  readonly output: Model;
  readonly errors: readonly ThriftError[];
  readonly description: string | undefined;
}

export interface ThriftService {
  /** Full name. */
  readonly name: string;
  /** Its own; those of `base` come before. */
  readonly methods: readonly ThriftMethod[];
  readonly base: ThriftService | undefined;
  readonly description: string | undefined;
}

export interface ThriftConst {
  readonly name: string;
  readonly value: unknown;
  readonly description: string | undefined;
}

export interface ThriftContracts {
  /** Those of the files asked for. */
  readonly services: readonly ThriftService[];
  /** Those of the files asked for, and those that they refer to. */
  readonly types: readonly NamedModel[];
  readonly consts: readonly ThriftConst[];
  /** Models that are printed where they stand. */
  readonly expressions: ReadonlyMap<Model, string>;
  /** Of types; of enum values by `Type.VALUE`. */
  readonly comments: ReadonlyMap<string, string>;
  readonly notes: readonly string[];
}

/** A client has these itself, or a promise or JSON would look for them; see `service`. */
const reserved = new Set(["then", "catch", "finally", "close", "toJSON", "prototype"]);

/** Most services above one another. */
const maxBases = 100;

/** Throws `invalid_argument` with the place of what a contract cannot say. */
export function readContracts(programs: readonly Program[]): ThriftContracts {
  const reader = new ServiceReader(new TypeReader(programs[0]?.namespace ?? ""));
  const services: ThriftService[] = [];
  const consts: ThriftConst[] = [];
  for (const program of programs) {
    for (const definition of program.definitions.values()) {
      switch (definition.kind) {
        case "service": services.push(reader.service({ program, definition })); break;
        case "const": consts.push(readConst(definition, program, reader.types)); break;
        case "typedef": reader.types.type(definition.type, program); break;
        default:
          // What was made around no struct stands where it is thrown.
          if (definition.kind === "exception" && definition.annotations.has("meridian.bare")) break;
          reader.types.type(
            { kind: "name", name: definition.name, annotations: new Map(), position: definition.position }, program);
      }
    }
  }
  const { models, expressions, notes } = reader.types;
  const comments = new Map<string, string>();
  for (const [{ name }, { node }] of models) {
    if (node.doc !== undefined) comments.set(name, node.doc);
    if (node.kind !== "enum") continue;
    for (const value of node.values) {
      if (value.doc !== undefined) comments.set(`${name}.${value.annotations.get("meridian.name") ?? value.name}`,
        value.doc);
    }
  }
  return { services, types: [...models.keys()], consts, expressions, comments, notes };
}

function readConst({ name, type, value, doc }: ConstDefinition, program: Program, types: TypeReader): ThriftConst {
  return { name, value: constValue(value, types.type(type, program), program), description: doc };
}

class ServiceReader {
  readonly types: TypeReader;
  readonly #known = new Map<ServiceNode, ThriftService>();

  constructor(types: TypeReader) {
    this.types = types;
  }

  service({ program, definition }: Found<ServiceNode>, depth = 0): ThriftService {
    const known = this.#known.get(definition);
    if (known !== undefined) return known;
    const { name, position, extends: above } = definition;
    if (depth > maxBases) refuseAt(position, `${name} extends itself, or too many`);
    let base: ThriftService | undefined;
    if (above !== undefined) {
      const found = lookUp(program, above.name);
      if (found?.definition.kind !== "service") refuseAt(above.position, `there is no service ${above.name}`);
      base = this.service(found as Found<ServiceNode>, depth + 1);
    }
    const taken = new Map<string, string>();
    for (let at = base; at !== undefined; at = at.base) {
      for (const method of at.methods) taken.set(method.name.toLowerCase(), `${method.name} of ${at.name}`);
    }
    const methods = definition.functions.map((node) => {
      this.#checkName(node, taken);
      return this.#method(node, program, definition);
    });
    const service: ThriftService = {
      name: program.namespace === "" ? name : `${program.namespace}.${name}`, methods, base,
      description: definition.doc,
    };
    this.#known.set(definition, service);
    return service;
  }

  #checkName({ name, position }: FunctionNode, taken: Map<string, string>): void {
    if (reserved.has(name) || name in Object.prototype) {
      refuseAt(position, `a method cannot be named ${name}, which every client has itself`);
    }
    const twin = taken.get(name.toLowerCase());
    if (twin !== undefined) {
      refuseAt(position, twin.split(" ")[0] === name ? `${name} is there already: ${twin}`
        : `${name} and ${twin} differ only by case`);
    }
    taken.set(name.toLowerCase(), name);
  }

  #method(node: FunctionNode, program: Program, service: ServiceNode): ThriftMethod {
    const { name, annotations, position } = node;
    const timeout = annotations.get("meridian.timeoutMs");
    const safe = annotations.get("meridian.safe") === "true";
    const idempotent = annotations.get("meridian.idempotent");
    const output = this.#output(node, program);
    if (node.oneway && node.returns !== undefined) refuseAt(position,
      `${name} is one-way, and gives nothing back: void`);
    if (node.oneway && node.throws.length > 0) refuseAt(position,
      `${name} is one-way: nobody would be told of what it throws`);
    for (const key of annotations.keys()) {
      if (key.startsWith("meridian.")) continue;
      const { path, line, column } = position;
      this.types.notes.push(`${path}:${line}:${column}: the annotation ${key} is left out`);
    }
    return {
      name, wireName: annotations.get("meridian.wireName"), oneway: node.oneway, description: node.doc, safe,
      idempotent: safe || idempotent === "true" ? true : idempotent === "keyed" ? "keyed" : false,
      timeoutMs: timeout === undefined ? undefined : numberOf(timeout, position),
      criticality: annotations.get("meridian.criticality") as Criticality | undefined,
      ...this.#input(node, program, service), output, errors: this.#errors(node, program),
    };
  }

  #input(node: FunctionNode, program: Program, service: ServiceNode): { input: Model; inputName: string | undefined } {
    const { args, annotations, position } = node;
    const named = annotations.get("meridian.input");
    if (annotations.has("meridian.bare")) {
      const [only] = args;
      if (only === undefined || args.length > 1) refuseAt(position,
        `${node.name} is bare, with ${args.length} arguments`);
      const model = this.types.type(only.type, program);
      return { input: only.annotations.has("meridian.nullable") ? { kind: "nullable", of: model } : model,
        inputName: undefined };
    }
    if (named !== undefined && lookUp(program, named) !== undefined) {
      return { input: this.types.type(nameNode(named, position), program), inputName: undefined };
    }
    const owner = { kind: "struct", name: `${service.name}.${node.name}`, annotations } as const;
    const fields = this.types.fields(args, program, owner);
    const input: StructModel = { kind: "struct", name: pascalCase(service.name) + pascalCase(node.name) + "Input",
      fields };
    return { input, inputName: named };
  }

  #output({ returns, annotations, position }: FunctionNode, program: Program): Model {
    const named = annotations.get("meridian.output");
    if (named !== undefined) return this.types.type(nameNode(named, position), program);
    if (returns === undefined) return { kind: "struct", name: "", fields: [] };
    const output = this.types.type(returns, program);
    return annotations.has("meridian.nullable") ? { kind: "nullable", of: output } : output;
  }

  #errors({ throws, name }: FunctionNode, program: Program): readonly ThriftError[] {
    const ids = new Map<number, string>();
    const names = new Set<string>();
    return throws.map((node): ThriftError => {
      const id = this.types.number(node, name, ids);
      const found = node.type.kind === "name" ? lookUp(program, node.type.name) : undefined;
      const definition = found?.definition;
      if (found === undefined || definition?.kind !== "exception") {
        return refuseAt(node.type.position, `${name} throws what is no exception`);
      }
      const reason = reasonOf(node, definition.name, names);
      const code = node.annotations.get("meridian.code");
      if (code !== undefined && !codeNames.has(code)) refuseAt(node.position,
        `meridian.code is ${code}, which is no code`);
      const bare = definition.annotations.has("meridian.bare") ? definition.fields[0] : undefined;
      const model = bare === undefined ? this.types.struct(definition, found.program)
        : this.types.type(bare.type, found.program);
      return { name: reason, id, code, model };
    });
  }
}

/** An error's name: that of the exception, or of the field where a method throws one exception twice. */
function reasonOf(node: FieldNode, exception: string, taken: Set<string>): string {
  const given = node.annotations.get("meridian.reason");
  const wanted = given ?? (/^[A-Za-z]/.test(exception) ? exception : pascalCase(node.name));
  const name = taken.has(wanted) ? pascalCase(node.name) : wanted;
  if (taken.has(name) || !/^[A-Za-z]/.test(name)) refuseAt(node.position,
    `an error cannot be named ${name} here; rename it`);
  taken.add(name);
  return name;
}

function nameNode(name: string, position: Position): { kind: "name"; name: string; annotations: Map<string,
  string>; position: Position } {
  return { kind: "name", name, annotations: new Map(), position };
}

function numberOf(text: string, position: Position): number {
  const number = Number(text);
  if (!(number > 0)) refuseAt(position, `meridian.timeoutMs is ${text}, expected milliseconds`);
  return number;
}
