/** Writers of the JSON mapping: one closure a message type, made of those of its parts, that gives JSON text. */
import { toBase64 } from "../../wire/base64.ts";
import { fits, isRecord, isVariant, readField } from "../protobuf/fits.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { jsonOf } from "../protobuf/json.ts";
import { keyOfProperty } from "../protobuf/keys.ts";
import {
  type FieldPlan, type FreeForm, type MapPlan, type MessagePlan, type OneofPlan, type Slot, slotsOf, type StructPlan,
  type UnionPlan, type ValuePlan, type WrapperPlan,
} from "../protobuf/plan.ts";
import { fitsScalar, isZero } from "../protobuf/scalars.ts";
import { Trail } from "../protobuf/trail.ts";
import type { Write } from "./any.ts";
import { dateText, durationText, fieldMaskText, timestampText } from "./formats.ts";
import { checkFree } from "./free.ts";
import { enter, nesting } from "./nesting.ts";
import { quote, scalarText } from "./scalars.ts";

const utf8 = new TextEncoder();

/** A struct whose JSON is a text. */
interface Special {
  readonly text: (value: unknown) => string | undefined;
  readonly what: string;
}

const texts: Readonly<Record<string, Special>> = {
  "google.protobuf.Duration": { text: durationText, what: "a Duration: { seconds, nanos } of one sign" },
  "google.protobuf.Timestamp": { text: timestampText, what: "a Timestamp of the years 1 to 9999: { seconds, nanos }" },
  "google.protobuf.FieldMask": { text: fieldMaskText, what: "a FieldMask: { paths } in snake_case" },
};

/** Makes the writers of all messages that a type reaches, each once. `any` writes google.protobuf.Any. */
export class Writers {
  readonly #any: Write;
  readonly #known = new Map<MessagePlan, Write>();

  constructor(any: Write) {
    this.#any = any;
  }

  message(plan: MessagePlan): Write {
    const known = this.#known.get(plan);
    if (known !== undefined) return known;
    // A message that contains itself goes through this until its own writer is made.
    const later: { write?: Write } = {};
    this.#known.set(plan, (value, trail) => (later.write as Write)(value, trail));
    const write = later.write = this.#message(plan);
    this.#known.set(plan, write);
    return write;
  }

  #message(plan: MessagePlan): Write {
    switch (plan.type) {
      case "timestamp": return writeDate;
      case "free": return (value, trail) => writeFree(plan.form, value, trail);
      case "union": return this.#union(plan);
      case "wrapper": return this.#wrapper(plan);
      case "struct": return this.#struct(plan);
      default: return plan satisfies never;
    }
  }

  #struct(plan: StructPlan): Write {
    if (plan.name === "google.protobuf.Any") return this.#any;
    const special = Object.hasOwn(texts, plan.name) ? texts[plan.name] : undefined;
    if (special !== undefined) {
      return (value, trail) => {
        const text = special.text(value);
        return text === undefined ? fail(special.what, value, trail) : `"${text}"`;
      };
    }
    const members = slotsOf(plan.fields).map((slot) => ({ ...slot, ...this.#member(slot), name: slot.field.name }));
    return (value, trail) => {
      if (!isRecord(value)) return fail(plan.name, value, trail);
      enter(value, trail);
      let text = "";
      for (let i = 0; i < members.length; i++) {
        const { name, key, write } = members[i] as (typeof members)[number];
        trail?.steps.push(name);
        const part = write(readField(value, name), trail);
        trail?.steps.pop();
        if (part !== "") text += (text === "" ? "{" : ",") + key + part;
      }
      nesting.depth--;
      return text === "" ? "{}" : `${text}}`;
    };
  }

  #wrapper(plan: WrapperPlan): Write {
    const [field] = plan.fields;
    if (plan.of === "wellknown") return this.value((field.shape as { value: ValuePlan }).value);
    const { key, write } = this.#member(slotsOf(plan.fields)[0] as Slot);
    return (value, trail) => {
      enter(value, trail);
      const text = write(value, trail);
      nesting.depth--;
      return text === "" ? "{}" : `{${key}${text}}`;
    };
  }

  #union(plan: UnionPlan): Write {
    const writers = plan.variants.map(({ json, value }) => ({ key: `${quote(json)}:`, write: this.value(value) }));
    const names = plan.variants.map(({ name, tag }) => (tag === undefined ? name : JSON.stringify(tag))).join(", ");
    return (value, trail) => {
      const index = plan.variants.findIndex((variant) => isVariant(variant, plan.discriminator, value));
      const found = writers[index];
      if (found === undefined) return fail(`${plan.name} (${names})`, value, trail);
      enter(value, trail);
      const text = found.write(value, trail);
      nesting.depth--;
      return `{${found.key}${text}}`;
    };
  }

  /** How a field is written; an empty text is for one that is not. */
  #member({ field, case: one }: Slot): { readonly key: string; readonly write: Write } {
    const key = `${quote(one === undefined ? field.json : one.json)}:`;
    if (one !== undefined) return { key, write: this.#case(field, one) };
    const write = this.#shape(field);
    switch (field.absent) {
      case "undefined": case "default":
        return { key, write: (value, trail) => (value === undefined ? "" : write(value, trail)) };
      case "null": return { key, write: (value, trail) => (value === null ? "" : write(value, trail)) };
      case "zero": return { key, write };
      default: return field.absent satisfies never;
    }
  }

  #case(field: FieldPlan, one: NonNullable<Slot["case"]>): Write {
    const write = this.value(one.value);
    const { cases } = field.shape as OneofPlan;
    const wanted = `a case of ${cases.map(({ name }) => JSON.stringify(name)).join(", ")}`;
    return (value, trail) => {
      if (value === undefined && field.absent !== "zero") return "";
      const chosen = isRecord(value) ? value["case"] : undefined;
      if (chosen === one.name) return write((value as { value?: unknown }).value, trail);
      return cases.some(({ name }) => name === chosen) ? "" : fail(wanted, value, trail);
    };
  }

  #shape({ shape, presence }: FieldPlan): Write {
    switch (shape.type) {
      case "list": return this.#list(shape.of);
      case "map": return this.#map(shape);
      case "oneof": throw new TypeError("a oneof is written case by case");
      case "single": {
        const { value: plan } = shape;
        const write = this.value(plan);
        if (presence === "explicit") return write;
        return (value, trail) => {
          const text = write(value, trail);
          return isOmitted(plan, value) ? "" : text;
        };
      }
      default: return shape satisfies never;
    }
  }

  #list(of: ValuePlan): Write {
    const write = this.value(of);
    return (value, trail) => {
      if (!Array.isArray(value)) return fail("an array", value, trail);
      if (value.length === 0) return "";
      enter(value, trail);
      let text = "[";
      for (let i = 0; i < value.length; i++) {
        trail?.steps.push(i);
        text += (i === 0 ? "" : ",") + write(value[i], trail);
        trail?.steps.pop();
      }
      nesting.depth--;
      return `${text}]`;
    };
  }

  #map({ key, value: of, as }: MapPlan): Write {
    const write = this.value(of);
    const names = key.type === "enum" ? new Set(key.model.values.map(({ name }) => name)) : undefined;
    const fitsKey = (one: unknown) =>
      (key.type === "enum" ? names?.has(one as string) === true : fitsScalar(key.scalar, one));
    const wanted = `a key of type ${key.type === "enum" ? key.model.name : key.scalar}`;
    return (value, trail) => {
      let entries: Iterable<readonly [unknown, unknown]>;
      if (as === "Map") {
        if (!(value instanceof Map)) return fail("a Map", value, trail);
        entries = value as Map<unknown, unknown>;
      } else {
        if (!isRecord(value)) return fail("an object", value, trail);
        entries = Object.entries(value);
      }
      enter(value, trail);
      let text = "";
      for (const [name, item] of entries) {
        trail?.steps.push(String(name));
        const typed = as === "Map" || key.type === "enum" ? name : keyOfProperty(key.scalar, name as string);
        // Readers refuse such a key, whatever it is good for.
        if (!fitsKey(typed) || typed === "__proto__") return fail(wanted, typed, trail);
        text += `${text === "" ? "{" : ","}${quote(String(name))}:${write(item, trail)}`;
        trail?.steps.pop();
      }
      nesting.depth--;
      return text === "" ? "" : `${text}}`;
    };
  }

  value(plan: ValuePlan): Write {
    if (plan.type === "json") return writeJson;
    if (plan.type === "enum") {
      const { model } = plan;
      const known = new Map(model.values.map(({ name }) => [name as unknown, quote(name)]));
      const numbered = new Map(model.values.map(({ name, number }) => [number as unknown, quote(name)]));
      const wanted = `one of ${model.values.map(({ name }) => JSON.stringify(name)).slice(0, 8).join(", ")}`;
      return (value, trail) => known.get(value) ??
        (fits(model, value) ? numbered.get(value) ?? String(value) : fail(wanted, value, trail));
    }
    if (plan.type !== "scalar") return this.message(plan);
    const { scalar, finite } = plan;
    const wanted = finite === true ? `finite ${scalar}` : scalar;
    return (value, trail) => (
      fitsScalar(scalar, value, finite) ? scalarText(scalar, value) : fail(wanted, value, trail));
  }
}

function writeDate(value: unknown, trail: Trail | undefined): string {
  const text = dateText(value);
  return text === undefined ? fail("a Date of the years 1 to 9999", value, trail) : `"${text}"`;
}

/** A value of no particular type is bytes of JSON text in Protobuf, and stays so. */
function writeJson(value: unknown, trail: Trail | undefined): string {
  return `"${toBase64(utf8.encode(jsonOf(value, trail ?? new Trail())))}"`;
}

function writeFree(form: FreeForm, value: unknown, trail: Trail | undefined): string {
  const wanted = checkFree(form, value);
  return wanted === undefined ? JSON.stringify(value) : fail(wanted, value, trail);
}

/** Whether implicit presence leaves the value out. */
function isOmitted(plan: ValuePlan, value: unknown): boolean {
  if (plan.type === "scalar") return isZero(plan.scalar, value);
  if (plan.type !== "enum") return false;
  return value === 0 || plan.model.values.find(({ name }) => name === value)?.number === 0;
}

function fail(wanted: string, value: unknown, trail: Trail | undefined): never {
  if (trail === undefined) throw gaveUp;
  throw trail.mismatch(wanted, value);
}
