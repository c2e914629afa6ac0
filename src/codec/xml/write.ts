/** Writers of XML: one function a message type, generated where that is permitted, that gives an element's text. */
import { toBase64 } from "../../wire/base64.ts";
import { dateText } from "../proto-json/formats.ts";
import { checkFree } from "../proto-json/free.ts";
import { enter, nesting } from "../proto-json/nesting.ts";
import { fits, isRecord, isVariant, readField } from "../protobuf/fits.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { jsonOf } from "../protobuf/json.ts";
import { keyOfProperty } from "../protobuf/keys.ts";
import {
  type FieldPlan, isMessage, type MapPlan, maxDepth, type MessagePlan, type Slot, slotsOf, type StructPlan,
  type UnionPlan, type ValuePlan,
} from "../protobuf/plan.ts";
import { fitsScalar } from "../protobuf/scalars.ts";
import { literal, property, Source } from "../protobuf/source.ts";
import type { Trail } from "../protobuf/trail.ts";
import { escapeText, isXmlText } from "./text.ts";

/** Gives the text of one thing; without a trail it gives up at what is wrong. */
export type Write = (value: unknown, trail: Trail | undefined) => string;

const nilText = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>';

/** Makes the writers of all messages that types reach, each once. What they write stands between two tags. */
export class ElementWriters {
  readonly #generates: boolean;
  readonly #known = new Map<MessagePlan, Write>();

  constructor(generates: boolean) {
    this.#generates = generates;
  }

  /** A whole element of that name. */
  element(plan: ValuePlan, name: string): Write {
    const open = `<${name}>`;
    const close = `</${name}>`;
    const nil = `<${name}${nilText}`;
    const takesNull = isMessage(plan) && plan.type === "wrapper" && plan.of === "nullable";
    const write = this.#value(plan);
    return (value, trail) => (takesNull && value === null ? nil : open + write(value, trail) + close);
  }

  #value(plan: ValuePlan): Write {
    if (plan.type === "json") return (value, trail) => textOf(jsonText(value, trail), value, trail);
    if (isMessage(plan)) return this.#message(plan);
    if (plan.type === "enum") {
      const { model } = plan;
      const names = new Set<unknown>(model.values.map((one) => one.name));
      const numbered = new Map<unknown, string>(model.values.map((one) => [one.number, one.name]));
      const wanted = `one of ${model.values.map((one) => JSON.stringify(one.name)).slice(0, 8).join(", ")}`;
      return (value, trail) => (names.has(value) ? textOf(value as string, value, trail)
        : fits(model, value) ? numbered.get(value) ?? String(value) : fail(wanted, value, trail));
    }
    const { scalar, finite } = plan;
    const wanted = finite === true ? `finite ${scalar}` : scalar;
    if (scalar === "string") {
      return (value, trail) => (typeof value === "string" ? textOf(value, value, trail) : fail(wanted, value, trail));
    }
    const text = scalar === "bytes" ? (value: unknown) => toBase64(value as Uint8Array)
      : scalar === "double" || scalar === "float" ? (value: unknown) => floatText(value as number)
      : (value: unknown) => `${value as number}`;
    return (value, trail) => (fitsScalar(scalar, value, finite) ? text(value) : fail(wanted, value, trail));
  }

  #message(plan: MessagePlan): Write {
    const known = this.#known.get(plan);
    if (known !== undefined) return known;
    // A message that contains itself goes through this until its own writer is made.
    const later: { write?: Write } = {};
    this.#known.set(plan, (value, trail) => (later.write as Write)(value, trail));
    const write = later.write = this.#make(plan);
    this.#known.set(plan, write);
    return write;
  }

  #make(plan: MessagePlan): Write {
    switch (plan.type) {
      case "timestamp": return (value, trail) => dateText(value) ?? fail("a Date of the years 1 to 9999", value, trail);
      case "free": return (value, trail) => {
        const wanted = checkFree(plan.form, value);
        return wanted === undefined ? textOf(JSON.stringify(value), value, trail) : fail(wanted, value, trail);
      };
      case "union": return this.#union(plan);
      case "wrapper": {
        const [field] = plan.fields;
        if (plan.of === "wellknown" || plan.of === "nullable") {
          return this.#value((field.shape as { value: ValuePlan }).value);
        }
        return nested(this.#member(slotsOf(plan.fields)[0] as Slot));
      }
      case "struct": return this.#struct(plan);
      default: return plan satisfies never;
    }
  }

  #struct(plan: StructPlan): Write {
    const slots = slotsOf(plan.fields);
    const members = slots.map((slot) => ({ slot, write: this.#member(slot) }));
    let generated: ((value: unknown) => string) | undefined;
    return (value, trail) => {
      if (trail === undefined && this.#generates) return (generated ??= generate(members))(value);
      if (!isRecord(value)) return fail(plan.name, value, trail);
      enter(value, trail);
      let text = "";
      for (const { slot: { field }, write } of members) {
        trail?.steps.push(field.name);
        text += write(readField(value, field.name), trail);
        trail?.steps.pop();
      }
      nesting.depth--;
      return text;
    };
  }

  #union(plan: UnionPlan): Write {
    const writers = plan.variants.map(({ json, value }) => this.element(value, json));
    const names = plan.variants.map(({ name, tag }) => (tag === undefined ? name : JSON.stringify(tag))).join(", ");
    return (value, trail) => {
      const index = plan.variants.findIndex((variant) => isVariant(variant, plan.discriminator, value));
      const write = writers[index];
      return write === undefined ? fail(`${plan.name} (${names})`, value, trail) : nested(write)(value, trail);
    };
  }

  /** All elements of a field: none, one, or one for each item. */
  #member({ field, case: one }: Slot): Write {
    if (one !== undefined) {
      const write = this.element(one.value, one.json);
      const cases = field.shape.type === "oneof" ? field.shape.cases : [];
      const wanted = `a case of ${cases.map(({ name }) => JSON.stringify(name)).join(", ")}`;
      return (value, trail) => {
        if (value === undefined && field.absent !== "zero") return "";
        const chosen = isRecord(value) ? value["case"] : undefined;
        if (chosen === one.name) return write((value as { value?: unknown }).value, trail);
        return cases.some(({ name }) => name === chosen) ? "" : fail(wanted, value, trail);
      };
    }
    const write = this.#shape(field);
    const nil = `<${field.json}${nilText}`;
    switch (field.absent) {
      case "undefined": case "default":
        return (value, trail) => (value === undefined ? "" : write(value, trail));
      case "null": return (value, trail) => (value === null ? nil : write(value, trail));
      case "zero": return write;
      default: return field.absent satisfies never;
    }
  }

  #shape({ shape, json: name }: FieldPlan): Write {
    switch (shape.type) {
      case "single": return this.element(shape.value, name);
      case "map": return this.#map(shape, name);
      case "list": {
        const write = this.element(shape.of, name);
        return (value, trail) => {
          if (!Array.isArray(value)) return fail("an array", value, trail);
          let text = "";
          for (let i = 0; i < value.length; i++) {
            trail?.steps.push(i);
            text += write(value[i], trail);
            trail?.steps.pop();
          }
          return text;
        };
      }
      case "oneof": throw new TypeError("a oneof is written case by case");
      default: return shape satisfies never;
    }
  }

  #map({ key, value: of, as }: MapPlan, name: string): Write {
    const write = this.element(of, "value");
    const wanted = `a key of type ${key.type === "enum" ? key.model.name : key.scalar}`;
    const names = key.type === "enum" ? new Set(key.model.values.map((one) => one.name)) : undefined;
    const isKey = (one: unknown) =>
      (key.type === "enum" ? names?.has(one as string) === true : fitsScalar(key.scalar, one));
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
      for (const [key1, item] of entries) {
        trail?.steps.push(String(key1));
        const typed = as === "Map" || key.type === "enum" ? key1 : keyOfProperty(key.scalar, key1 as string);
        if (!isKey(typed) || typed === "__proto__") return fail(wanted, typed, trail);
        text += `<${name}><key>${textOf(String(key1), key1, trail)}</key>${write(item, trail)}</${name}>`;
        trail?.steps.pop();
      }
      nesting.depth--;
      return text;
    };
  }
}

function nested(write: Write): Write {
  return (value, trail) => {
    enter(value, trail);
    const text = write(value, trail);
    nesting.depth--;
    return text;
  };
}

/** A number of xs:double. */
function floatText(value: number): string {
  if (value - value === 0) return value === 0 && 1 / value < 0 ? "-0" : `${value}`;
  return value > 0 ? "INF" : value < 0 ? "-INF" : "NaN";
}

function jsonText(value: unknown, trail: Trail | undefined): string {
  if (trail !== undefined) return jsonOf(value, trail);
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw gaveUp;
  return text;
}

function textOf(text: string, value: unknown, trail: Trail | undefined): string {
  return isXmlText(text) ? escapeText(text) : fail("text of characters that XML has", value, trail);
}

function fail(wanted: string, value: unknown, trail: Trail | undefined): never {
  if (trail === undefined) throw gaveUp;
  throw trail.mismatch(wanted, value);
}

interface Member {
  readonly slot: Slot;
  readonly write: Write;
}

/** The writer of a struct as one expression: plain scalars in place, everything else by its own function. */
function generate(members: readonly Member[]): (value: unknown) => string {
  const source = new Source();
  source.add("return function write(v) {", "if (!isRecord(v) || ++nesting.depth > maxDepth) throw gaveUp;", "let x;",
    'let s = "";');
  for (const { slot: { field, case: one }, write } of members) {
    source.add(`x = ${property("v", field.name)};`);
    const { shape } = field;
    const scalar = one === undefined && shape.type === "single" && shape.value.type === "scalar" &&
      field.absent !== "null" ? shape.value.scalar : undefined;
    const fit = scalar === undefined ? undefined : fitText[scalar];
    if (fit === undefined) {
      source.add(`s += ${source.constant(write)}(x, undefined);`);
      continue;
    }
    const text = scalar === "string" ? "escape(x)" : "x";
    source.add(field.absent === "zero" ? "{" : "if (x !== undefined) {", `if (!(${fit})) throw gaveUp;`,
      `s += ${literal(`<${field.json}>`)} + ${text} + ${literal(`</${field.json}>`)};`, "}");
  }
  source.add("nesting.depth--;", "return s;", "}");
  return source.build({ gaveUp, isRecord, nesting, maxDepth, escape: escapeText, isXmlText }) as
    (value: unknown) => string;
}

const fitText: Readonly<Record<string, string>> = {
  string: 'typeof x === "string" && isXmlText(x)', bool: 'typeof x === "boolean"',
  int32: 'typeof x === "number" && (x | 0) === x && (x !== 0 || 1 / x > 0)',
  uint32: 'typeof x === "number" && (x >>> 0) === x && (x !== 0 || 1 / x > 0)',
  double: 'typeof x === "number" && x - x === 0 && (x !== 0 || 1 / x > 0)',
};
