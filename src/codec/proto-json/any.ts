/** google.protobuf.Any in JSON: the message's own JSON with its type beside it, which needs the type to be known. */
import type { Coder } from "../../contract/codec.ts";
import { wellKnownModel } from "../../contract/proto/well-known-models.ts";
import { requireModel, type Schema } from "../../contract/schema.ts";
import { isType, schemaOf } from "../../contract/schema-of.ts";
import type { AnyType } from "../../contract/standard.ts";
import { Writer } from "../../wire/writer.ts";
import { protobuf } from "../protobuf/codec.ts";
import { gaveUp } from "../protobuf/gave-up.ts";
import { maxDepth, type MessagePlan, planMessage } from "../protobuf/plan.ts";
import type { Trail } from "../protobuf/trail.ts";
import { quote } from "./scalars.ts";

/** Message types by their full names, e.g. `google.rpc.ErrorInfo`. */
export type MessageTypes =
  | Readonly<Record<string, AnyType | Schema>>
  | ((name: string) => AnyType | Schema | undefined);

/** Writes and reads the JSON of one kind of value. With a trail they say what is wrong; without, they give up. */
export type Write = (value: unknown, trail: Trail | undefined) => string;
export type Read = (json: unknown, trail: Trail | undefined) => unknown;

export interface AnyForm {
  readonly write: Write;
  readonly read: Read;
}

interface KnownType {
  readonly coder: Coder;
  readonly write: Write;
  readonly read: Read;
  /** Whether its JSON is no object of its fields, and stands under `value`. */
  readonly isSpecial: boolean;
}

/** Most distinct names that are remembered: names come from peers where types are a function. */
const mostKnown = 1000;
const typePrefix = "@type";

/** `writeOf` and `readOf` give the JSON form of any message. */
export function createAnyForm(
  types: MessageTypes, writeOf: (plan: MessagePlan) => Write, readOf: (plan: MessagePlan) => Read,
): AnyForm {
  const known = new Map<string, KnownType>();
  let depth = 0;
  const find = (typeUrl: string): KnownType | undefined => {
    const name = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
    let type = known.get(name);
    if (type !== undefined) return type;
    const schema = schemaFor(types, name);
    if (schema === undefined) return undefined;
    const plan = planMessage(requireModel(schema));
    type = { coder: protobuf.compile(schema), write: writeOf(plan), read: readOf(plan), isSpecial: isSpecial(name) };
    if (known.size < mostKnown) known.set(name, type);
    return type;
  };
  /** An Any may hold an Any. */
  const nested = <T>(run: () => T): T => {
    if (depth >= maxDepth) throw gaveUp;
    depth++;
    try {
      return run();
    } finally {
      depth--;
    }
  };
  return {
    write: (value, trail) => nested(() => writeAny(find, value, trail)),
    read: (json, trail) => nested(() => readAny(find, json, trail)),
  };
}

type Find = (typeUrl: string) => KnownType | undefined;

function writeAny(find: Find, value: unknown, trail: Trail | undefined): string {
  const { typeUrl, value: bytes } = (typeof value === "object" && value !== null ? value : {}) as Partial<{
    typeUrl: unknown; value: unknown; }>;
  if (typeof typeUrl !== "string" || !(bytes instanceof Uint8Array)) {
    if (trail === undefined) throw gaveUp;
    throw trail.mismatch("google.protobuf.Any: { typeUrl, value }", value);
  }
  if (typeUrl === "" && bytes.length === 0) return "{}";
  const type = find(typeUrl);
  if (type === undefined) {
    if (trail === undefined) throw gaveUp;
    throw trail.mismatch("an Any of a type that the JSON codec was given (createJsonCodec({ types }))", typeUrl);
  }
  const text = type.write(type.coder.decode(bytes, 0, bytes.length), trail);
  const head = `{"${typePrefix}":${quote(typeUrl)}`;
  if (type.isSpecial) return `${head},"value":${text}}`;
  return text === "{}" ? `${head}}` : `${head},${text.slice(1)}`;
}

function readAny(find: Find, json: unknown, trail: Trail | undefined): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return refuse("an object", json, trail);
  const { [typePrefix]: typeUrl, ...members } = json as Record<string, unknown>;
  if (typeUrl === undefined && Object.keys(members).length === 0) return { typeUrl: "", value: new Uint8Array(0) };
  if (typeof typeUrl !== "string" || !typeUrl.includes("/") || typeUrl.endsWith("/")) {
    return refuse(`"${typePrefix}" with a URL that ends in a type's name`, typeUrl, trail);
  }
  const type = find(typeUrl);
  if (type === undefined) {
    return refuse("an Any of a type that the JSON codec was given (createJsonCodec({ types }))", typeUrl, trail);
  }
  const value = type.read(type.isSpecial ? members["value"] : members, trail);
  const writer = new Writer(256);
  type.coder.encode(value, writer);
  return { typeUrl, value: new Uint8Array(writer.bytes.subarray(0, writer.position)) };
}

function refuse(wanted: string, json: unknown, trail: Trail | undefined): never {
  if (trail === undefined) throw gaveUp;
  throw trail.unfit(wanted, json);
}

function schemaFor(types: MessageTypes, name: string): Schema | undefined {
  const type = typeof types === "function" ? types(name) : Object.hasOwn(types, name) ? types[name] : undefined;
  if (type === undefined) {
    const model = anyModels(name);
    return model === undefined ? undefined : { model, name, refine: undefined, validate: (value) => value };
  }
  return isType(type) ? schemaOf(type, name.slice(name.lastIndexOf(".") + 1)) : type;
}

/** Of google.protobuf; a Timestamp with its nanoseconds. */
function anyModels(name: string): Schema["model"] {
  const model = wellKnownModel(name);
  if (model?.kind !== "scalar") return model;
  const duration = wellKnownModel("google.protobuf.Duration");
  return duration?.kind === "struct" ? { ...duration, name } : undefined;
}

function isSpecial(name: string): boolean {
  return name !== "google.protobuf.Empty" && wellKnownModel(name) !== undefined;
}
