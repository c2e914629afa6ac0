/**
 * Schema resolution: how what one schema wrote is read as values of a plan (Avro 1.12, section "Schema Resolution").
 * A Reading is the outcome, made once per pair of schemas: both the generated and the interpreting decoder follow it.
 */
import { type AvroPlan, avroScalar, type EntriesPlan, type MapPlan, type RecordPlan, type ScalarPlan }
  from "../../contract/avro/plan.ts";
import { type AvroPrimitive, type AvroRecord, type AvroSchema, unqualified } from "../../contract/avro/schema.ts";
import { RpcError } from "../../core/error.ts";

export type Reading =
  | ScalarReading | EnumReading | JsonReading | RecordReading | ArrayReading | MapReading | EntriesReading
  | UnionReading | NullReading | FailReading;

export interface ScalarReading {
  readonly op: "scalar";
  /** What was written. */
  readonly wire: Exclude<AvroPrimitive, "null"> | "fixed";
  /** Of a fixed type. */
  readonly size: number;
  readonly plan: ScalarPlan;
}

export interface EnumReading {
  readonly op: "enum";
  /** The value of each of the writer's symbols; undefined for one that the reader does not know. */
  readonly names: readonly (string | undefined)[];
  readonly symbols: readonly string[];
}

export interface JsonReading {
  readonly op: "json";
  readonly form: "any" | "struct" | "list";
}

export interface RecordReading {
  readonly op: "record";
  readonly plan: RecordPlan;
  /** In the writer's order. */
  readonly steps: readonly Step[];
  /** Fields that the writer does not have. */
  readonly absent: readonly number[];
}

/** Reads a field of the plan, by its index, or passes over one that only the writer has. */
export type Step =
  | { readonly field: number; readonly read: Reading; readonly skip: undefined }
  | { readonly field: undefined; readonly read: undefined; readonly skip: AvroSchema };

export interface ArrayReading {
  readonly op: "array";
  readonly of: Reading;
  /** The least bytes of an item: what a count must be backed by. */
  readonly least: number;
}

export interface MapReading {
  readonly op: "map";
  readonly plan: MapPlan;
  readonly of: Reading;
  readonly least: number;
}

export interface EntriesReading {
  readonly op: "entries";
  readonly plan: EntriesPlan;
  /** A record of `key` and `value`. */
  readonly of: RecordReading;
  readonly least: number;
}

/** Of a writer's union: how each branch is read. */
export interface UnionReading {
  readonly op: "union";
  readonly branches: readonly Reading[];
}

export interface NullReading {
  readonly op: "null";
  readonly value: undefined | null;
}

/** What was written cannot be read as what is wanted. */
export interface FailReading {
  readonly op: "fail";
  readonly why: string;
}

/**
 * How what `writer` wrote is read as `plan`. Throws `invalid_argument` where nothing that it writes could be. Names of
 * outermost records are not compared: those of messages are their contracts' own.
 */
export function resolveAvro(writer: AvroSchema, plan: AvroPlan): Reading {
  const reading = new Resolver().resolve(writer, plan, true);
  if (reading.op !== "fail") return reading;
  throw new RpcError("invalid_argument", `the schemas of writer and reader do not match: ${reading.why}`,
    { phase: "decode" });
}

const maxLevels = 200;

class Resolver {
  readonly #records = new Map<AvroRecord, Map<RecordPlan, RecordReading | FailReading>>();
  #level = 0;

  resolve(writer: AvroSchema, plan: AvroPlan, isRoot = false): Reading {
    if (++this.#level > maxLevels) return fail(`schemas are nested deeper than ${maxLevels}`);
    try {
      if (writer.type === "union") {
        const branches = writer.branches.map((branch) => this.resolve(branch, plan, isRoot));
        const isDoomed = branches.length > 0 && branches.every(({ op }) => op === "fail");
        return isDoomed ? branches[0] as Reading : { op: "union", branches };
      }
      return plan.type === "union" ? this.#choose(writer, plan.branches) : this.#resolve(writer, plan, isRoot);
    } finally {
      this.#level--;
    }
  }

  /** The first of a reader's branches that is of the writer's type, or else that it can be promoted to. */
  #choose(writer: AvroSchema,
    branches: readonly { readonly plan: AvroPlan | undefined; readonly test: object }[]): Reading {
    if (writer.type === "null") {
      const nothing = branches.find(({ plan }) => plan === undefined);
      if (nothing === undefined) return fail("null was written, which the reader has not");
      return { op: "null", value: (nothing.test as { kind: string }).kind === "null" ? null : undefined };
    }
    const plans = branches.flatMap(({ plan }) => plan === undefined ? [] : [plan]);
    let why: FailReading | undefined;
    for (const isExact of [true, false]) {
      for (const plan of plans) {
        if (isSameType(writer, plan) !== isExact) continue;
        const reading = this.resolve(writer, plan);
        if (reading.op !== "fail") return reading;
        why ??= reading;
      }
    }
    return why ?? fail(`${writer.type} was written, which is none of the reader's types`);
  }

  #resolve(writer: Exclude<AvroSchema, { type: "union" }>, plan: Exclude<AvroPlan, { type: "union" }>,
    isRoot: boolean): Reading {
    const unlike = () => fail(`${nameOf(writer)} was written, where ${planName(plan)} is expected`);
    switch (plan.type) {
      case "scalar": return scalarReading(writer, plan) ?? unlike();
      case "json": return writer.type === "string" || writer.type === "bytes" ? { op: "json", form: plan.form }
        : unlike();
      case "enum": {
        if (writer.type !== "enum" || !(isRoot || named(writer.name, plan.name,
          plan.model.aliases ?? []))) return unlike();
        const { values, fallback } = plan.model;
        const names = writer.symbols.map((symbol) => {
          const at = plan.symbols.indexOf(symbol);
          return at === -1 ? fallback : values[at]?.name;
        });
        return { op: "enum", names, symbols: writer.symbols };
      }
      case "array":
        if (writer.type !== "array") return unlike();
        return this.#within(writer.items, plan.of, (of) => ({ op: "array", of, least: leastBytes(writer.items) }));
      case "map":
        if (writer.type !== "map") return unlike();
        return this.#within(writer.values, plan.of, (of) => (
          { op: "map", plan, of, least: 1 + leastBytes(writer.values) }));
      case "entries": {
        if (writer.type !== "array" || writer.items.type !== "record") return unlike();
        const least = leastBytes(writer.items);
        return this.#within(writer.items, entryPlan(plan), (of) => (
          { op: "entries", plan, of: of as RecordReading, least }));
      }
      case "record":
        if (writer.type !== "record" || !(isRoot || named(writer.name, plan.name, plan.aliases))) return unlike();
        return this.#record(writer, plan);
      default: return plan satisfies never;
    }
  }

  #within(writer: AvroSchema, plan: AvroPlan, make: (of: Reading) => Reading): Reading {
    const of = this.resolve(writer, plan);
    return of.op === "fail" ? of : make(of);
  }

  #record(writer: AvroRecord, plan: RecordPlan): RecordReading | FailReading {
    let byPlan = this.#records.get(writer);
    if (byPlan === undefined) this.#records.set(writer, byPlan = new Map());
    const known = byPlan.get(plan);
    if (known !== undefined) return known;
    const steps: Step[] = [];
    const reading: RecordReading = { op: "record", plan, steps, absent: [] };
    byPlan.set(plan, reading);
    const found = new Set<number>();
    for (const field of writer.fields) {
      const at = plan.fields.findIndex(({ name }, i) => name === field.name && !found.has(i));
      const index = at !== -1 ? at
        : plan.fields.findIndex(({ aliases, name }, i) => aliases.includes(field.name) && !found.has(i) &&
          !writer.fields.some((other) => other.name === name));
      const own = plan.fields[index];
      if (own === undefined) {
        steps.push({ field: undefined, read: undefined, skip: field.type });
        continue;
      }
      found.add(index);
      const read = this.resolve(field.type, own.plan);
      if (read.op === "fail") return failed(byPlan, plan, `${own.name}: ${read.why}`);
      steps.push({ field: index, read, skip: undefined });
    }
    const absent: number[] = [];
    for (const [i, { absent: how, name, plan: type }] of plan.fields.entries()) {
      if (found.has(i)) continue;
      if (how === "required" && !(type.type === "union" && type.branches[0]?.plan === undefined)) {
        return failed(byPlan, plan, `the writer has no field ${plan.name}.${name}, which has no default`);
      }
      absent.push(i);
    }
    (reading as { absent: readonly number[] }).absent = absent;
    return reading;
  }
}

function failed(
  byPlan: Map<RecordPlan, RecordReading | FailReading>, plan: RecordPlan, why: string,
): FailReading {
  const failure = fail(why);
  byPlan.set(plan, failure);
  return failure;
}

const entryPlans = new WeakMap<EntriesPlan, RecordPlan>();

/** The record of an entry. */
export function entryPlan(plan: EntriesPlan): RecordPlan {
  let made = entryPlans.get(plan);
  if (made !== undefined) return made;
  const field = (name: string, of: AvroPlan, number: number) => ({
    name, property: name, plan: of, number, absent: "required" as const, defaultValue: undefined, aliases: [],
    description: undefined,
  });
  made = {
    type: "record", name: plan.name, shape: "struct", aliases: [],
    fields: [field("key", plan.key, 1), field("value", plan.of, 2)],
  };
  entryPlans.set(plan, made);
  return made;
}

function isSameType(writer: AvroSchema, plan: AvroPlan): boolean {
  switch (plan.type) {
    case "scalar": return writer.type === (plan.fixed === undefined ? avroScalar(plan.scalar) : "fixed");
    case "json": return writer.type === "string";
    case "entries": return writer.type === "array";
    case "enum": case "record": return writer.type === plan.type && unqualified(writer.name) === unqualified(plan.name);
    default: return writer.type === plan.type;
  }
}

function scalarReading(writer: AvroSchema, plan: ScalarPlan): ScalarReading | undefined {
  if (writer.type === "fixed") {
    const isFit = plan.scalar === "bytes" && (plan.fixed === undefined ||
      plan.fixed.size === writer.size && unqualified(plan.fixed.name) === unqualified(writer.name));
    return isFit ? { op: "scalar", wire: "fixed", size: writer.size, plan } : undefined;
  }
  const from = writer.type;
  if (plan.fixed !== undefined || !promotions[avroScalar(plan.scalar)].includes(from)) return undefined;
  return { op: "scalar", wire: from as ScalarReading["wire"], size: 0, plan };
}

/** By the reader's type: what may have been written. */
const promotions: Readonly<Record<ReturnType<typeof avroScalar>, readonly string[]>> = {
  boolean: ["boolean"],
  int: ["int"],
  long: ["int", "long"],
  float: ["int", "long", "float"],
  double: ["int", "long", "float", "double"],
  string: ["string", "bytes"],
  bytes: ["bytes", "string"],
};

/** Names of types match without their namespaces. */
function named(writer: string, reader: string, aliases: readonly string[]): boolean {
  const name = unqualified(writer);
  return name === unqualified(reader) || aliases.some((alias) => unqualified(alias) === name);
}

function nameOf(schema: AvroSchema): string {
  return "name" in schema ? `${schema.type} ${schema.name}` : schema.type;
}

function planName(plan: AvroPlan): string {
  switch (plan.type) {
    case "scalar": return avroScalar(plan.scalar);
    case "json": return "string (JSON)";
    case "entries": return "array of entries";
    case "enum": case "record": return `${plan.type} ${plan.name}`;
    default: return plan.type;
  }
}

function fail(why: string): FailReading {
  return { op: "fail", why };
}

/** The least bytes that a value takes; 0 where it may take none. */
export function leastBytes(schema: AvroSchema, within: readonly AvroSchema[] = []): number {
  switch (schema.type) {
    case "null": return 0;
    case "float": return 4;
    case "double": return 8;
    case "fixed": return schema.size;
    case "record":
      // What contains itself does so behind a branch or in a block.
      if (within.includes(schema) || within.length > 50) return 0;
      return Math.min(1 << 20, schema.fields.reduce((sum, { type }) => sum + leastBytes(type, [...within, schema]), 0));
    default: return 1;
  }
}
