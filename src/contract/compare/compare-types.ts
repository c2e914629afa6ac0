/** Whether values that one side writes of a type are read by the other, wire by wire. */
import type { Lock, LockedField, LockedNamed, LockedType } from "./lock.ts";
import { type Reads, readsScalar, shown } from "./scalars.ts";
import type { CheckedWire, RuleName } from "./rules.ts";

/** A request is written as before and read as after; an answer the other way about. */
export type Direction = "request" | "answer";

type Say = (rule: RuleName, wire: CheckedWire, place: string, what: string) => void;

const wires = ["protobuf", "json", "thrift", "avro"] as const;

export class TypeComparer {
  readonly #before: Lock;
  readonly #after: Lock;
  readonly #say: Say;
  /** Pairs of named types that were, or are being, compared in a direction. */
  readonly #compared = new Set<string>();

  constructor(before: Lock, after: Lock, say: Say) {
    this.#before = before;
    this.#after = after;
    this.#say = say;
  }

  compare(old: LockedType, now: LockedType, direction: Direction, place: string, isField = false): void {
    const [writer, reader] = direction === "request" ? [old, now] : [now, old];
    if (writer.kind === "nullable" || reader.kind === "nullable") {
      this.#nullable(old, now, direction, place, isField);
      return;
    }
    if (old.kind === "scalar" && now.kind === "scalar") {
      this.#scalars(old, now, direction, place);
    } else if (old.kind === "list" && now.kind === "list") {
      if (old.thrift !== now.thrift) this.#say("type-changed", "thrift", place, changed(old, now));
      this.compare(old.of, now.of, direction, `${place}[]`);
    } else if (old.kind === "map" && now.kind === "map") {
      this.compare(old.key, now.key, direction, `${place}{key}`);
      this.compare(old.value, now.value, direction, `${place}{}`);
    } else if (old.kind === "oneof" && now.kind === "oneof") {
      this.#variants(old.variants, now.variants, direction, place);
    } else if (old.kind === "named" && now.kind === "named") {
      this.#named(old.type, now.type, direction, place);
    } else if (old.kind !== now.kind || (old.kind === "wellknown" && now.kind === "wellknown" &&
      old.name !== now.name)) {
      this.#kinds(old, now, direction, place);
    }
  }

  #nullable(old: LockedType, now: LockedType, direction: Direction, place: string, isField: boolean): void {
    const [writer, reader] = direction === "request" ? [old, now] : [now, old];
    if (writer.kind === "nullable" && reader.kind !== "nullable") {
      for (const wire of ["json", "avro"] as const) this.#say("null-unexpected", wire, place,
        "it may be null, and might not");
    }
    if ((writer.kind === "nullable") !== (reader.kind === "nullable") && !isField) {
      // Where nothing can be absent, null takes a message of its own.
      for (const wire of ["protobuf", "thrift"] as const) this.#say("type-changed", wire, place, changed(old, now));
    }
    this.compare(old.kind === "nullable" ? old.of : old, now.kind === "nullable" ? now.of : now, direction, place,
      isField);
  }

  #scalars(
    old: LockedType & { kind: "scalar" }, now: LockedType & { kind: "scalar" }, direction: Direction, place: string,
  ): void {
    const [writer, reader] = direction === "request" ? [old, now] : [now, old];
    const reads: Reads = readsScalar(writer, reader);
    for (const wire of wires) if (!reads[wire]) this.#say("type-changed", wire, place, changed(old, now));
  }

  /** Types of different kinds: an enum and its number are the same to some. */
  #kinds(old: LockedType, now: LockedType, direction: Direction, place: string): void {
    const [writer, reader] = direction === "request" ? [old, now] : [now, old];
    const written = writer.kind === "named" ? this.#find(writer.type, direction === "request") : undefined;
    const isNumber = reader.kind === "scalar" && reader.scalar === "int32";
    const same: readonly string[] = written?.kind === "enum" && isNumber && reader.thrift === undefined
      ? ["protobuf", "thrift"] : written?.kind === "enum" && reader.kind === "scalar" && reader.scalar === "string"
        ? ["json"] : [];
    for (const wire of wires) if (!same.includes(wire)) this.#say("type-changed", wire, place, changed(old, now));
  }

  #find(type: string, isOld: boolean): LockedNamed | undefined {
    return (isOld ? this.#before : this.#after).types[type];
  }

  #named(oldKey: string, nowKey: string, direction: Direction, place: string): void {
    const key = JSON.stringify([oldKey, nowKey, direction]);
    if (this.#compared.has(key)) return;
    this.#compared.add(key);
    const [old, now] = [this.#find(oldKey, true), this.#find(nowKey, false)];
    if (old === undefined || now === undefined) return;
    if (old.kind !== now.kind) {
      for (const wire of wires) this.#say("type-changed", wire, place, `it was a ${old.kind}, and is a ${now.kind}`);
      return;
    }
    const [writer, reader] = direction === "request" ? [old, now] : [now, old];
    const known = reader.kind === "union" ? [] : reader.aliases ?? [];
    if (writer.name !== reader.name && !known.includes(writer.name)) {
      this.#say("type-name", "avro", place, `the type was ${old.name}, and is ${now.name}`);
    }
    if (old.kind === "struct" && now.kind === "struct") {
      this.#numbers(old.fields, now.fields, place);
      this.#fields(old.fields, now.fields, direction, place);
    } else if (old.kind === "enum" && now.kind === "enum") {
      this.#enums(old, now, direction, place);
    } else if (old.kind === "union" && now.kind === "union") {
      if (old.discriminator !== now.discriminator) {
        this.#say("type-changed", "json", place,
          `its discriminator was ${old.discriminator}, and is ${now.discriminator}`);
      }
      this.#variants(old.variants, now.variants, direction, place);
    }
  }

  /** What has another number, or the number of another. */
  #numbers(old: readonly LockedField[], now: readonly LockedField[], place: string): void {
    for (const field of old) {
      if (field.type.kind === "oneof") continue;
      const named = now.find(({ name }) => name === field.name);
      const numbered = now.find(({ number, type }) => number === field.number && type.kind !== "oneof");
      const at = `${place}.${field.name}`;
      if (named !== undefined && named.number !== field.number && named.type.kind !== "oneof") {
        for (const wire of ["protobuf", "thrift"] as const) {
          this.#say("field-number", wire, at, `its number was ${field.number}, and is ${named.number}`);
        }
      } else if (named === undefined && numbered !== undefined && old.some(({ name }) => name === numbered.name)) {
        for (const wire of ["protobuf", "thrift"] as const) {
          this.#say("field-reused", wire, at, `${field.number} was its number, and is that of ${numbered.name}`);
        }
      } else if (named === undefined && numbered !== undefined && numbered.jsonName !== field.jsonName) {
        this.#say("field-name", "json", at,
          `${field.number} was called ${field.jsonName}, and is ${numbered.jsonName}`);
      } else if (named !== undefined && named.jsonName !== field.jsonName) {
        this.#say("field-name", "json", at, `it was called ${field.jsonName}, and is ${named.jsonName}`);
      }
    }
  }

  #fields(old: readonly LockedField[], now: readonly LockedField[], direction: Direction, place: string): void {
    const [written, read] = direction === "request" ? [old, now] : [now, old];
    for (const field of read) {
      const isRenamed = written.some(({ number }) => number === field.number);
      const twin = written.find(({ name }) => name === field.name);
      const aliased = written.find(({ name }) => field.aliases?.includes(name));
      const at = `${place}.${field.name}`;
      if (field.presence === "required") {
        const isSure = (one: LockedField | undefined) => one !== undefined && one.presence !== "optional";
        const what = twin === undefined ? "it is required, and not written by the other side"
          : "it is required, and optional to the other side";
        if (!isSure(twin) && !(isRenamed && twin === undefined)) this.#say("field-required", "json", at, what);
        if (!isSure(twin ?? aliased)) this.#say("field-required", "avro", at, what);
        if (!isSure(twin) && !isRenamed && this.#hasNoZero(field.type, direction === "answer")) {
          for (const wire of ["protobuf", "thrift"] as const) this.#say("field-no-zero", wire, at, what);
        }
      }
    }
    for (const field of old) {
      const twin = now.find(({ name }) => name === field.name) ?? now.find(({ number }) => number === field.number);
      if (twin !== undefined) this.compare(field.type, twin.type, direction, `${place}.${field.name}`, true);
    }
  }

  #hasNoZero(type: LockedType, isOld: boolean): boolean {
    const named = type.kind === "named" ? this.#find(type.type, isOld) : undefined;
    if (named?.kind === "union") return true;
    return named?.kind === "enum" && !named.open && !named.values.some(({ number }) => number === 0);
  }

  #enums(
    old: LockedNamed & { kind: "enum" }, now: LockedNamed & { kind: "enum" }, direction: Direction, place: string,
  ): void {
    for (const { name, number } of old.values) {
      const twin = now.values.find((value) => value.name === name);
      if (twin === undefined || twin.number === number) continue;
      for (const wire of ["protobuf", "thrift"] as const) {
        this.#say("enum-number", wire, place, `${name} was ${number}, and is ${twin.number}`);
      }
    }
    const [written, reader] = direction === "request" ? [old, now] : [now, old];
    for (const { name, number } of written.values) {
      const what = `${name} is ${direction === "request" ? "gone" : "new"} in ${now.name}`;
      const isNumbered = reader.open || reader.values.some((value) => value.number === number);
      if (!isNumbered) for (const wire of ["protobuf", "thrift"] as const) this.#say("enum-value", wire, place, what);
      const isNamed = reader.values.some((value) => value.name === name);
      if (!isNamed && !reader.open) this.#say("enum-value", "json", place, what);
      if (!isNamed && reader.fallback === undefined && !reader.open) this.#say("enum-value", "avro", place, what);
    }
  }

  #variants(old: readonly LockedField[], now: readonly LockedField[], direction: Direction, place: string): void {
    const [written, read] = direction === "request" ? [old, now] : [now, old];
    for (const variant of written) {
      if (read.some(({ number, name }) => number === variant.number || name === variant.name)) continue;
      const what = `the variant ${variant.name} is ${direction === "request" ? "gone" : "new"}`;
      this.#say("variant-unknown", "all", place, what);
    }
    this.#numbers(old, now, place);
    for (const variant of old) {
      const twin = now.find(({ name }) => name === variant.name) ?? now.find(({ number }) => number === variant.number);
      if (twin !== undefined) this.compare(variant.type, twin.type, direction, `${place}.${variant.name}`);
    }
  }
}

function changed(old: LockedType, now: LockedType): string {
  return `its type was ${shown(old)}, and is ${shown(now)}`;
}
