/** Writes plans as schemas in JSON: what documents, handshakes and other languages' tools read. */
import { readTypeName } from "../proto/type-names.ts";
import { type AvroPlan, avroScalar, type FieldPlan, inexpressible, type RecordPlan, type ScalarPlan } from "./plan.ts";

export type AvroJson = string | readonly unknown[] | Readonly<Record<string, unknown>>;

/** Writes schemas of one document: named types stand in full where they come first. */
export class Describer {
  readonly #home: string;
  /** By full name: what it was written as. */
  readonly #named = new Map<string, { readonly text: string; readonly of: AvroPlan }>();
  /** The definitions, in the order in which each was complete: of all that they refer to before themselves. */
  readonly types: AvroJson[] = [];
  readonly #isHoisted: boolean;
  /** Being written, outermost first, and how far out each refers to one of them. */
  readonly #open: { readonly name: string; lowest: number }[] = [];
  /** Types that stand within an open one, and how far out that is. */
  readonly #nested = new Map<string, number>();

  /**
   * `home` is the namespace of names that have none. With `isHoisted`, definitions go to `types`, and references stand
   * where they would.
   */
  constructor(home: string, isHoisted = false) {
    this.#home = home;
    this.#isHoisted = isHoisted;
  }

  schema(plan: AvroPlan): AvroJson {
    switch (plan.type) {
      case "scalar": return this.#scalar(plan);
      case "json": return {
        type: "string", meridian: { json: plan.form },
      };
      case "array": return { type: "array", items: this.schema(plan.of) };
      case "map": return {
        type: "map", values: this.schema(plan.of),
        ...extras({ as: plan.as === "Map" ? "Map" : undefined, keys: plan.keys === undefined ? undefined
          : [...plan.keys] }),
      };
      case "entries": return {
        type: "array", items: this.#define(plan.name, plan, "record", () => ({
          fields: [{ name: "key", type: this.schema(plan.key) }, { name: "value", type: this.schema(plan.of) }],
          ...extras({ shape: "entry" }),
        })),
        meridian: { entries: plan.as },
      };
      case "union": return plan.branches.map((branch) =>
        (branch.plan === undefined ? "null" : this.schema(branch.plan)));
      case "enum": {
        const { values } = plan.model;
        const numbers = values.map(({ number }) => number);
        const names = values.map(({ name }) => name);
        return this.#define(plan.name, plan, "enum", () => ({
          symbols: plan.symbols,
          ...(plan.model.fallback === undefined ? {}
            : { default: plan.symbols[names.indexOf(plan.model.fallback)] }),
          ...extras({
            open: plan.model.open,
            numbers: numbers.every((number, i) => number === i + 1) ? undefined : numbers,
            names: names.every((name, i) => name === plan.symbols[i]) ? undefined : names,
          }),
        }));
      }
      case "record": return this.record(plan, "record");
      default: return plan satisfies never;
    }
  }

  record(plan: RecordPlan, type: "record" | "error"): AvroJson {
    return this.#define(plan.name, plan, type, () => ({
      ...(plan.aliases.length === 0 ? {} : { aliases: plan.aliases }),
      fields: this.fields(plan),
      ...extras({ shape: plan.shape === "struct" ? undefined : plan.shape, case: plan.caseName }),
    }));
  }

  fields({ fields }: RecordPlan): AvroJson[] {
    return fields.map((field, i) => {
      const fallback = defaultOf(field);
      return {
        name: field.name, type: this.schema(field.plan),
        ...(field.description === undefined ? {} : { doc: field.description }),
        ...(fallback === undefined ? {} : { default: fallback }),
        ...(field.aliases.length === 0 ? {} : { aliases: field.aliases }),
        ...extras({
          number: field.number === i + 1 ? undefined : field.number,
          property: field.property === field.name ? undefined : field.property,
          nullable: field.plan.type === "union" && field.plan.branches[0]?.test.kind === "null" ? true : undefined,
        }),
      };
    });
  }

  #scalar(plan: ScalarPlan): AvroJson {
    const { scalar, finite, fixed } = plan;
    if (fixed !== undefined) return this.#define(fixed.name, plan, "fixed", () => ({ size: fixed.size }));
    const type = avroScalar(scalar);
    if (scalar === "timestamp") return { type, logicalType: "timestamp-millis" };
    if (scalar === "double" || scalar === "float") return finite ? type : { type, meridian: { finite: false } };
    const isUsual = ["bool", "string", "bytes", "int32", "int64"].includes(scalar);
    return isUsual ? type : { type, meridian: { scalar } };
  }

  /** A name in full; those of this document's own namespace without it. */
  nameOf(name: string): string {
    const { package: namespace, path } = readTypeName(name);
    const full = namespace === undefined ? `${this.#home}.${path.join(".")}` : `${namespace}.${path.join(".")}`;
    return full.startsWith(".") ? full.slice(1) : full;
  }

  /** Writes a named type where it comes first, and its name elsewhere. */
  #define(raw: string, of: AvroPlan, type: string, write: () => Readonly<Record<string, unknown>>): AvroJson {
    const name = this.nameOf(raw);
    const reference = this.#shortOf(name);
    const open = this.#open.findIndex((one) => one.name === name);
    const waiting = this.#nested.get(name);
    const top = this.#open.at(-1);
    if (top !== undefined) top.lowest = Math.min(top.lowest, open === -1 ? waiting ?? Infinity : open);
    if (open !== -1) return reference;
    const known = this.#named.get(name);
    if (known?.of === of) return reference;
    const frame = { name, lowest: Infinity };
    const level = this.#open.push(frame) - 1;
    const definition = { type, name: reference, ...write() };
    this.#open.pop();
    // Whether its name is short hangs on where it stands.
    const text = JSON.stringify({ ...definition, name });
    if (known !== undefined) {
      // What it refers to stood in full the first time, so only flat documents can be compared.
      if (this.#isHoisted && known.text !== text) {
        throw inexpressible(name, "two different types have this name; give one another by .meta({ id })");
      }
      return reference;
    }
    this.#named.set(name, { text, of });
    if (!this.#isHoisted) return definition;
    if (frame.lowest < level) {
      // It refers to one that it is part of, and must stand within that one, as must all that refer to it.
      this.#nested.set(name, frame.lowest);
      if (top !== undefined) top.lowest = Math.min(top.lowest, frame.lowest);
      return definition;
    }
    for (const [one, lowest] of this.#nested) if (lowest >= level) this.#nested.delete(one);
    this.types.push(definition);
    return reference;
  }

  /** Within the document's own namespace a name is short; elsewhere the enclosing one would be taken for its own. */
  #shortOf(name: string): string {
    const around = this.#open.at(-1)?.name;
    const isOwn = this.#home !== "" && namespaceOf(name) === this.#home &&
      (around === undefined || namespaceOf(around) === this.#home);
    return isOwn ? name.slice(this.#home.length + 1) : name;
  }
}

function namespaceOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(".")));
}

function extras(fields: Readonly<Record<string, unknown>>): { readonly meridian?: object } {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.length === 0 ? {} : { meridian: Object.fromEntries(given) };
}

/** The default of a field in JSON; undefined where it has none, or none that JSON can say for sure. */
export function defaultOf({ plan, absent, defaultValue }: FieldPlan): unknown {
  if (plan.type === "union" && plan.branches[0]?.plan === undefined && absent !== "default") return null;
  if (absent !== "default" || defaultValue === undefined) return undefined;
  try {
    const said = jsonOf(plan, defaultValue());
    // One that depends on the moment is nobody else's default.
    return JSON.stringify(said) === JSON.stringify(jsonOf(plan, defaultValue())) ? said : undefined;
  } catch {
    return undefined;
  }
}

class NotSayable extends Error {}

/** A value as the default of a field in JSON. Throws for what cannot be said there. */
function jsonOf(plan: AvroPlan, value: unknown): unknown {
  switch (plan.type) {
    case "scalar":
      if (plan.scalar === "timestamp") return (value as Date).getTime();
      if (typeof value === "bigint") {
        if (BigInt(Number(value)) !== value || !Number.isSafeInteger(Number(value))) throw new NotSayable();
        return Number(value);
      }
      if (value instanceof Uint8Array) return String.fromCharCode(...value);
      if (typeof value === "number" && !Number.isFinite(value)) throw new NotSayable();
      return value;
    case "enum": return plan.symbols[plan.model.values.findIndex(({ name }) => name === value)];
    case "json": return JSON.stringify(value);
    case "array": return (value as unknown[]).map((item) => jsonOf(plan.of, item));
    case "map": {
      const entries = value instanceof Map ? [...value as Map<string, unknown>] : Object.entries(value as object);
      return Object.fromEntries(entries.map(([key, item]) => [key, jsonOf(plan.of, item)]));
    }
    case "record":
      if (plan.shape !== "struct") throw new NotSayable();
      return Object.fromEntries(plan.fields.map((field) => {
        const part = (value as Record<string, unknown>)[field.property] ??
          (field.absent === "default" ? field.defaultValue?.() : undefined);
        return [field.name, jsonOf(field.plan, part)];
      }));
    // Only the first branch may be a default before Avro 1.12.
    case "union":
      if (value === null || value === undefined) return null;
      throw new NotSayable();
    case "entries": throw new NotSayable();
    default: return plan satisfies never;
  }
}
