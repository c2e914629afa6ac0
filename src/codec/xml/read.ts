/** Element readers: what an element of each type may hold, and the value that it becomes. */
import { fromAnyBase64 } from "../../wire/base64.ts";
import { readDate } from "../proto-json/formats.ts";
import { checkFree } from "../proto-json/free.ts";
import { absent } from "../proto-json/read.ts";
import { readKey, scalarReader } from "../proto-json/scalars.ts";
import { parseJson } from "../protobuf/json.ts";
import { setProperty } from "../protobuf/keys.ts";
import {
  type FieldPlan, type KeyPlan, type MapPlan, type MessagePlan, type Slot, slotsOf, type UnionPlan,
  type ValuePlan,
} from "../protobuf/plan.ts";
import { Trail } from "../protobuf/trail.ts";

/** How an element is read. */
export type ElementReader = TextReader | MembersReader;

/** An element of text alone. */
export interface TextReader {
  readonly kind: "text";
  /** The value; undefined for a text that is none. */
  readonly read: (text: string) => unknown;
  readonly wanted: string;
  /** Whether it may be `xsi:nil`. */
  readonly takesNil: boolean;
}

/** An element of elements. */
export interface MembersReader {
  readonly kind: "members";
  readonly members: ReadonlyMap<string, MemberReader>;
  /** How many values it gathers. */
  readonly size: number;
  /** The value of what was gathered. Throws where something is missing. */
  readonly finish: (values: unknown[]) => unknown;
  readonly takesNil: boolean;
}

export interface MemberReader {
  readonly element: ElementReader;
  /** Puts a value to those gathered; false if there is one already. */
  readonly put: (values: unknown[], value: unknown) => boolean;
}

type MutableMembers = { -readonly [K in keyof MembersReader]: MembersReader[K] };

/** Makes the readers of all types that types reach, each once. */
export class ElementReaders {
  readonly #known = new Map<MessagePlan, ElementReader>();

  value(plan: ValuePlan): ElementReader {
    if (plan.type === "json") return text(readJson, "a JSON value");
    if (plan.type === "enum") return enumReader(plan);
    if (plan.type === "scalar") {
      const wanted = plan.finite === true ? `finite ${plan.scalar}` : plan.scalar;
      if (plan.scalar === "string") return text((one) => one, wanted);
      if (plan.scalar === "bytes") return text((one) => fromAnyBase64(one.replaceAll(/[ \t\r\n]+/g, "")), "base64");
      if (plan.scalar === "bool") return text(readBool, wanted);
      const read = scalarReader(plan);
      return text((one) => read(numberText(one.trim())), wanted);
    }
    const known = this.#known.get(plan);
    return known ?? this.#message(plan);
  }

  #message(plan: MessagePlan): ElementReader {
    switch (plan.type) {
      case "timestamp": return this.#keep(plan, text((one) => readDate(one.trim()),
        'a time such as "2030-01-01T00:00:00Z"'));
      case "free": return this.#keep(plan, text((one) => {
        const value = readJson(one);
        return value === undefined || checkFree(plan.form, value) !== undefined ? undefined : value;
      }, "JSON"));
      case "union": return this.#union(plan);
      case "wrapper": {
        const [field] = plan.fields;
        if (plan.of === "wellknown") return this.value((field.shape as { value: ValuePlan }).value);
        if (plan.of === "nullable") {
          return this.#keep(plan, { ...this.value((field.shape as { value: ValuePlan }).value), takesNil: true });
        }
        return this.#struct(plan, plan.fields, (values) => values[0]);
      }
      case "struct": {
        const { fields, fixed } = plan;
        return this.#struct(plan, fields, (values) => {
          const struct: Record<string, unknown> = {};
          if (fixed !== undefined) struct[fixed.name] = fixed.value;
          for (let i = 0; i < fields.length; i++) {
            if (values[i] !== undefined) struct[(fields[i] as FieldPlan).name] = values[i];
          }
          return struct;
        });
      }
      default: return plan satisfies never;
    }
  }

  #keep<R extends ElementReader>(plan: MessagePlan, reader: R): R {
    this.#known.set(plan, reader);
    return reader;
  }

  #struct(plan: MessagePlan, fields: readonly FieldPlan[], build: (values: unknown[]) => unknown): ElementReader {
    const members = new Map<string, MemberReader>();
    const reader: MutableMembers = {
      kind: "members", members, size: fields.length, takesNil: false,
      finish(values) {
        for (let i = 0; i < fields.length; i++) {
          if (values[i] === undefined) values[i] = missing(fields[i] as FieldPlan);
          // What is null is marked so, lest it count as absent.
          else if (values[i] === nil) values[i] = null;
        }
        return build(values);
      },
    };
    // Entered before its parts are read, so that a part may refer back to it.
    this.#keep(plan, reader);
    const slots = slotsOf(fields);
    const taken = new Set(slots.map(({ field, case: one }) => (one ?? field).json));
    for (const slot of slots) {
      const { json, also } = slot.case ?? slot.field;
      const member = this.#member(slot);
      for (const name of [json, ...also.filter((one) => !taken.has(one))]) members.set(name, member);
    }
    return reader;
  }

  #member({ field, index, case: one }: Slot): MemberReader {
    if (one !== undefined) {
      return { element: this.value(one.value), put: single(index, (value) => ({ case: one.name, value })) };
    }
    const { shape } = field;
    switch (shape.type) {
      case "single": {
        const element = this.value(shape.value);
        return field.absent !== "null" ? { element, put: single(index) }
          : { element: { ...element, takesNil: true }, put: single(index, (value) => (value === null ? nil : value)) };
      }
      case "list": return {
        element: this.value(shape.of),
        put(values, value) {
          const list = values[index] as unknown[] | undefined;
          if (list === undefined) values[index] = [value];
          else list.push(value);
          return true;
        },
      };
      case "map": return this.#map(shape, index);
      case "oneof": throw new TypeError("a oneof is read case by case");
      default: return shape satisfies never;
    }
  }

  #map({ key, value, as }: MapPlan, index: number): MemberReader {
    const element: MembersReader = {
      kind: "members", size: 2, takesNil: false,
      members: new Map<string, MemberReader>([
        ["key", { element: keyReader(key), put: single(0) }],
        ["value", { element: this.value(value), put: single(1, (one) => (one === null ? nil : one)) }],
      ]),
      finish(values) {
        if (values[0] === undefined || values[1] === undefined) throw new Trail().unfit("a key and a value", undefined);
        if (values[1] === nil) values[1] = null;
        return values;
      },
    };
    return {
      element,
      put(values, entry) {
        const [name, item] = entry as [unknown, unknown];
        if (as === "Map") {
          const map = (values[index] ??= new Map<unknown, unknown>()) as Map<unknown, unknown>;
          if (map.has(name)) return false;
          map.set(name, item);
          return true;
        }
        const record = (values[index] ??= {}) as Record<string, unknown>;
        if (name === "__proto__" || Object.hasOwn(record, name as string)) return false;
        setProperty(record, name, item);
        return true;
      },
    };
  }

  #union(plan: UnionPlan): ElementReader {
    const members = new Map<string, MemberReader>();
    const names = plan.variants.map(({ json }) => JSON.stringify(json)).slice(0, 8).join(", ");
    const reader: MembersReader = {
      kind: "members", members, size: 1, takesNil: false,
      finish([value]) {
        if (value === undefined) throw new Trail().unfit(`one of ${names}`, undefined);
        return value === nil ? null : value;
      },
    };
    this.#keep(plan, reader);
    for (const { json, also, value } of plan.variants) {
      const member = { element: this.value(value), put: single(0, (one) => (one === null ? nil : one)) };
      for (const name of [json, ...also]) if (!members.has(name)) members.set(name, member);
    }
    return reader;
  }
}

/** Stands for null among what was gathered. */
const nil = Symbol("nil");

function single(index: number, wrap?: (value: unknown) => unknown): MemberReader["put"] {
  return (values, value) => {
    if (values[index] !== undefined) return false;
    values[index] = wrap === undefined ? value : wrap(value);
    return true;
  };
}

function missing(field: FieldPlan): unknown {
  try {
    return absent(field, undefined);
  } catch {
    throw new Trail().unfit(`the element ${field.json}, which has no zero`, undefined);
  }
}

function text(read: (one: string) => unknown, wanted: string): TextReader {
  return { kind: "text", read, wanted, takesNil: false };
}

function enumReader({ model }: ValuePlan & { type: "enum" }): TextReader {
  const names = new Set(model.values.map(({ name }) => name));
  const byNumber = new Map(model.values.map(({ name, number }) => [number, name]));
  return text((given) => {
    if (names.has(given)) return given;
    const one = given.trim();
    if (names.has(one)) return one;
    if (!/^-?\d{1,10}$/.test(one)) return undefined;
    const number = Number(one);
    return byNumber.get(number) ?? (model.open === true && (number | 0) === number ? number : undefined);
  }, `one of ${model.values.map(({ name }) => JSON.stringify(name)).slice(0, 8).join(", ")}`);
}

function keyReader(key: KeyPlan): TextReader {
  if (key.type === "enum") {
    const names = new Set(key.model.values.map(({ name }) => name));
    return text((one) => (names.has(one) ? one : undefined), `a key of ${key.model.name}`);
  }
  return text((one) => readKey(key.scalar, key.scalar === "string" ? one : one.trim()), `a key of type ${key.scalar}`);
}

function readBool(given: string): boolean | undefined {
  const one = given.trim();
  return one === "true" || one === "1" ? true : one === "false" || one === "0" ? false : undefined;
}

/** What xs:double says that JSON says otherwise; a sign and leading zeros are XML's too. */
function numberText(one: string): string {
  if (one === "INF" || one === "+INF") return "Infinity";
  if (one === "-INF") return "-Infinity";
  return one.startsWith("+") ? one.slice(1) : one;
}

function readJson(one: string): unknown {
  try {
    return parseJson(one);
  } catch {
    return undefined;
  }
}
