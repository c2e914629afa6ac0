/** The rules of `meridian check`: what may not change, why, and what to do instead. */

/** Who is broken: `all` of them, those that tell fields by numbers, by names, or one wire alone. */
export type CheckedWire = "all" | "protobuf" | "json" | "thrift" | "avro" | "http";

export interface Rule {
  readonly why: string;
  readonly instead: string;
}

/**
 * By name, in the order of docs/check.md. `protobuf` is the native wire, gRPC and Connect; `json` XML and MessagePack
 * too.
 */
export const rules = {
  "service-removed": { why: "calls of it are answered by unimplemented", instead: "keep it until nobody calls it" },
  "method-removed": { why: "calls of it are answered by unimplemented", instead: "keep it until nobody calls it" },
  "method-kind": { why: "one side waits for a stream where the other has none",
    instead: "add a method of another name" },
  "method-wire-name": { why: "callers name it as before", instead: "keep wireName as it was" },
  "method-idempotency": {
    why: "callers repeat it as before, without keys, and each repeat takes effect", instead: "keep it bearing repeats",
  },
  "method-safe": { why: "callers make it by GET as before, which is refused", instead: "keep safe: true" },
  "method-oneway": { why: "Avro's parties agree beforehand on whether there is an answer",
    instead: "add another method" },
  "error-removed": { why: "callers who handle it are told something else", instead: "keep it declared and thrown" },
  "error-added": { why: "callers do not know it, and read an error that says nothing",
    instead: "tell it by a known error's data" },
  "error-code": { why: "callers who go by the code take it for another failure", instead: "keep its code" },
  "error-id": { why: "callers know exceptions by their numbers", instead: "keep its number: id" },
  "http-path-removed": { why: "requests to it find nothing",
    instead: "keep it beside the new one, under `additional`" },
  "field-number": { why: "fields are told by their numbers", instead: "keep the number: field(n, type)" },
  "field-reused": { why: "what was the number of one is read as another",
    instead: "take a number that was never used" },
  "field-name": { why: "fields are told by their names", instead: "keep the name, or meta({ jsonName })" },
  "field-required": { why: "the reader refuses a value without it", instead: "make it optional, or give it a default" },
  "field-no-zero": {
    why: "an absent field reads as zero, and this type has none", instead: "make it optional, or give it a default",
  },
  "type-changed": { why: "what one side writes, the other does not read",
    instead: "add a field of another number and name" },
  "null-unexpected": { why: "the reader refuses null",
    instead: "keep it from being null, or make it optional from the start" },
  "enum-number": { why: "values are told by their numbers",
    instead: "keep the number, and give the value another name" },
  "enum-value": {
    why: "the reader does not know the value, and refuses it",
    instead: "make the enum open (openEnum) before, or for Avro name a fallback",
  },
  "variant-unknown": { why: "the reader does not know the variant, and refuses it",
    instead: "add a method that has it" },
  "type-name": { why: "Avro tells types by their names",
    instead: "keep the name: .meta({ id }), or .meta({ aliases })" },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleName = keyof typeof rules;

/** One change that breaks somebody. */
export interface Finding {
  readonly rule: RuleName;
  readonly wire: CheckedWire;
  /** `geo.v1.Cities/search, input.limit`. */
  readonly place: string;
  readonly what: string;
  readonly why: string;
  readonly instead: string;
}
