/** The XML codec: elements by the names of fields, written by compiled functions, read with saxes. docs/xml.md. */
import type { Codec, Coder } from "../../contract/codec.ts";
import type { Model } from "../../contract/model.ts";
import { requireModel, type Schema } from "../../contract/schema.ts";
import { RpcError } from "../../core/error.ts";
import type { Writer } from "../../wire/writer.ts";
import { appendText } from "../json-tagged.ts";
import { checkNames } from "../proto-json/names.ts";
import { nesting } from "../proto-json/nesting.ts";
import { type MessagePlan, planMessage } from "../protobuf/plan.ts";
import { permitsCodegen } from "../protobuf/source.ts";
import { Trail } from "../protobuf/trail.ts";
import { checkElementNames, elementName } from "./names.ts";
import { ElementReaders } from "./read.ts";
import { parseXml } from "./parse.ts";
import { ElementWriters } from "./write.ts";

export interface XmlOptions {
  /** Whether writers are generated as JavaScript, which is faster. By default wherever that is permitted. */
  readonly codegen?: boolean;
}

/** Values as XML 1.0 in UTF-8. Its content types are `application/xml` and `text/xml`. */
export const xml: Codec = createXmlCodec();

/** Makes an XML codec. A coder compiles on its first use, and is shared by all uses of its model. */
export function createXmlCodec(options: XmlOptions = {}): Codec {
  const coders = new WeakMap<Model, Map<string, Coder>>();
  let forms: { readonly writers: ElementWriters; readonly readers: ElementReaders } | undefined;
  return {
    name: "xml",
    structural: true,
    compile(schema: Schema): Coder {
      const model = requireModel(schema);
      const root = elementName(schema.name);
      const byRoot = coders.get(model) ?? new Map<string, Coder>();
      coders.set(model, byRoot);
      let coder = byRoot.get(root);
      if (coder !== undefined) return coder;
      const plan = planMessage(model);
      checkNames(plan);
      checkElementNames(plan);
      forms ??= { writers: new ElementWriters(options.codegen ?? permitsCodegen()), readers: new ElementReaders() };
      byRoot.set(root, coder = coderOf(plan, root, forms.writers, forms.readers));
      return coder;
    },
  };
}

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';

function coderOf(plan: MessagePlan, root: string, writers: ElementWriters, readers: ElementReaders): Coder {
  const write = writers.element(plan, root);
  const reader = readers.value(plan);
  return {
    encode(value: unknown, writer: Writer): void {
      appendText(writer, declaration + textOf(write, value));
    },
    decode: (bytes, start, end) => parseXml(reader, bytes, start, end),
  };
}

type Write = (value: unknown, trail: Trail | undefined) => string;

/** The first try keeps no path; if it gives up, a second one says what is wrong and where. */
function textOf(write: Write, value: unknown): string {
  // A getter of the value may encode something else meanwhile.
  const outer = nesting.depth;
  try {
    nesting.depth = 0;
    return write(value, undefined);
  } catch {
    nesting.depth = 0;
    try {
      return write(value, new Trail());
    } catch (error) {
      if (RpcError.is(error)) throw error;
      throw new RpcError("invalid_argument", "XML cannot say this value", { phase: "encode", cause: error });
    }
  } finally {
    nesting.depth = outer;
  }
}
