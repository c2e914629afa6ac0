/** Which scalars read what others wrote, wire by wire. */
import type { ScalarKind } from "../model.ts";
import type { LockedType } from "./lock.ts";

type Scalar = LockedType & { readonly kind: "scalar" };

export type Reads = Readonly<Record<"protobuf" | "json" | "thrift" | "avro", boolean>>;

/** Kinds by the writer's: what reads all of its values, being written alike. Each reads itself. */
type Readers = Partial<Record<ScalarKind, readonly ScalarKind[]>>;

const protobuf: Readers = {
  bool: ["int32", "uint32", "int64", "uint64"], int32: ["int64"], uint32: ["int64", "uint64"], sint32: ["sint64"],
  string: ["bytes"],
};

const small: readonly ScalarKind[] = ["int32", "sint32", "sfixed32"];
const smallUnsigned: readonly ScalarKind[] = ["uint32", "fixed32"];
const large: readonly ScalarKind[] = ["int64", "sint64", "sfixed64"];
const largeUnsigned: readonly ScalarKind[] = ["uint64", "fixed64"];

/** In JSON integers of 64 bits are texts, and those of 32 bits numbers. */
const json: Readers = {
  ...each(small, [...small, "double"]), ...each(smallUnsigned, [...smallUnsigned, "double"]), ...each(large, large),
  ...each(largeUnsigned, largeUnsigned), float: ["double"],
};

const thrift: Readers = {
  ...each(small, small), ...each(smallUnsigned, [...smallUnsigned, ...large, ...largeUnsigned]), ...each(large, large),
  ...each(largeUnsigned, largeUnsigned), timestamp: large, float: ["double"],
};

/** Resolution: int reads as long, float and double, long as float and double, float as double, string as bytes. */
const avro: Readers = {
  ...each(small, [...small, ...large, "float", "double"]), ...each(large, [...large, "float", "double"]),
  ...each(smallUnsigned, [...smallUnsigned, ...large]), ...each(largeUnsigned, largeUnsigned), float: ["double"],
  string: ["bytes"], bytes: ["string"],
};

function each(kinds: readonly ScalarKind[], readers: readonly ScalarKind[]): Readers {
  return Object.fromEntries(kinds.map((kind) => [kind, readers]));
}

export function readsScalar(writer: Scalar, reader: Scalar): Reads {
  const reads = (table: Readers): boolean => writer.scalar === reader.scalar ||
    table[writer.scalar]?.includes(reader.scalar) === true;
  return {
    protobuf: reads(protobuf), json: reads(json), thrift: reads(thrift) && writer.thrift === reader.thrift,
    avro: reads(avro),
  };
}

/** A type as people call it. */
export function shown(type: LockedType): string {
  switch (type.kind) {
    case "scalar": return type.thrift ?? type.scalar;
    case "list": return `${type.thrift ?? "list"} of ${shown(type.of)}`;
    case "map": return `map of ${shown(type.key)} to ${shown(type.value)}`;
    case "nullable": return `${shown(type.of)} or null`;
    case "oneof": return "a oneof";
    case "unknown": return "anything";
    case "wellknown": return type.name;
    case "named": return type.type;
    default: return type satisfies never;
  }
}
