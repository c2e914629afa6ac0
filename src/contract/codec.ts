/**
 * A Codec turns values into bytes and back, for values that a {@link Schema} describes.
 *
 * A protocol receives its codec and never imports one. Compilation happens once per schema and codec, on
 * first use.
 */
import type { Writer } from "../wire/writer.ts";
import type { Schema } from "./schema.ts";

export interface Codec {
  /** The name on the wire, e.g. `proto`, `json`, `msgpack`. */
  readonly name: string;
  /** Whether decoding guarantees the structure that the schema's model describes; if not, it is validated. */
  readonly structural: boolean;
  /** Whether it belongs to one protocol (Thrift's, Avro's): calls of others are not made in it unless they must. */
  readonly bound?: boolean | undefined;
  /**
   * Makes the coder of one type. Throws `invalid_argument` when the codec cannot express the schema. `role` is what the
   * value is to a call; most codecs write it the same for all.
   */
  compile(schema: Schema, role?: CodecRole): Coder;
}

/**
 * What a value is to a call: its request, an answer to it, or a declared error's data. Thrift's answers are structs
 * around the value, and its requests structs of arguments.
 */
export type CodecRole = "request" | "response" | "error";

export interface Coder {
  /** Appends the encoded value. Throws `invalid_argument` naming the path of a value of the wrong type. */
  encode(value: unknown, writer: Writer): void;
  /**
   * Reads one value from `bytes[start, end)`, all of it. Throws `invalid_argument` saying what is malformed,
   * and where. Never keeps `bytes`, so that the caller may reuse them.
   */
  decode(bytes: Uint8Array, start: number, end: number): unknown;
  /**
   * Of codecs whose wire tells by what schema something was written (Avro): the coder that reads what that one wrote.
   * Throws `invalid_argument` where nothing that it writes could be read.
   */
  readonly reading?: ((writer: unknown) => Coder) | undefined;
  /**
   * Of codecs that are not structural: whether what `decode` returned last is known to have the structure of the model
   * all the same, so that what a structural codec's value is spared need not be checked of it.
   */
  readonly wasStructural?: (() => boolean) | undefined;
}
