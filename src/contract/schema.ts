/** A Schema is one type of a contract: its structure where it can be read, and its validation. */
import { RpcError } from "../core/error.ts";
import type { Model } from "./model.ts";

export interface Schema {
  /** The structure that codecs compile from; absent for Standard Schema types that cannot be read. */
  readonly model: Model | undefined;
  /** Why there is no model: what a codec that needs one throws. See {@link requireModel}. */
  readonly modelError?: RpcError | undefined;
  /** The name of the type in exported IDLs and in messages, e.g. `CalculatorAddInput`. */
  readonly name?: string | undefined;
  /**
   * Checks what a codec that was compiled from the model cannot guarantee (ranges, patterns, refinements),
   * and returns the value to use. Absent when nothing is left to check. Throws `invalid_argument` naming the
   * path, what came and what was expected.
   */
  readonly refine: ((value: unknown) => unknown) | undefined;
  /** Checks a value of unknown structure (from a schemaless codec) completely. Throws like `refine`. */
  readonly validate: (value: unknown) => unknown;
}

/** The model of a schema; throws why there is none, for codecs that cannot do without. */
export function requireModel(schema: Schema): Model {
  if (schema.model !== undefined) return schema.model;
  throw schema.modelError ?? new RpcError("invalid_argument",
    `the structure of ${schema.name ?? "a schema"} is unknown; use the JSON or MessagePack codec, or a Zod 4 schema`);
}
