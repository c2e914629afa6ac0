/**
 * An Avro schema as a graph: what codecs resolve a writer's with a reader's by (https://avro.apache.org/docs/1.12.0/,
 * sections "Schema Declaration" and "Names"). References are resolved, so recursive types are cycles.
 */

export type AvroPrimitive = "null" | "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string";

export type AvroSchema =
  | AvroPrimitiveSchema | AvroRecord | AvroEnum | AvroFixed | AvroArray | AvroMap | AvroUnion;

export interface AvroPrimitiveSchema {
  readonly type: AvroPrimitive;
  readonly logicalType?: string | undefined;
}

/** Names are full: with their namespace, if they have one. */
export interface AvroNamed {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly doc?: string | undefined;
}

export interface AvroRecord extends AvroNamed {
  readonly type: "record";
  readonly isError: boolean;
  readonly fields: readonly AvroField[];
}

export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly aliases: readonly string[];
  /** The default in JSON; undefined where there is none (a default of null is null). */
  readonly default: unknown;
  readonly doc?: string | undefined;
}

export interface AvroEnum extends AvroNamed {
  readonly type: "enum";
  readonly symbols: readonly string[];
  /** What a reader takes for a symbol that it does not know. */
  readonly default: string | undefined;
}

export interface AvroFixed extends AvroNamed {
  readonly type: "fixed";
  readonly size: number;
  readonly logicalType?: string | undefined;
}

export interface AvroArray {
  readonly type: "array";
  readonly items: AvroSchema;
}

export interface AvroMap {
  readonly type: "map";
  readonly values: AvroSchema;
}

export interface AvroUnion {
  readonly type: "union";
  readonly branches: readonly AvroSchema[];
}

/** A protocol: messages by name, between a client and a server. */
export interface AvroProtocol {
  /** With its namespace: `geo.v1.Cities`. */
  readonly name: string;
  readonly doc?: string | undefined;
  readonly types: readonly AvroSchema[];
  readonly messages: ReadonlyMap<string, AvroMessage>;
}

export interface AvroMessage {
  readonly name: string;
  readonly doc?: string | undefined;
  /** The parameters, as the fields of a record. */
  readonly request: AvroRecord;
  readonly response: AvroSchema;
  /** What fails with: a text, or one of the declared errors. */
  readonly errors: AvroUnion;
  readonly isOneWay: boolean;
}

/** A name without its namespace. */
export function unqualified(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** What tells the branches of a union apart: the name of a named type, or else the type. */
export function branchKey(schema: AvroSchema): string {
  switch (schema.type) {
    case "record": case "enum": case "fixed": return schema.name;
    default: return schema.type;
  }
}

export const avroPrimitives: ReadonlySet<string> = new Set([
  "null", "boolean", "int", "long", "float", "double", "bytes", "string",
]);

/** What a name's parts may be. */
export const avroName = /^[A-Za-z_][A-Za-z0-9_]*$/;
