/**
 * The schema model: what a contract's types are, as data that every codec and every IDL is derived from.
 *
 * It describes JavaScript values and their wire shape at once: scalars with widths, structs with field
 * numbers, lists, maps, enums, optionals, unions, bytes, 64-bit integers as bigint.
 */

export type Model =
  | ScalarModel | EnumModel | StructModel | ListModel | MapModel | UnionModel | OneofModel | NullableModel
  | UnknownModel | WellKnownModel;

export type ScalarKind =
  | "bool" | "string" | "bytes" | "int32" | "uint32" | "sint32" | "int64" | "uint64" | "sint64"
  | "fixed32" | "sfixed32" | "fixed64" | "sfixed64" | "float" | "double" | "timestamp";

/** JavaScript types: bool boolean; bytes Uint8Array; 64-bit kinds bigint; timestamp Date; other numbers number. */
export interface ScalarModel {
  readonly kind: "scalar";
  readonly scalar: ScalarKind;
  /** Of `float` and `double`: NaN and the infinities are no values of this type, and codecs refuse them. */
  readonly finite?: boolean;
  /** Of `bytes`: the fixed type of Avro that they are, whose size holds on that wire. */
  readonly fixed?: { readonly name: string; readonly size: number } | undefined;
  /** Of `int32`: the narrower integer that it is in Thrift, whose range holds on that wire; of `string`: its uuid. */
  readonly thrift?: "i8" | "i16" | "uuid" | undefined;
}

/**
 * Strings in JavaScript, numbers on compact wires. 0 is no value's number unless the user gave it to one: it
 * is what Protobuf reads for an absent value.
 */
export interface EnumModel {
  readonly kind: "enum";
  /** Type name within its service's package; unique per contract. */
  readonly name: string;
  readonly values: readonly { readonly name: string; readonly number: number }[];
  /** Numbers that name no value are values too, as themselves: 32-bit integers beside the strings. */
  readonly open?: boolean;
  /** What a reader takes for a value that it does not know, where the wire tells values by name (Avro). */
  readonly fallback?: string | undefined;
  readonly aliases?: readonly string[] | undefined;
}

export interface StructModel {
  readonly kind: "struct";
  readonly name: string;
  /**
   * In the order of their numbers. A getter may supply it, so that recursive types can refer to themselves:
   * read it only when compiling, and memoise by the StructModel's identity.
   */
  readonly fields: readonly FieldModel[];
  /** Names that it had before, where a wire tells types by name (Avro). */
  readonly aliases?: readonly string[] | undefined;
}

export interface FieldModel {
  /** The property name in JavaScript. */
  readonly name: string;
  /** 1 to 536870911, unique in its struct, stable for ever. Of a oneof the least of its variants' numbers. */
  readonly number: number;
  readonly model: Model;
  /**
   * - `required`: always there; on a wire without presence an absent one reads as the type's zero value;
   * - `optional`: may be undefined, and absent stays absent;
   * - `default`: absent reads as `defaultValue()`.
   */
  readonly presence: "required" | "optional" | "default";
  readonly defaultValue?: () => unknown;
  readonly description?: string | undefined;
  /** The name in `.proto`. Default: `name`. */
  readonly protoName?: string | undefined;
  /** The name in JSON. Default: the name in `.proto` in lowerCamelCase, as Protocol Buffers makes it. */
  readonly jsonName?: string | undefined;
  /** Names that it had before, where a wire tells fields by name (Avro). */
  readonly aliases?: readonly string[] | undefined;
}

/**
 * One of several fields of the struct around it, or none (`oneof` of Protocol Buffers); only ever the model of a
 * field, whose name it has. In JavaScript `{ case: "card", value }`, where `case` is the variant's name.
 */
export interface OneofModel {
  readonly kind: "oneof";
  /** Fields of the struct around: their numbers and names are unique in it. */
  readonly variants: readonly OneofVariantModel[];
}

export interface OneofVariantModel {
  readonly name: string;
  readonly number: number;
  readonly model: Model;
  readonly description?: string | undefined;
  /** As of a {@link FieldModel}. */
  readonly protoName?: string | undefined;
  readonly jsonName?: string | undefined;
}

export interface ListModel {
  readonly kind: "list";
  readonly of: Model;
  /** That it is a set in Thrift; what is in it twice is left to whoever fills it. */
  readonly thrift?: "set" | undefined;
}

export interface MapModel {
  readonly kind: "map";
  readonly key: ScalarModel | EnumModel;
  readonly value: Model;
  /** A plain object (`z.record`) or a Map (`z.map`) in JavaScript. */
  readonly as: "object" | "Map";
}

/** One of several types. Told apart by a discriminator property, or else by trying which variant fits. */
export interface UnionModel {
  readonly kind: "union";
  readonly name: string;
  /** The property whose literal value names the variant; its literals are in each variant's `tag`. */
  readonly discriminator: string | undefined;
  readonly variants: readonly VariantModel[];
}

export interface VariantModel {
  readonly name: string;
  readonly number: number;
  readonly model: Model;
  /** The discriminator's value of this variant. */
  readonly tag: string | number | boolean | undefined;
}

/** The value or null. */
export interface NullableModel {
  readonly kind: "nullable";
  readonly of: Model;
}

/** Any JSON-like value (`z.unknown()`, `z.any()`, `z.json()`). */
export interface UnknownModel {
  readonly kind: "unknown";
}

/**
 * A message of google.protobuf whose JavaScript value is not the object of its fields. Those that are plain structs
 * (`Duration`, `Any`, `FieldMask`, `Empty`, `Timestamp` to the nanosecond) are StructModels of their full name.
 */
export interface WellKnownModel {
  readonly kind: "wellknown";
  /** The full name of the message. */
  readonly name: WellKnownName;
  /** What a wrapper holds; undefined of `Struct`, `Value` and `ListValue`, which are JSON values in JavaScript. */
  readonly of: ScalarModel | undefined;
}

export type WellKnownName =
  `google.protobuf.${"Double" | "Float" | "Int64" | "UInt64" | "Int32" | "UInt32" | "Bool" | "String" | "Bytes"}Value`
  | "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue";
