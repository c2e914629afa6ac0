/**
 * The JSON codec: the JSON mapping of Protocol Buffers (https://protobuf.dev/programming-guides/json/) for every type
 * with a model, so that it says what the type's exported `.proto` says; tagged JSON for the others.
 */
import type { Codec, Coder } from "../contract/codec.ts";
import type { Model } from "../contract/model.ts";
import type { Schema } from "../contract/schema.ts";
import { RpcError } from "../core/error.ts";
import { latin1Text } from "../wire/text.ts";
import type { Writer } from "../wire/writer.ts";
import { appendText, decodeText, malformed, parse, taggedJson } from "./json-tagged.ts";
import { type AnyForm, createAnyForm, type MessageTypes, type Read, type Write } from "./proto-json/any.ts";
import { type Decode, generateDecoder } from "./proto-json/decode-source.ts";
import { at, hasLatin1 } from "./proto-json/decode-support.ts";
import { type Encode, generateEncoder } from "./proto-json/encode-source.ts";
import { inspect } from "./proto-json/inspect.ts";
import { checkNames } from "./proto-json/names.ts";
import { nesting } from "./proto-json/nesting.ts";
import { Readers } from "./proto-json/read.ts";
import { Writers } from "./proto-json/write.ts";
import { attemptEncode } from "./protobuf/attempt.ts";
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
      const coder = forms.generates ? generatedCoder(plan, forms) : interpretingCoder(plan, forms);
      coders.set(model, coder);
      return coder;
    },
  };
}

interface Forms {
  readonly writers: Writers;
  readonly readers: Readers;
  readonly generates: boolean;
}

function createForms(types: MessageTypes, refusesUnknown: boolean, generates: boolean): Forms {
  // The form of an Any needs those of all other messages, and they need it.
  const writers: Writers = new Writers((value, trail) => any.write(value, trail));
  const readers: Readers = new Readers({
    refusesUnknown, generates, any: (value, trail) => any.read(value, trail),
  });
  const any: AnyForm = createAnyForm(types, (plan) => writers.message(plan), (plan) => readers.message(plan));
  return { writers, readers, generates };
}

function interpretingCoder(plan: MessagePlan, { writers, readers }: Forms): Coder {
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

/** Most texts that are not tried the quick way in a row, after others that did not bear it. */
const mostPassedOver = 255;

/**
 * Generated code gives up at whatever is not plain, and the interpreter then does the work again: it knows how to say
 * what is wrong, and what is merely written otherwise it reads.
 */
function generatedCoder(plan: MessagePlan, forms: Forms): Coder {
  const general = interpretingCoder(plan, forms);
  let write: Encode | undefined;
  let read: Decode | undefined;
  // A peer that writes otherwise does so in all its texts: they are tried ever more seldom.
  let passOver = 0;
  let passedOver = 0;
  return {
    encode(value: unknown, writer: Writer): void {
      write ??= generateEncoder(plan, (part) => forms.writers.value(part));
      // A getter of the value may encode something else meanwhile.
      const outerDepth = nesting.depth;
      const done = attemptEncode(write, value, writer);
      nesting.depth = outerDepth;
      if (!done) general.encode(value, writer);
    },
    decode(bytes: Uint8Array, start: number, end: number): unknown {
      if (!hasLatin1 || passedOver < passOver) {
        passedOver++;
        return general.decode(bytes, start, end);
      }
      read ??= generateDecoder(plan, forms.readers);
      // A default of the schema may be computed by decoding something else.
      const outer = at.end;
      at.end = end;
      let value: unknown;
      let done = false;
      try {
        value = read(bytes, latin1Text(bytes, start, end), start);
        done = at.position === end;
      } catch {
        // Told below, outside the handler, what it was.
      }
      at.end = outer;
      if (done) {
        passOver = 0;
        return value;
      }
      passedOver = 0;
      passOver = Math.min(2 * passOver + 1, mostPassedOver);
      return general.decode(bytes, start, end);
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
