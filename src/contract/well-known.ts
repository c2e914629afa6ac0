/**
 * `wellKnown` holds the messages of google.protobuf as types of a contract: exported `.proto` files import them, and
 * in JSON they have their own forms.
 */
import * as z from "zod";
import { bytes } from "./field.ts";

/** A span of time: from -315,576,000,000 to 315,576,000,000 seconds (10,000 years). */
export interface Duration {
  readonly seconds: bigint;
  /** Of the same sign as `seconds`; -999,999,999 to 999,999,999. */
  readonly nanos: number;
}

/** A moment of the years 1 to 9999, to the nanosecond. */
export interface Timestamp {
  /** Since 1970. */
  readonly seconds: bigint;
  /** 0 to 999,999,999, forwards in time. */
  readonly nanos: number;
}

/** A message of a type that is told beside it. */
export interface Any {
  /** Ends with the full name of the message: `type.googleapis.com/google.rpc.ErrorInfo`. */
  readonly typeUrl: string;
  /** The message in Protobuf. */
  readonly value: Uint8Array;
}

/** Names of fields, as in `.proto`: `user.display_name`. */
export interface FieldMask {
  readonly paths: readonly string[];
}

/** What {@link wellKnown}.value takes. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

type Same<T> = z.ZodType<T, T>;

const seconds = { seconds: z.int64(), nanos: z.int32() };
const types = {
  duration: z.object(seconds).meta({ id: "google.protobuf.Duration" }),
  timestamp: z.object(seconds).meta({ id: "google.protobuf.Timestamp" }),
  any: z.object({ typeUrl: z.string(), value: bytes() }).meta({ id: "google.protobuf.Any" }),
  fieldMask: z.object({ paths: z.array(z.string()) }).meta({ id: "google.protobuf.FieldMask" }),
  empty: z.object({}).meta({ id: "google.protobuf.Empty" }),
  value: z.json().meta({ wellKnown: "google.protobuf.Value" }),
  struct: z.record(z.string(), z.json()).meta({ wellKnown: "google.protobuf.Struct" }),
  listValue: z.array(z.json()).meta({ wellKnown: "google.protobuf.ListValue" }),
};

/**
 * The messages of google.protobuf.
 *
 * ```ts
 * z.object({ every: wellKnown.duration(), nickname: wellKnown.wrapped(z.string()).optional() })
 * ```
 */
export const wellKnown = {
  /** google.protobuf.Duration; see {@link durationOf} and {@link durationMs}. */
  duration: (): Same<Duration> => types.duration,
  /** google.protobuf.Timestamp with its nanoseconds. `z.date()` is the same message to the millisecond. */
  timestamp: (): Same<Timestamp> => types.timestamp,
  /** google.protobuf.Any. JSON needs the message's type: `createJsonCodec({ types })`. */
  any: (): Same<Any> => types.any,
  /** google.protobuf.FieldMask. */
  fieldMask: (): Same<FieldMask> => types.fieldMask,
  /** google.protobuf.Empty: `{}`. */
  empty: (): Same<Record<string, never>> => types.empty,
  /** google.protobuf.Value: any JSON value. */
  value: (): Same<JsonValue> => types.value,
  /** google.protobuf.Struct: an object of JSON values. */
  struct: (): Same<{ [key: string]: JsonValue }> => types.struct,
  /** google.protobuf.ListValue: a list of JSON values. */
  listValue: (): Same<JsonValue[]> => types.listValue,
  /**
   * A scalar in its wrapper of google.protobuf, which gives it presence where proto3 had none: `z.string()` becomes
   * StringValue. In JavaScript the value is the scalar itself; make the property optional.
   */
  wrapped: <T extends z.ZodType>(type: T): T => type.meta({ wrapped: true }),
} as const;

/** The Duration of so many milliseconds, to the nanosecond as far as the number goes. */
export function durationOf(ms: number): Duration {
  const whole = Math.trunc(ms / 1000);
  return { seconds: BigInt(whole), nanos: Math.round((ms - whole * 1000) * 1_000_000) };
}

/** Milliseconds of a Duration; fractions of one are kept as far as a number holds them. */
export function durationMs({ seconds: whole, nanos }: Duration): number {
  return Number(whole) * 1000 + nanos / 1_000_000;
}
