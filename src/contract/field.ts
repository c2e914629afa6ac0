/** Types that Zod has no word for: a field with a number of its own, bytes, widths of numbers, open enums, oneofs. */
import * as z from "zod";
import { RpcError } from "../core/error.ts";
import type { ScalarKind } from "./model.ts";
import type { AnyType } from "./standard.ts";
import { asZod, globalRegistry, type ZodMeta } from "./zod/def.ts";

/**
 * The same type with a field number of its own: `field(7, z.string())`. Fields after it count on from there.
 * The number survives checks and wrappers (`.min()`, `.optional()`, `.default()`) that are added to it.
 * For a variant of a union it is the variant's number. Throws `invalid_argument` for what is no Zod schema.
 */
export function field<T extends AnyType>(number: number, type: T): T {
  const numbered = asZod(type) as (T & { meta?(meta: ZodMeta): T; clone?(): T }) | undefined;
  if (typeof numbered?.meta === "function") return numbered.meta({ field: number });
  const clone = numbered?.clone?.();
  const registry = globalRegistry();
  if (clone === undefined || registry === undefined) {
    throw new RpcError("invalid_argument", `field ${number}: only a Zod 4 schema can be given a field number`);
  }
  registry.add(clone, { field: number });
  return clone;
}

/** Binary data: a Uint8Array. The same as `z.instanceof(Uint8Array)`. */
export function bytes(): z.ZodType<Uint8Array, Uint8Array> {
  return z.instanceof(Uint8Array);
}

/**
 * Binary data of exactly so many bytes: in Avro a fixed type of that name (`fixed("MD5", 16)`), bytes on other wires.
 */
export function fixed(name: string, sizeBytes: number): z.ZodType<Uint8Array, Uint8Array> {
  const type: z.ZodType<Uint8Array, Uint8Array> = z.instanceof(Uint8Array)
    .refine((value) => value.length === sizeBytes, { error: `expected ${sizeBytes} bytes` });
  return type.meta({ fixed: { name, size: sizeBytes } });
}

/** The JavaScript type of a kind of scalar. */
export type ScalarValue<Kind extends ScalarKind> = Kind extends "string" ? string : Kind extends "bool" ? boolean
  : Kind extends "bytes" ? Uint8Array : Kind extends "timestamp" ? Date : Kind extends `${string}64` ? bigint : number;

/**
 * A scalar of exactly that kind on the wire: `scalar("sint64")`. Needed for those that Zod has no word for (zigzag and
 * fixed widths), and for floats that may be NaN or infinite, which `z.number()` and `z.float32()` refuse.
 */
export function scalar<Kind extends ScalarKind>(kind: Kind): z.ZodType<ScalarValue<Kind>, ScalarValue<Kind>> {
  const type: z.ZodType = scalarTypes[kind]().meta({ scalar: kind });
  return type as z.ZodType<ScalarValue<Kind>, ScalarValue<Kind>>;
}

const anyNumber = () => z.custom<number>((value) => typeof value === "number", { error: "expected number" });
const scalarTypes: Readonly<Record<ScalarKind, () => z.ZodType>> = {
  bool: z.boolean, string: z.string, bytes, timestamp: z.date,
  int32: z.int32, sint32: z.int32, sfixed32: z.int32, uint32: z.uint32, fixed32: z.uint32,
  int64: z.int64, sint64: z.int64, sfixed64: z.int64, uint64: z.uint64, fixed64: z.uint64,
  float: anyNumber, double: anyNumber,
};

/**
 * An enum of which this side need not know all values, as proto3 has it: a name it knows, or else the number.
 *
 * ```ts
 * openEnum({ STATUS_UNSPECIFIED: 0, STATUS_OPEN: 1 }).meta({ id: "Status" })
 * ```
 *
 * A number that has a name is taken too, and arrives as the name. `z.enum` refuses unknown numbers instead.
 */
export function openEnum<const Numbers extends Readonly<Record<string, number>>>(
  numbers: Numbers,
): z.ZodType<(keyof Numbers & string) | number, (keyof Numbers & string) | number> {
  const type: z.ZodType = z.union([z.enum(Object.keys(numbers)), z.int32()]).meta({ open: true, numbers });
  return type as z.ZodType<(keyof Numbers & string) | number, (keyof Numbers & string) | number>;
}

type OneofCase<Name extends string, Value> = { case: Name; value: Value };
type Variants = Readonly<Record<string, z.core.SomeType>>;

/** An interface, so that a type may refer to itself in a variant: an alias is what the compiler wants at once. */
interface OneofInternals<V extends Variants> extends z.core.$ZodTypeInternals {
  readonly output: { [Name in keyof V & string]: OneofCase<Name, z.output<V[Name]>> }[keyof V & string] | undefined;
  readonly input: { [Name in keyof V & string]: OneofCase<Name, z.input<V[Name]>> }[keyof V & string] | undefined;
  readonly optin: "optional";
  readonly optout: "optional";
}

/** What {@link oneof} makes: an optional property of `{ case, value }`. */
export interface Oneof<V extends Variants> extends z.ZodType<unknown, unknown, OneofInternals<V>> {}

/**
 * A Protobuf `oneof`: at most one of several fields of the object around it.
 *
 * ```ts
 * z.object({ id: z.string(), paidBy: oneof({ card: field(4, Card), note: field(5, z.string()) }) })
 * ```
 *
 * The property is `{ case: "card", value: Card } | { case: "note", value: string } | undefined`. Numbers are
 * those of the object's fields: unique in it, counting on where none is named. Where a variant refers back to its
 * own object, the property stands behind a getter, as in `z.object`. Throws `invalid_argument` for no variant at
 * all. A union (`z.discriminatedUnion`) is a message of its own instead.
 */
export function oneof<V extends Variants>(variants: V): Oneof<V> {
  const [first, ...rest] = Object.keys(variants).map((name) => z.object({
    case: z.literal(name),
    get value() {
      return variants[name] as z.ZodType;
    },
  }));
  if (first === undefined) throw new RpcError("invalid_argument", "a oneof needs at least one variant");
  const union = z.discriminatedUnion("case", [first, ...rest]).meta({ oneof: true });
  return union.optional() as unknown as Oneof<V>;
}
