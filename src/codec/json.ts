/**
 * The JSON codec: the JSON mapping of Protocol Buffers (https://protobuf.dev/programming-guides/json/) for every type
 * with a model, so that it says what the type's exported `.proto` says; tagged JSON for the others.
 */
import type { Codec, Coder } from "../contract/codec.ts";
import type { Model } from "../contract/model.ts";
import type { Schema } from "../contract/schema.ts";
import { RpcError } from "../core/error.ts";
import type { Writer } from "../wire/writer.ts";
import { appendText, decodeText, malformed, parse, taggedJson } from "./json-tagged.ts";
import { type AnyForm, createAnyForm, type MessageTypes, type Read, type Write } from "./proto-json/any.ts";
import { inspect } from "./proto-json/inspect.ts";
import { checkNames } from "./proto-json/names.ts";
import { nesting } from "./proto-json/nesting.ts";
import { Readers } from "./proto-json/read.ts";
import { Writers } from "./proto-json/write.ts";
import { type MessagePlan, planMessage } from "./protobuf/plan.ts";
import { permitsCodegen } from "./protobuf/source.ts";
import { Trail } from "./protobuf/trail.ts";

export interface JsonOptions {
  /**
   * Whether parts of coders are generated as JavaScript, which is faster. By default they are wherever that is
   * permitted (a Content-Security-Policy may forbid it).
   */
  readonly codegen?: boolean;
  /**
   * The messages that a `google.protobuf.Any` may hold, by full name; those of google.protobuf are always known. An
   * Any of another type cannot be written or read as JSON. Default none.
   */
  readonly types?: MessageTypes;
  /** What happens at properties that a type does not know: `ignore` (the default) or `refuse`. */
  readonly unknownProperties?: "ignore" | "refuse";
}

/** Values as JSON text. Its content type is `application/json`. */
export const json: Codec = createJsonCodec();

/** Makes a JSON codec. A coder compiles on its first use, and is shared by all uses of its model. */
export function createJsonCodec(options: JsonOptions = {}): Codec {
  const { types = {}, unknownProperties = "ignore" } = options;
  const coders = new WeakMap<Model, Coder>();
  let forms: Forms | undefined;
  return {
    name: "json",
    structural: true,
    compile(schema: Schema): Coder {
      const { model } = schema;
      if (model === undefined) return taggedJson;
      const known = coders.get(model);
      if (known !== undefined) return known;
      const plan = planMessage(model);
      checkNames(plan);
      forms ??= createForms(types, unknownProperties === "refuse", options.codegen ?? permitsCodegen());
      const coder = coderOf(plan, forms);
      coders.set(model, coder);
      return coder;
    },
  };
}

interface Forms {
  readonly writers: Writers;
  readonly readers: Readers;
}

function createForms(types: MessageTypes, refusesUnknown: boolean, generates: boolean): Forms {
  // The form of an Any needs those of all other messages, and they need it.
  const writers: Writers = new Writers((value, trail) => any.write(value, trail), generates);
  const readers: Readers = new Readers({
    refusesUnknown, generates, any: (value, trail) => any.read(value, trail),
  });
  const any: AnyForm = createAnyForm(types, (plan) => writers.message(plan), (plan) => readers.message(plan));
  return { writers, readers };
}

function coderOf(plan: MessagePlan, { writers, readers }: Forms): Coder {
  let write: Write | undefined;
  let read: Read | undefined;
  return {
    encode(value: unknown, writer: Writer): void {
      write ??= writers.message(plan);
      appendText(writer, textOf(write, value));
    },
    decode(bytes: Uint8Array, start: number, end: number): unknown {
      read ??= readers.message(plan);
      const text = decodeText(bytes, start, end);
      const parsed = parse(text);
      inspect(parsed, bytes, start, end);
      try {
        return read(parsed, undefined);
      } catch {
        return refused(() => (read as Read)(parsed, new Trail()));
      }
    },
  };
}

/** The first try keeps no path; if it gives up, a second one says what is wrong and where. */
function textOf(write: Write, value: unknown): string {
  // A getter of the value may encode something else meanwhile.
  const outer = nesting.depth;
  try {
    nesting.depth = 0;
    return write(value, undefined);
  } catch {
    nesting.depth = 0;
    return refused(() => write(value, new Trail()));
  } finally {
    nesting.depth = outer;
  }
}

/** Runs what will throw; nothing but an RpcError leaves it. */
function refused<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (RpcError.is(error)) throw error;
    throw malformed("cannot say this value", error);
  }
}
