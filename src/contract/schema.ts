/** A Schema is one type of a contract: its structure where it can be read, and its validation. */
import type { Model } from "./model.ts";

export interface Schema {
  /** The structure that codecs compile from; absent for Standard Schema types that cannot be read. */
  readonly model: Model | undefined;
  /**
   * Checks what a codec that was compiled from the model cannot guarantee (ranges, patterns, refinements),
   * and returns the value to use. Absent when nothing is left to check. Throws `invalid_argument` naming the
   * path, what came and what was expected.
   */
  readonly refine: ((value: unknown) => unknown) | undefined;
  /** Checks a value of unknown structure (from a schemaless codec) completely. Throws like `refine`. */
  readonly validate: (value: unknown) => unknown;
}
